"""The rows of a benchmark. Runs inside Django, in a process of its own, and prints the token."""

from django.core.management import call_command

from benchmarks.cast import COURSE_ID, learner
from courses.models import Course, CourseRun, CourseRunEnrollment
from openedx.constants import EDX_ENROLLMENT_VERIFIED_MODE
from openedx.models import OpenEdxUser
from users.models import User


def prepare(learners: int) -> None:
    """Migrate an empty database, and make learners who paid, in one self-paced run."""
    call_command("migrate", verbosity=0, interactive=False)
    run = CourseRun.objects.create(
        course=Course.objects.create(readable_id="course-v1:MITxT+bench", title="B", live=True),
        courseware_id=COURSE_ID,
        title="B",
        run_tag="R1",
        is_self_paced=True,
        live=True,
    )
    users = User.objects.bulk_create(
        User(username=learner(number), email=f"{learner(number)}@example.com", password="!")  # noqa: S106 - no password at all
        for number in range(learners)
    )
    OpenEdxUser.objects.bulk_create(
        OpenEdxUser(user=user, edx_username=user.username) for user in users
    )
    CourseRunEnrollment.objects.bulk_create(
        CourseRunEnrollment(
            user=user, run=run, enrollment_mode=EDX_ENROLLMENT_VERIFIED_MODE, edx_enrolled=True
        )
        for user in users
    )
    call_command("create_webhook_token")
