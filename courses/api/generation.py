"""From Open edX's grades to certificates: one learner, one run, or all of them."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from django.db import Error as DatabaseFailure
from django.db import transaction
from django.utils import timezone

from courses.api.certificates import (
    CertificateDecision,
    CertificateOutcome,
    are_certificates_due,
    decide,
    get_certificate_grade_eligible_runs,
    unchanged,
)
from courses.api.conflicts import describe_failure, is_database_away, repeat_on_conflict
from courses.api.grades import (
    is_held_back,
    lock_certificate,
    lock_grade,
    store_reported_grade,
)
from courses.models import CourseRun, CourseRunEnrollment
from openedx.api import GradePage, fetch_grade_pages
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
    """What `generate_course_run_certificates` did.

    Each learner seen is in one count of `grades`, and in one of `certificates` unless the grade was
    refused; or, where the database did not take them, in `failed_learners` alone.
    """

    runs: int = 0
    learners: int = 0
    #: Learners of Open edX who have no account here: seen, and left alone.
    strangers: int = 0
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
            "strangers": self.strangers,
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
    user: User | None = None,
    course_run: CourseRun | None = None,
    force: bool = False,
    *,
    report: Progress = lambda _summary: None,
) -> GenerationSummary:
    """Fetch grades from Open edX, store them, and create the certificates they earn.

    Repeatable, also at the same time. The three parameters are independent of each other. What
    fails for one learner, page or run is logged and counted, and the rest goes on.

    Args:
        user: only this learner; without a run, in the eligible runs of an active enrollment.
        course_run: only this run, eligible for the sweep or not; otherwise all eligible runs.
        force: create certificates before their date; nothing else is waived.
        report: gets the summary, as far as it has come, after each page of grades and each run.

    Raises OpenEdxError, or Django's database errors, when asked for one user in one run.
    """
    summary, now = GenerationSummary(), timezone.now()
    for run in _get_runs(user, course_run):
        summary.runs += 1
        is_due = force or are_certificates_due(run, now)
        try:
            for page in fetch_grade_pages(run, user, patient=course_run is None):
                _settle_page(page, run, is_due, summary)
                report(summary)
        except (OpenEdxError, DatabaseFailure) as error:
            if user is not None and course_run is not None:
                raise
            summary.failed_runs.append(run.courseware_id)
            log.error(  # noqa: TRY400 - the text of a database's error can hold a learner's values
                "course run was not swept to its end",
                extra={"course_id": run.courseware_id, **_failure(error)},
            )
        report(summary)
    return summary


def count_learners_to_sweep(user: User | None = None, course_run: CourseRun | None = None) -> int:
    """Return about how many learners a sweep will see: Open edX alone knows how many it lists."""
    runs = _get_runs(user, course_run)
    if user is not None:
        return len(runs)
    return CourseRunEnrollment.objects.filter(run__in=runs).count()


def _get_runs(user: User | None, course_run: CourseRun | None) -> list[CourseRun]:
    """Return the one run, else the eligible ones, for a user those of an active enrollment."""
    if course_run is not None:
        return [course_run]
    runs = get_certificate_grade_eligible_runs(timezone.now())
    if user is not None:
        runs = runs.filter(enrollments__user=user, enrollments__active=True)
    # A list: no cursor stays open while Open edX is asked.
    return list(runs.order_by("pk"))


def _settle_page(page: GradePage, run: CourseRun, is_due: bool, summary: GenerationSummary) -> None:
    summary.strangers += page.strangers
    for reason, learner in page.refused:
        summary.learners += 1
        summary.grades[GradeOutcome.REFUSED] += 1
        log.warning(
            "grade refused",
            extra={**_ids(learner, run), "reason": reason},
        )
    for edx_grade, learner in page.graded:
        summary.learners += 1
        try:
            grade_outcome, decision = _settle_learner(learner, run, edx_grade, is_due)
        except DatabaseFailure as error:
            if page.is_of_one_learner or is_database_away(error):
                raise
            summary.failed_learners += 1
            log.error(  # noqa: TRY400 - its text can hold the learner's values
                "learner was not settled", extra={**_ids(learner, run), **_failure(error)}
            )
        else:
            summary.grades[grade_outcome] += 1
            summary.certificates[decision.outcome] += 1


@repeat_on_conflict
@transaction.atomic
def _settle_learner(
    learner: User, run: CourseRun, edx_grade: EdxGrade, is_due: bool
) -> tuple[GradeOutcome, CertificateDecision]:
    stored = lock_grade(learner, run)
    certificate = lock_certificate(learner, run)
    grade, created, updated = store_reported_grade(
        learner, run, edx_grade, stored, certificate, should_update=True
    )
    if grade is None or is_held_back(grade, edx_grade):
        return GradeOutcome.HELD_BACK, unchanged(certificate)
    return _grade_outcome(created, updated), decide(grade, certificate, is_due=is_due)


def _grade_outcome(created: bool, updated: bool) -> GradeOutcome:
    if created:
        return GradeOutcome.CREATED
    return GradeOutcome.UPDATED if updated else GradeOutcome.UNCHANGED


def _ids(learner: User | None, run: CourseRun) -> dict[str, object]:
    return {"user_id": learner.pk if learner else None, "course_id": run.courseware_id}


def _failure(error: OpenEdxError | DatabaseFailure) -> dict[str, str | None]:
    return {"error": error.code} if isinstance(error, OpenEdxError) else describe_failure(error)
