"""The demo's rows. Runs inside Django, in a process of its own, and reports in JSON.

Touches the demo's own learners and course runs only: those that the description names.
"""

import json
import sys
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import transaction
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone

from courses.api import get_certificate_grade_eligible_runs
from courses.models import (
    Course,
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
    CourseRunGrade,
    CourseRunGradeAudit,
)
from openedx.models import OpenEdxUser
from openedx_certificates.models import (
    CertificateRequest,
    CourseRunCertificateDeletion,
    OpenEdxPause,
)
from tools.demo.accounts import ensure_credentials
from tools.demo.description import Learner, Run, load_runs
from tools.demo.failure import DemoFailed
from users.models import User


def prepare(*, reset: bool) -> None:
    """Migrate, load what is missing, make the credentials, and print what was done.

    Args:
        reset: also bring the demo's rows back to what the description says, and delete what an
            earlier demo issued to its learners.
    """
    call_command("migrate", verbosity=0, interactive=False, stdout=sys.stderr)
    runs = load_runs()
    course_ids = [run.course_id for run in runs]
    with transaction.atomic():
        known = CourseRun.objects.filter(courseware_id__in=course_ids).count()
        if reset or known < len(runs):
            _load(runs)
        deleted = _delete_issued(runs) if reset else {}
        credentials = ensure_credentials(runs[0].enrolled[0].learner.username)
    others = get_certificate_grade_eligible_runs(timezone.now()).exclude(
        courseware_id__in=course_ids
    )
    _print(
        {
            "deleted": deleted,
            "other_runs": list(others.values_list("courseware_id", flat=True)),
            "credentials": credentials.as_dict(),
        }
    )


def report() -> None:
    """Print how many certificates each of the demo's runs has, and the address of the first."""
    certificates = {
        run.course_id: CourseRunCertificate.objects.filter(**_in_the_demo(run))
        for run in load_runs()
    }
    keys = [pk for issued in certificates.values() for pk in issued.values_list("pk", flat=True)]
    change = "admin:courses_courseruncertificate_change"
    _print(
        {
            "certificates": {course_id: len(issued) for course_id, issued in certificates.items()},
            "first_path": reverse(change, args=[min(keys)]) if keys else None,
        }
    )


def _load(runs: tuple[Run, ...]) -> None:
    learners = {one.learner.username: one.learner for run in runs for one in run.enrolled}
    users = {username: _load_learner(learner) for username, learner in learners.items()}
    today = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
    for run in runs:
        row = _load_run(run, today)
        for one in run.enrolled:
            CourseRunEnrollment.all_objects.update_or_create(
                user=users[one.learner.username],
                run=row,
                defaults={
                    "enrollment_mode": one.mode,
                    "active": True,
                    "change_status": None,
                    "edx_enrolled": True,
                },
            )


def _load_learner(learner: Learner) -> User:
    user = User.objects.filter(username=learner.username).first()
    if user is None:
        user = User.objects.create_user(learner.username, learner.email, name=learner.name)
    elif user.email != learner.email:
        raise DemoFailed(
            f"A user {learner.username} is here who is not the demo's: "
            "nothing was changed. Rename the user, or set DEMO_FOLDER to another folder."
        )
    OpenEdxUser.objects.update_or_create(user=user, defaults={"edx_username": learner.username})
    return user


def _load_run(run: Run, today: Any) -> CourseRun:
    readable_id, _, run_tag = run.course_id.rpartition("+")
    course, _ = Course.objects.update_or_create(
        readable_id=readable_id, defaults={"title": run.title, "live": True}
    )
    start = today + timedelta(days=run.start_in_days)
    end = today + timedelta(days=run.end_in_days)
    certificates = run.certificate_in_days
    row, _ = CourseRun.objects.update_or_create(
        courseware_id=run.course_id,
        defaults={
            "course": course,
            "title": run.title,
            "run_tag": run_tag,
            "is_self_paced": run.is_self_paced,
            "live": True,
            "start_date": start,
            "end_date": end,
            "enrollment_start": start - timedelta(days=60),
            "enrollment_end": end if run.is_self_paced else start + timedelta(days=14),
            "upgrade_deadline": end - timedelta(days=10),
            "certificate_available_date": None
            if certificates is None
            else today.replace(hour=0) + timedelta(days=certificates),
        },
    )
    return row


def _delete_issued(runs: tuple[Run, ...]) -> dict[str, int]:
    deleted = {"certificates": 0, "grades": 0}
    for run in runs:
        here = _in_the_demo(run)
        grades = CourseRunGrade.objects.filter(**here)
        _count_deleted(CourseRunGradeAudit.objects.filter(course_run_grade__in=grades))
        deleted["grades"] += _count_deleted(grades)
        deleted["certificates"] += _count_deleted(CourseRunCertificate.all_objects.filter(**here))
        _count_deleted(CourseRunCertificateDeletion.objects.filter(**here))
        _count_deleted(CertificateRequest.objects.filter(**here))
    # Of an Open edX that an earlier demo ended.
    _count_deleted(OpenEdxPause.objects.all())
    return deleted


def _in_the_demo(run: Run) -> dict[str, Any]:
    """Return the filter for what the demo's learners have in a run; another's is not the demo's."""
    usernames = [one.learner.username for one in run.enrolled]
    return {"course_run__courseware_id": run.course_id, "user__username__in": usernames}


def _count_deleted(rows: QuerySet[Model]) -> int:
    return rows.delete()[0]


def _print(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result))
