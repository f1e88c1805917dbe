"""Enrollments: mirroring those that are made inside Open edX, and an administrator's changes."""

import logging
from typing import TypedDict, Unpack

from django.db import transaction

from courses.models import (
    ENDS_OF_A_PAYMENT,
    CourseRun,
    CourseRunEnrollment,
    CourseRunEnrollmentAudit,
)
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENTS_PAID_MODES
from openedx_certificates.api import note_enrollment, repeat_on_conflict, snapshot
from users.models import User

log = logging.getLogger(__name__)


class EnrollmentFields(TypedDict, total=False):
    """What an administrator may change of an enrollment."""

    enrollment_mode: str
    active: bool
    change_status: str | None
    edx_enrolled: bool


def create_local_enrollment(
    user: User, run: CourseRun, *, mode: str = EDX_ENROLLMENT_AUDIT_MODE
) -> tuple[CourseRunEnrollment, bool]:
    """Make the learner's enrollment here what Open edX says it is there, without asking it.

    Repeatable, also at the same time. One that exists is made active again and moves up to a paid
    mode; an unpaid mode never replaces another, since a payment stays one. But one that was
    refunded, deferred or transferred comes back in the mode that is given: what was paid for it is
    gone (the contract, section 5). Each change leaves an audit row.

    Args:
        user: the learner.
        run: the course run.
        mode: the enrollment's mode in Open edX's words, at most 20 characters.

    Returns (the enrollment, whether it is new).
    """
    return _mirror(user, run, mode)


@transaction.atomic
def change_enrollment(
    user: User, run: CourseRun, *, acting_user: User, **fields: Unpack[EnrollmentFields]
) -> CourseRunEnrollment:
    """Set what is given of the learner's enrollment as an administrator does, and return it.

    Makes the enrollment if there is none; Open edX is not told. What is not given stays as it
    is, but an enrollment made active loses the reason why it was not. A change leaves an audit row.

    Args:
        user: the learner.
        run: the course run.
        acting_user: the administrator.
        fields: the values to set, by their names.
    """
    enrollment, created = CourseRunEnrollment.all_objects.get_or_create(
        user=user, run=run, defaults=fields
    )
    if created:
        _record(enrollment, before=None, acting_user=acting_user)
        return enrollment
    # Read again under the lock: an event may have changed the row since the first look.
    enrollment = CourseRunEnrollment.all_objects.select_for_update(of=("self",)).get(
        pk=enrollment.pk
    )
    wanted: dict[str, object] = {**fields}
    if fields.get("active") and not enrollment.active:
        wanted["change_status"] = None
    _apply(enrollment, wanted, acting_user)
    return enrollment


@repeat_on_conflict
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
    wanted: dict[str, object] = {"edx_enrolled": True}
    if not enrollment.active:
        wanted |= {"active": True, "change_status": None}
    if mode in EDX_ENROLLMENTS_PAID_MODES or _has_lost_its_payment(enrollment):
        wanted["enrollment_mode"] = mode
    if not _apply(enrollment, wanted):
        # Sent again, it finds a payment that was not looked for the first time.
        note_enrollment(enrollment)
    return enrollment, False


def _has_lost_its_payment(enrollment: CourseRunEnrollment) -> bool:
    return not enrollment.active and enrollment.change_status in ENDS_OF_A_PAYMENT


def _apply(
    enrollment: CourseRunEnrollment, wanted: dict[str, object], acting_user: User | None = None
) -> bool:
    """Store what differs from the locked row and record the change; return whether there was one."""
    before = snapshot(enrollment)
    changed = [name for name, value in wanted.items() if getattr(enrollment, name) != value]
    if not changed:
        return False
    for name in changed:
        setattr(enrollment, name, wanted[name])
    enrollment.save(update_fields=[*changed, "updated_on"])
    _record(enrollment, before, acting_user)
    return True


def _record(
    enrollment: CourseRunEnrollment,
    before: dict[str, object] | None,
    acting_user: User | None = None,
) -> None:
    CourseRunEnrollmentAudit.objects.create(
        enrollment=enrollment,
        acting_user=acting_user,
        data_before=before,
        data_after=snapshot(enrollment),
    )
    log.info(
        "enrollment changed" if acting_user else "enrollment mirrored",
        extra={"user_id": enrollment.user_id, "course_id": enrollment.run.courseware_id},
    )
