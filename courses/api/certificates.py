"""The rules of a certificate: who gets one, when, and who loses it."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from courses.api.conflicts import repeat_on_conflict
from courses.api.grades import lock_certificate, lock_grade
from courses.models import (
    CourseRun,
    CourseRunCertificate,
    CourseRunCertificateDeletion,
    CourseRunGrade,
)
from courses.models.audit import snapshot
from courses.models.grade import NO_CERTIFICATE_GRADE
from users.models import User

log = logging.getLogger(__name__)


class CertificateOutcome(StrEnum):
    """What a look at a learner's grade came to."""

    CREATED = "created"
    EXISTS = "exists"
    REVOKED = "revoked"
    DELETED = "deleted"
    #: A grade of 0.0 would delete it, and the caller may not delete now: it stays.
    KEPT = "kept"
    NOT_PASSED = "grade_not_passed"
    NO_PAID_ENROLLMENT = "no_paid_enrollment"
    NOT_DUE = "not_due"


@dataclass(frozen=True, slots=True)
class CertificateDecision:
    """What came of a grade, and the certificate the learner has after it."""

    outcome: CertificateOutcome
    certificate: CourseRunCertificate | None = None


def get_certificate_grade_eligible_runs(now: datetime) -> QuerySet[CourseRun]:
    """Return the runs the sweep looks at: live, and not closed for certificates.

    A run closes CERTIFICATE_CREATION_WINDOW_IN_DAYS after its certificates became available; one
    without that date stays open.
    """
    closed_before = now - timedelta(days=settings.CERTIFICATE_CREATION_WINDOW_IN_DAYS)
    return CourseRun.objects.filter(
        Q(certificate_available_date__isnull=True)
        | Q(certificate_available_date__gt=closed_before),
        live=True,
    )


def are_certificates_due(course_run: CourseRun, now: datetime) -> bool:
    """Return whether the run's certificates are issued by now.

    A self-paced run's at once, any other's from its certificate_available_date on.
    """
    if course_run.is_self_paced:
        return True
    available = course_run.certificate_available_date
    return available is not None and available <= now


def find_certificate(user: User, course_run: CourseRun) -> CourseRunCertificate | None:
    """Return the learner's certificate of the run, revoked or not, None where there is none."""
    return CourseRunCertificate.all_objects.filter(user=user, course_run=course_run).first()


def process_course_run_grade_certificate(
    course_run_grade: CourseRunGrade, should_force_create: bool = False
) -> tuple[CourseRunCertificate | None, bool, bool]:
    """Bring the learner's certificate in line with the stored grade.

    Repeatable, also at the same time. The dates of the run are not asked; `decide` has the rules. `should_force_create` is an administrator's act: it waives that the learner passed
    and that the enrollment is active and paid.

    Returns (the learner's certificate or None, created, deleted); a revoked one is returned too.
    """
    decision = settle_certificate(course_run_grade, waive_eligibility=should_force_create)
    return (
        decision.certificate,
        decision.outcome is CertificateOutcome.CREATED,
        decision.outcome is CertificateOutcome.DELETED,
    )


def settle_certificate(
    course_run_grade: CourseRunGrade, *, is_due: bool = True, waive_eligibility: bool = False
) -> CertificateDecision:
    """Create or delete the certificate as the stored grade says, and return what was decided.

    The grade is read again under a lock, so that a pass with an old copy can't undo what an
    administrator did meanwhile. `decide` has the rules.

    Args:
        course_run_grade: whose row decides.
        is_due: whether the date has come for a certificate to be created.
        waive_eligibility: an administrator's word that the learner shall have it.
    """
    return _settle(course_run_grade, is_due, waive_eligibility)


@repeat_on_conflict
@transaction.atomic
def _settle(
    course_run_grade: CourseRunGrade, is_due: bool, waive_eligibility: bool
) -> CertificateDecision:
    user, course_run = course_run_grade.user, course_run_grade.course_run
    grade = lock_grade(user, course_run)
    certificate = lock_certificate(user, course_run)
    if grade is None:
        # Deleted since: nothing is left that could earn or cost a certificate.
        return unchanged(certificate)
    return decide(grade, certificate, is_due=is_due, waive_eligibility=waive_eligibility)


def unchanged(certificate: CourseRunCertificate | None) -> CertificateDecision:
    """Return how things stand where no grade decides anything."""
    if certificate is None:
        return CertificateDecision(CertificateOutcome.NOT_PASSED)
    outcome = CertificateOutcome.REVOKED if certificate.is_revoked else CertificateOutcome.EXISTS
    return CertificateDecision(outcome, certificate)


def decide(
    grade: CourseRunGrade,
    certificate: CourseRunCertificate | None,
    *,
    is_due: bool,
    waive_eligibility: bool = False,
) -> CertificateDecision:
    """Apply the rules of a certificate, inside the caller's transaction.

    `grade` and `certificate` are the learner's rows, locked by the caller. A grade of 0.0 deletes
    the certificate, due or not. A revoked certificate stays as it is.
    """
    takes_away = grade.grade == NO_CERTIFICATE_GRADE
    if certificate is not None:
        if certificate.is_revoked or not takes_away:
            return unchanged(certificate)
        _delete(certificate, grade)
        return CertificateDecision(CertificateOutcome.DELETED)
    if takes_away or not (waive_eligibility or grade.passed):
        return CertificateDecision(CertificateOutcome.NOT_PASSED)
    if not waive_eligibility and not grade.is_certificate_eligible:
        return CertificateDecision(CertificateOutcome.NO_PAID_ENROLLMENT)
    if not is_due:
        return CertificateDecision(CertificateOutcome.NOT_DUE)
    certificate = CourseRunCertificate.all_objects.create(
        user_id=grade.user_id, course_run=grade.course_run
    )
    log.info("certificate created", extra=_ids(grade))
    return CertificateDecision(CertificateOutcome.CREATED, certificate)


def manage_course_run_certificate_access(
    user: User, courseware_id: str, revoke_state: bool
) -> bool:
    """Revoke the learner's certificate, or give it back; return whether there is one.

    Args:
        user: the learner.
        courseware_id: Open edX's course id of the run.
        revoke_state: True to revoke, False to give back.
    """
    with transaction.atomic():
        certificate = (
            CourseRunCertificate.all_objects.select_for_update(of=("self",))
            .filter(user=user, course_run__courseware_id=courseware_id)
            .first()
        )
        if certificate is None:
            return False
        certificate.is_revoked = revoke_state
        certificate.save(update_fields=["is_revoked", "updated_on"])
    log.info(
        "certificate revoked" if revoke_state else "certificate given back",
        extra={"user_id": user.pk, "course_id": courseware_id},
    )
    return True


def _delete(certificate: CourseRunCertificate, grade: CourseRunGrade) -> None:
    CourseRunCertificateDeletion.objects.create(
        user_id=grade.user_id,
        course_run=grade.course_run,
        certificate_uuid=certificate.uuid,
        certificate=snapshot(certificate),
        grade=snapshot(grade),
        reason=(
            "an administrator set the grade to 0.0"
            if grade.set_by_admin
            else "Open edX reported a grade of 0.0"
        ),
    )
    certificate.delete()
    log.warning("certificate deleted", extra=_ids(grade))


def _ids(grade: CourseRunGrade) -> dict[str, object]:
    return {"user_id": grade.user_id, "course_id": grade.course_run.courseware_id}
