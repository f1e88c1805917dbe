"""How the commands find what they are told of by name."""

from django.core.management.base import CommandError

from courses.models import CourseRun
from users.models import User


def find_user(name: str) -> User:
    """Return the user with this e-mail address or username; raise CommandError without one."""
    user = User.objects.find_by_email(name) or User.objects.filter(username=name).first()
    if user is None:
        raise CommandError("There is no user with this e-mail address or username.")
    return user


def find_run(course_id: str) -> CourseRun:
    """Return the run with this course id; raise CommandError without one."""
    run = CourseRun.objects.filter(courseware_id=course_id).first()
    if run is None:
        raise CommandError(f"There is no course run {course_id}.")
    return run
