"""What Open edX knows of our learners."""

from collections.abc import Iterator
from typing import Any

from courses.models import CourseRun
from openedx_certificates.api import fetch_grades_with_users
from users.models import User


def get_edx_grades_with_users(
    course_run: CourseRun, user: User | None = None
) -> Iterator[tuple[Any, User]]:
    """Yield (grade, user) for each learner of the run, or for the one user that is given."""
    return fetch_grades_with_users(course_run, user)
