"""Mirroring the enrollments that are made inside Open edX."""

import logging

from django.db import IntegrityError, transaction

from courses.models import CourseRun, CourseRunEnrollment, CourseRunEnrollmentAudit
from courses.models.audit import snapshot
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENTS_PAID_MODES
from users.models import User

log = logging.getLogger(__name__)


def create_local_enrollment(
    user: User, run: CourseRun, *, mode: str = EDX_ENROLLMENT_AUDIT_MODE
) -> tuple[CourseRunEnrollment, bool]:
    """Make the learner's enrollment here what Open edX says it is there, without asking it.

    Repeatable, also at the same time. One that exists is made active again and moves up to a paid
    mode; an unpaid mode never replaces another, since a learner who paid stays so. Each change
    leaves an audit row.

    Args:
        user: the learner.
        run: the course run.
        mode: the enrollment's mode in Open edX's words, at most 20 characters.

    Returns (the enrollment, whether it is new).
    """
    try:
        return _mirror(user, run, mode)
    except IntegrityError:
        # The same event came twice at once, and the other was faster.
        return _mirror(user, run, mode)


@transaction.atomic
def _mirror(user: User, run: CourseRun, mode: str) -> tuple[CourseRunEnrollment, bool]:
    enrollment = (
        CourseRunEnrollment.all_objects.select_for_update(of=("self",))
        .filter(user=user, run=run)
        .first()
    )
    if enrollment is None:
        enrollment = CourseRunEnrollment.all_objects.create(
            user=user, run=run, enrollment_mode=mode, edx_enrolled=True
        )
        _record(enrollment, before=None)
        return enrollment, True
    before = snapshot(enrollment)
    wanted: dict[str, object] = {"edx_enrolled": True}
    if not enrollment.active:
        wanted |= {"active": True, "change_status": None}
    if mode in EDX_ENROLLMENTS_PAID_MODES:
        wanted["enrollment_mode"] = mode
    changed = [name for name, value in wanted.items() if getattr(enrollment, name) != value]
    if changed:
        for name in changed:
            setattr(enrollment, name, wanted[name])
        enrollment.save(update_fields=[*changed, "updated_on"])
        _record(enrollment, before)
    return enrollment, False


def _record(enrollment: CourseRunEnrollment, before: dict[str, object] | None) -> None:
    CourseRunEnrollmentAudit.objects.create(
        enrollment=enrollment, data_before=before, data_after=snapshot(enrollment)
    )
    log.info(
        "enrollment mirrored",
        extra={"user_id": enrollment.user_id, "course_id": enrollment.run.courseware_id},
    )
