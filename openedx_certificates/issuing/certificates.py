"""Certificates: when a run issues them, and what a stored grade or an administrator does to one."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from openedx_certificates import host
from openedx_certificates.issuing.writing import Result, carry_out
from openedx_certificates.logs import get_logger
from openedx_certificates.rules import (
    CertificateOutcome,
    GradeOutcome,
    Standing,
    Terms,
    Verdict,
    judge_certificate,
)

log = get_logger(__name__)


def are_certificates_due(course_run: host.CourseRun, now: datetime) -> bool:
    """Return whether the run's certificates are issued by now (the contract, section 4).

    A self-paced run's at once, any other's from its certificate_available_date on.
    """
    if course_run.is_self_paced:
        return True
    available = course_run.certificate_available_date
    return available is not None and available <= now


def process_course_run_grade_certificate(
    course_run_grade: host.Grade, should_force_create: bool = False
) -> tuple[host.Certificate | None, bool, bool]:
    """Bring the learner's certificate in line with the stored grade.

    Repeatable, also at the same time. The dates of the run are not asked; `openedx_certificates.rules`
    has the rules. `should_force_create` is an administrator's act: it waives that the learner passed
    and that the enrollment is active and paid.

    Returns (the learner's certificate or None, created, deleted); a revoked one is returned too.
    """
    result = apply_grade(course_run_grade, waive_eligibility=should_force_create)
    outcome = result.verdict.certificate
    return (
        result.certificate,
        outcome is CertificateOutcome.CREATED,
        outcome is CertificateOutcome.DELETED,
    )


def apply_grade(
    course_run_grade: host.Grade, *, is_due: bool = True, waive_eligibility: bool = False
) -> Result:
    """Create or delete the certificate as the stored grade says, and return what was decided.

    The grade is read again under a lock, so that a pass with an old copy can't undo what an
    administrator did meanwhile. `openedx_certificates.rules` has the rules.

    Args:
        course_run_grade: the row that decides.
        is_due: whether the date has come for a certificate to be created.
        waive_eligibility: an administrator's word that the learner gets it.
    """
    terms = Terms(is_due=is_due, waives_eligibility=waive_eligibility)

    def judge(_user: int, standing: Standing) -> Verdict:
        return Verdict(GradeOutcome.UNCHANGED, judge_certificate(standing, terms))

    user = course_run_grade.user_id
    return carry_out(course_run_grade.course_run, [user], judge)[user]


def manage_course_run_certificate_access(
    user: host.User, courseware_id: str, revoke_state: bool
) -> bool:
    """Revoke the learner's certificate, or give it back; return whether there is one.

    Args:
        user: the learner.
        courseware_id: Open edX's course id of the run.
        revoke_state: True to revoke, False to give back.
    """
    with transaction.atomic():
        certificate = (
            host.certificates()
            .select_for_update(of=("self",))
            .filter(user=user, course_run__courseware_id=courseware_id)
            .first()
        )
        if certificate is None:
            return False
        certificate.is_revoked = revoke_state
        certificate.save(update_fields=["is_revoked", "updated_on"])
    _log_access(user.pk, courseware_id, is_revoked=revoke_state)
    return True


def set_revoked(certificates: QuerySet, *, is_revoked: bool) -> list[host.Certificate]:
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
        host.certificates().filter(pk__in=[each.pk for each in locked]).update(
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
