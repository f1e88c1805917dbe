"""The chaos run's rows. Runs inside Django, in a process of its own, and prints the token.

The options arrive as the fields of `tools.chaos.plan.Options`, and the cast follows from the seed.
"""

from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from courses.models import (
    Course,
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
)
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENT_VERIFIED_MODE
from openedx.models import OpenEdxUser
from tools.chaos.cast import RUNS, Case, Story
from tools.chaos.plan import Options, make_plan
from users.models import User

# Each certificate that was ever there, whatever became of it.
_RECORD = """
CREATE TABLE chaos_record (
    user_id bigint, course_run_id bigint, uuid uuid, is_revoked boolean
);
CREATE FUNCTION chaos_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_record
    VALUES (NEW.user_id, NEW.course_run_id, NEW.uuid, NEW.is_revoked);
    RETURN NEW;
END $$;
CREATE TRIGGER chaos_record AFTER INSERT OR UPDATE ON courses_courseruncertificate
FOR EACH ROW EXECUTE FUNCTION chaos_record();
"""


def prepare(**options: Any) -> None:
    """Migrate, make the rows of a plan in an empty database, and print the webhook's token."""
    call_command("migrate", verbosity=0, interactive=False)
    cases = make_plan(Options(**options)).cases
    with connection.cursor() as cursor:
        cursor.execute(_RECORD)
    runs = {run.course_id: _make_run(run) for run in RUNS}
    users = _make_users({case.learner: case for case in reversed(cases)}.values())
    CourseRunEnrollment.objects.bulk_create(
        CourseRunEnrollment(
            user=users[case.username],
            run=runs[case.run.course_id],
            enrollment_mode=EDX_ENROLLMENT_VERIFIED_MODE
            if case.is_verified
            else EDX_ENROLLMENT_AUDIT_MODE,
            edx_enrolled=True,
        )
        for case in cases
    )
    CourseRunCertificate.objects.bulk_create(
        CourseRunCertificate(
            user=users[case.username],
            course_run=runs[case.run.course_id],
            is_revoked=case.story is Story.REVOKED,
        )
        for case in cases
        if case.story in (Story.CERTIFIED, Story.REVOKED)
    )
    call_command("create_webhook_token")


def _make_run(run: Any) -> CourseRun:
    now = timezone.now()
    readable_id, _, run_tag = run.course_id.rpartition("+")
    days = run.certificate_in_days
    return CourseRun.objects.create(
        course=Course.objects.create(readable_id=readable_id, title=readable_id, live=True),
        courseware_id=run.course_id,
        title=readable_id,
        run_tag=run_tag,
        is_self_paced=run.is_self_paced,
        live=True,
        start_date=now - timedelta(days=100),
        certificate_available_date=None if days is None else now + timedelta(days=days),
    )


def _make_users(cases: Any) -> dict[str, User]:
    people: list[Case] = list(cases)
    users = User.objects.bulk_create(
        User(username=case.username, email=case.email, name=case.username, password="!")  # noqa: S106 - no password at all
        for case in people
    )
    OpenEdxUser.objects.bulk_create(
        OpenEdxUser(
            user=user,
            edx_username=None if case.story is Story.NO_USERNAME else case.edx_username,
        )
        for user, case in zip(users, people, strict=True)
    )
    return {user.username: user for user in users}
