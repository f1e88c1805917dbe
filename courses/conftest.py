"""Fixtures for the rules: a run, and people in it."""

from collections.abc import Callable
from typing import Any

import pytest

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun, CourseRunCertificate
from openedx.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

Enrolls = Callable[..., User]
PASSED = {"passed": True, "percent": 0.9, "letter_grade": "A"}
FAILED = {"passed": False, "percent": 0.3, "letter_grade": None}
ZERO = {"passed": False, "percent": 0.0, "letter_grade": None}


@pytest.fixture
def run(db: None) -> CourseRun:
    """A live, instructor-paced run whose certificates are due since yesterday."""
    return CourseRunFactory.create()


@pytest.fixture
def enrolled(openedx: SimulatedOpenEdx) -> Enrolls:
    """Make a learner with a paid enrollment here, and with a grade over there."""

    def make(
        run: CourseRun,
        *,
        mode: str = "verified",
        active: bool = True,
        user: User | None = None,
        **grade: Any,
    ) -> User:
        learner = user or UserFactory.create()
        CourseRunEnrollmentFactory.create(
            user=learner, run=run, enrollment_mode=mode, active=active
        )
        openedx.enroll(run.courseware_id, str(learner.edx_username), **(grade or PASSED))
        return learner

    return make


def has_certificate(user: User, run: CourseRun) -> bool:
    """Whether the learner has a valid certificate of the run."""
    return CourseRunCertificate.objects.filter(user=user, course_run=run).exists()
