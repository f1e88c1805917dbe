"""Certificates: which runs issue them, whose there are, and what one grade does to one."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from courses.api.changes import carry_out
from courses.api.rules import CertificateOutcome, GradeOutcome, Terms, Verdict, judge_certificate
from courses.api.standings import Standing
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from users.models import User

log = logging.getLogger(__name__)


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


def process_course_run_grade_certificate(
    course_run_grade: CourseRunGrade, should_force_create: bool = False
) -> tuple[CourseRunCertificate | None, bool, bool]:
    """Bring the learner's certificate in line with the stored grade.

    Repeatable, also at the same time. The dates of the run are not asked; `courses.api.rules` has
    the rules. `should_force_create` is an administrator's act: it waives that the learner passed
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
    administrator did meanwhile. `courses.api.rules` has the rules.

    Args:
        course_run_grade: whose row decides.
        is_due: whether the date has come for a certificate to be created.
        waive_eligibility: an administrator's word that the learner shall have it.
    """
    terms = Terms(is_due=is_due, waives_eligibility=waive_eligibility)

    def judge(_user: int, standing: Standing) -> Verdict:
        return Verdict(GradeOutcome.UNCHANGED, judge_certificate(standing, terms))

    user = course_run_grade.user_id
    settled = carry_out(course_run_grade.course_run, [user], judge)[user]
    return CertificateDecision(settled.verdict.certificate, settled.certificate)


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
    _log_access(user.pk, courseware_id, is_revoked=revoke_state)
    return True


def set_revoked(
    certificates: QuerySet[CourseRunCertificate], *, is_revoked: bool
) -> list[CourseRunCertificate]:
    """Revoke the certificates, or give them back, by two statements; return them as they were.

    The model's `save` is not called, and no signal of it is sent.
    """
    with transaction.atomic():
        # In the order of a sweep's pages, so that the two don't wait for each other for ever.
        locked = list(
            certificates.order_by("course_run", "user")
            .select_for_update(of=("self",))
            .select_related("user", "course_run")
        )
        CourseRunCertificate.all_objects.filter(pk__in=[each.pk for each in locked]).update(
            is_revoked=is_revoked, updated_on=Now()
        )
    for certificate in locked:
        course_id = certificate.course_run.courseware_id
        _log_access(certificate.user_id, course_id, is_revoked=is_revoked)
    return locked


def _log_access(user: int, course_id: str, *, is_revoked: bool) -> None:
    log.info(
        "certificate revoked" if is_revoked else "certificate given back",
        extra={"user_id": user, "course_id": course_id},
    )
