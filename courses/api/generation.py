"""From Open edX's grades to certificates: one learner, one run, or all of them."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from courses.api.certificates import (
    CertificateDecision,
    CertificateOutcome,
    are_certificates_due,
    find_certificate,
    get_certificate_grade_eligible_runs,
    settle_certificate,
)
from courses.api.grades import ensure_course_run_grade, is_held_back
from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment
from openedx.api import fetch_grade_pages
from openedx.exceptions import OpenEdxError
from openedx.grades import EdxGrade
from users.models import User

log = logging.getLogger(__name__)


class GradeOutcome(StrEnum):
    """What became of a grade that Open edX reported."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HELD_BACK = "held_back"
    REFUSED = "refused"


@dataclass(slots=True)
class GenerationSummary:
    """What `generate_course_run_certificates` did. Every learner seen is in one of each count."""

    runs: int = 0
    learners: int = 0
    grades: Counter[GradeOutcome] = field(default_factory=Counter)
    certificates: Counter[CertificateOutcome] = field(default_factory=Counter)
    #: Learners whose grade or certificate the database did not take.
    failed_learners: int = 0
    #: The course ids of runs that could not be worked through to the end.
    failed_runs: list[str] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """How many learners and runs went wrong."""
        return self.failed_learners + len(self.failed_runs)

    @property
    def outcome(self) -> CertificateOutcome:
        """What came of the one learner it was about. Raises ValueError where there were others."""
        (outcome,) = self.certificates.elements()
        return outcome

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for a log line or a report."""
        return {
            "runs": self.runs,
            "learners": self.learners,
            **{f"grades_{kind}": self.grades[kind] for kind in GradeOutcome},
            "certificates_created": self.certificates[CertificateOutcome.CREATED],
            "certificates_deleted": self.certificates[CertificateOutcome.DELETED],
            "certificates_existing": self.certificates[CertificateOutcome.EXISTS],
            "certificates_revoked": self.certificates[CertificateOutcome.REVOKED],
            "not_passed": self.certificates[CertificateOutcome.NOT_PASSED],
            "no_paid_enrollment": self.certificates[CertificateOutcome.NO_PAID_ENROLLMENT],
            "not_due": self.certificates[CertificateOutcome.NOT_DUE],
            "failures": self.failures,
        }


Progress = Callable[[GenerationSummary], object]


def generate_course_run_certificates(
    user: User | None = None, course_run: CourseRun | None = None, force: bool = False
) -> GenerationSummary:
    """Fetch grades from Open edX, store them, and create the certificates they earn.

    Repeatable, also at the same time. The three parameters are independent of each other. What
    fails for one learner, page or run is logged and counted, and the rest goes on.

    Args:
        user: only this learner; without a run, in the eligible runs of an active enrollment.
        course_run: only this run, eligible for the sweep or not; otherwise all eligible runs.
        force: create certificates before their date; nothing else is waived.

    Raises OpenEdxError, or Django's database errors, when asked for one user in one run.
    """
    return sweep_course_runs(user, course_run, force)


def sweep_course_runs(
    user: User | None = None,
    course_run: CourseRun | None = None,
    force: bool = False,
    *,
    report: Progress = lambda _summary: None,
) -> GenerationSummary:
    """Do what `generate_course_run_certificates` does, and report as it goes.

    `report` gets the summary, as far as it has come, after each page of grades and each run.
    """
    summary, now = GenerationSummary(), timezone.now()
    for run in _get_runs_to_sweep(user, course_run):
        summary.runs += 1
        try:
            _sweep_run(run, user, force or are_certificates_due(run, now), summary, report)
        except (OpenEdxError, DatabaseFailure) as error:
            if user is not None and course_run is not None:
                raise
            summary.failed_runs.append(run.courseware_id)
            log.error(  # noqa: TRY400 - the text of a database's error can hold a learner's values
                "course run was not swept to its end",
                extra={"course_id": run.courseware_id, "error": _name_of(error)},
            )
        report(summary)
    return summary


def count_learners_to_sweep(user: User | None = None, course_run: CourseRun | None = None) -> int:
    """Return about how many learners a sweep will see: Open edX alone knows how many it lists."""
    runs = _get_runs_to_sweep(user, course_run)
    if user is not None:
        return len(runs)
    return CourseRunEnrollment.objects.filter(run__in=runs).count()


def _get_runs_to_sweep(user: User | None, course_run: CourseRun | None) -> list[CourseRun]:
    """Return the one run, else the eligible ones, for a user those of an active enrollment."""
    if course_run is not None:
        return [course_run]
    runs = get_certificate_grade_eligible_runs(timezone.now())
    if user is not None:
        runs = runs.filter(enrollments__user=user, enrollments__active=True)
    # A list: no cursor stays open while Open edX is asked.
    return list(runs.order_by("pk"))


def _sweep_run(
    run: CourseRun, user: User | None, is_due: bool, summary: GenerationSummary, report: Progress
) -> None:
    for page in fetch_grade_pages(run, user):
        for reason, learner in page.refused:
            summary.learners += 1
            summary.grades[GradeOutcome.REFUSED] += 1
            log.warning(
                "grade refused",
                extra={
                    "course_id": run.courseware_id,
                    "user_id": learner.pk if learner else None,
                    "reason": reason,
                },
            )
        for edx_grade, learner in page.graded:
            summary.learners += 1
            try:
                grade_outcome, decision = _settle_learner(learner, run, edx_grade, is_due)
            except (InterfaceError, OperationalError):
                # The database itself is away: the next learner would fare no better.
                raise
            except DatabaseFailure as error:
                if user is not None:
                    raise
                summary.failed_learners += 1
                log.error(  # noqa: TRY400 - its text can hold the learner's values
                    "learner was not settled",
                    extra={
                        "course_id": run.courseware_id,
                        "user_id": learner.pk,
                        "error": _name_of(error),
                    },
                )
            else:
                summary.grades[grade_outcome] += 1
                summary.certificates[decision.outcome] += 1
        report(summary)


def _settle_learner(
    learner: User, run: CourseRun, edx_grade: EdxGrade, is_due: bool
) -> tuple[GradeOutcome, CertificateDecision]:
    grade, created, updated = ensure_course_run_grade(learner, run, edx_grade, should_update=True)
    if grade is None or is_held_back(grade, edx_grade):
        return GradeOutcome.HELD_BACK, _undecided(learner, run)
    decision = settle_certificate(grade, is_due=is_due)
    if decision.certificate is not None and decision.certificate.zero_reported_on is not None:
        # Another grade came, so the 0.0 that was held back was the mistake it looked like.
        CourseRunCertificate.all_objects.filter(pk=decision.certificate.pk).update(
            zero_reported_on=None, updated_on=timezone.now()
        )
    return _grade_outcome(created, updated), decision


def _undecided(learner: User, run: CourseRun) -> CertificateDecision:
    """Return how things stand while a 0.0 is held back for the sake of the certificate."""
    certificate = find_certificate(learner, run)
    if certificate is None:
        return CertificateDecision(CertificateOutcome.NOT_PASSED)
    outcome = CertificateOutcome.REVOKED if certificate.is_revoked else CertificateOutcome.EXISTS
    return CertificateDecision(outcome, certificate)


def _grade_outcome(created: bool, updated: bool) -> GradeOutcome:
    if created:
        return GradeOutcome.CREATED
    return GradeOutcome.UPDATED if updated else GradeOutcome.UNCHANGED


def _name_of(error: Exception) -> str:
    return error.code if isinstance(error, OpenEdxError) else type(error).__name__
