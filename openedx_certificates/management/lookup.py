"""How the commands find what they are told of by name."""

from django.core.management.base import CommandError

from openedx_certificates import host


def get_user(name: str) -> host.User:
    """Return the user with this e-mail address or username; raise CommandError without one."""
    user = host.find_user_by_email(name) or host.users().filter(username=name).first()
    if user is None:
        raise CommandError("There is no user with this e-mail address or username.")
    return user


def get_run(course_id: str) -> host.CourseRun:
    """Return the run with this course id; raise CommandError without one."""
    run = host.find_course_run(course_id)
    if run is None:
        raise CommandError(f"There is no course run {course_id}.")
    return run
