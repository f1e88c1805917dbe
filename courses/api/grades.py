"""Storing grades: Open edX's, and an administrator's."""

import logging
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from courses.api.conflicts import repeat_on_conflict
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade, CourseRunGradeAudit
from courses.models.audit import snapshot
from courses.models.grade import NO_CERTIFICATE_GRADE
from users.models import User

log = logging.getLogger(__name__)

# Open edX's 0.0 where a certificate exists is often a mistake that passes, such as a grade that is
# being computed anew. It counts when it is reported again after this time.
ZERO_GRADE_CONFIRMATION = timedelta(hours=20)


class ReportedGrade(Protocol):
    """What is stored of a grade that Open edX reports."""

    @property
    def percent(self) -> float: ...
    @property
    def passed(self) -> bool: ...
    @property
    def letter_grade(self) -> str | None: ...


def ensure_course_run_grade(
    user: User, course_run: CourseRun, edx_grade: ReportedGrade, should_update: bool = False
) -> tuple[CourseRunGrade | None, bool, bool]:
    """Store the grade Open edX reports, and return (the stored grade, created, updated).

    Repeatable, also at the same time. A grade that exists changes only with `should_update`, never
    where an administrator set it, and leaves an audit row. A reported 0.0 where a certificate
    exists is held back until it is confirmed (see `is_held_back`); the grade returned is then the
    one that was there, None where there was none.

    Raises IntegrityError for a percent out of the column's range.
    """
    return _ensure(user, course_run, edx_grade, should_update)


@repeat_on_conflict
@transaction.atomic
def _ensure(
    user: User, course_run: CourseRun, edx_grade: ReportedGrade, should_update: bool
) -> tuple[CourseRunGrade | None, bool, bool]:
    stored = lock_grade(user, course_run)
    certificate = lock_certificate(user, course_run)
    return store_reported_grade(user, course_run, edx_grade, stored, certificate, should_update)


def is_held_back(stored: CourseRunGrade | None, edx_grade: ReportedGrade) -> bool:
    """Return whether a reported 0.0 was not taken over, and waits to be confirmed."""
    if edx_grade.percent != NO_CERTIFICATE_GRADE:
        return False
    return stored is None or (stored.grade != NO_CERTIFICATE_GRADE and not stored.set_by_admin)


def is_zero_confirmed(certificate: CourseRunCertificate, now: datetime) -> bool:
    """Return whether a reported 0.0 counts by now: it was reported first long enough ago."""
    first = certificate.zero_reported_on
    return first is not None and now - first >= ZERO_GRADE_CONFIRMATION


def would_delete(
    stored: CourseRunGrade | None,
    certificate: CourseRunCertificate | None,
    edx_grade: ReportedGrade,
    now: datetime,
) -> bool:
    """Return whether storing the reported grade would take the certificate away."""
    if certificate is None or certificate.is_revoked:
        return False
    if stored is not None and stored.set_by_admin:
        # Nothing is stored. An administrator's own 0.0 counts at once, whatever is reported.
        return False
    if is_held_back(stored, edx_grade):
        return is_zero_confirmed(certificate, now)
    return edx_grade.percent == NO_CERTIFICATE_GRADE


@transaction.atomic
def override_user_grade(
    user: User,
    override_grade: float,
    letter_grade: str | None,
    courseware_id: str,
    should_force_pass: bool = False,
    acting_user: User | None = None,
) -> CourseRunGrade:
    """Set a learner's grade as an administrator does, and return it.

    Open edX does not overwrite it from then on. 0.0 is a grade: it is stored as not passed. Any
    other leaves `passed` as it is, or sets it with `should_force_pass`. The certificate is not
    touched: `process_course_run_grade_certificate` does that.

    Args:
        user: the learner.
        override_grade: 0.0 to 2.0, 1.0 being all points.
        letter_grade: at most ten characters, or None.
        courseware_id: Open edX's course id of the run.
        should_force_pass: whether the learner passes with it.
        acting_user: the administrator, where known.

    Raises CourseRun.DoesNotExist for an unknown run, IntegrityError for a grade out of range.
    """
    course_run = CourseRun.objects.get(courseware_id=courseware_id)
    grade, created = CourseRunGrade.objects.get_or_create(
        user=user,
        course_run=course_run,
        defaults={
            "grade": override_grade,
            "letter_grade": letter_grade,
            "passed": should_force_pass and override_grade > NO_CERTIFICATE_GRADE,
            "set_by_admin": True,
        },
    )
    if not created:
        # Read again under the lock: a sync may have changed the row since the first look.
        grade = CourseRunGrade.objects.select_for_update(of=("self",)).get(pk=grade.pk)
        before = snapshot(grade)
        grade.grade = override_grade
        grade.letter_grade = letter_grade
        grade.passed = override_grade > NO_CERTIFICATE_GRADE and (grade.passed or should_force_pass)
        grade.set_by_admin = True
        grade.save()
        _audit(grade, before, acting_user)
    log.info("grade overridden", extra={"user_id": user.pk, "course_id": courseware_id})
    return grade


def lock_grade(user: User, course_run: CourseRun) -> CourseRunGrade | None:
    """Return the stored grade, locked until the transaction ends; None where there is none.

    Whoever locks a learner's grade and certificate locks the grade first.
    """
    grade = (
        CourseRunGrade.objects.select_for_update(of=("self",))
        .filter(user=user, course_run=course_run)
        .first()
    )
    if grade is not None:
        # In hand already: no query when they are asked for.
        grade.user, grade.course_run = user, course_run
    return grade


def lock_certificate(user: User, course_run: CourseRun) -> CourseRunCertificate | None:
    """Return the certificate, revoked or not, locked until the transaction ends; None without."""
    return (
        CourseRunCertificate.all_objects.select_for_update(of=("self",))
        .filter(user=user, course_run=course_run)
        .first()
    )


def store_reported_grade(
    user: User,
    course_run: CourseRun,
    edx_grade: ReportedGrade,
    stored: CourseRunGrade | None,
    certificate: CourseRunCertificate | None,
    should_update: bool,
) -> tuple[CourseRunGrade | None, bool, bool]:
    """Do what `ensure_course_run_grade` does, inside the caller's transaction.

    `stored` and `certificate` are the learner's rows, locked by the caller.
    """
    is_zero = edx_grade.percent == NO_CERTIFICATE_GRADE
    if certificate is not None and certificate.zero_reported_on is not None and not is_zero:
        # Another grade came, so the 0.0 that was held back was the mistake it looked like.
        _note_zero(certificate, None)
    if stored is not None and (not should_update or stored.set_by_admin):
        return stored, False, False
    if certificate is not None and is_held_back(stored, edx_grade):
        now = timezone.now()
        if certificate.zero_reported_on is None:
            _note_zero(certificate, now)
        if not is_zero_confirmed(certificate, now):
            _log_held_back(user, course_run, certificate)
            return stored, False, False
    reported = {
        "grade": edx_grade.percent,
        "passed": edx_grade.passed,
        "letter_grade": edx_grade.letter_grade,
    }
    if stored is None:
        created = CourseRunGrade.objects.create(user=user, course_run=course_run, **reported)
        return created, True, False
    if all(getattr(stored, name) == value for name, value in reported.items()):
        return stored, False, False
    before = snapshot(stored)
    for name, value in reported.items():
        setattr(stored, name, value)
    stored.save()
    _audit(stored, before, acting_user=None)
    return stored, False, True


def _note_zero(certificate: CourseRunCertificate, reported_on: datetime | None) -> None:
    certificate.zero_reported_on = reported_on
    certificate.save(update_fields=["zero_reported_on", "updated_on"])


def _log_held_back(user: User, course_run: CourseRun, certificate: CourseRunCertificate) -> None:
    log.warning(
        "report that would take a certificate away is held back until it is confirmed",
        extra={
            "user_id": user.pk,
            "course_id": course_run.courseware_id,
            "first_reported_on": str(certificate.zero_reported_on),
        },
    )


def _audit(grade: CourseRunGrade, before: dict[str, object], acting_user: User | None) -> None:
    CourseRunGradeAudit.objects.create(
        course_run_grade=grade,
        acting_user=acting_user,
        data_before=before,
        data_after=snapshot(grade),
    )
