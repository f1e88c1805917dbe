"""From a page of grades to certificates: each learner in a transaction of its own."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import transaction
from django.utils import timezone

from courses.api.certificates import CertificateDecision, CertificateOutcome, decide, unchanged
from courses.api.conflicts import describe_failure, is_database_away, repeat_on_conflict
from courses.api.grades import (
    is_held_back,
    lock_certificate,
    lock_grade,
    store_reported_grade,
    would_delete,
)
from courses.api.request_outcomes import settle_certified
from courses.models import CertificateRequest, CourseRun
from openedx.api import GradePage
from openedx.grades import EdxGrade
from users.models import User

log = logging.getLogger(__name__)

# Where the learner has a certificate, an open request has nothing left to wait for.
_SETTLES = {
    CertificateOutcome.CREATED: CertificateRequest.Status.CREATED,
    CertificateOutcome.EXISTS: CertificateRequest.Status.EXISTS,
    CertificateOutcome.REVOKED: CertificateRequest.Status.REVOKED,
}


class GradeOutcome(StrEnum):
    """What became of a grade that Open edX reported."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HELD_BACK = "held_back"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LearnerResult:
    """What came of one learner's grade.

    Without a certificate's outcome the grade was refused; without either the database did not take
    it.
    """

    #: None for a refused grade of somebody who has no account here.
    learner: User | None
    grade: GradeOutcome | None = None
    certificate: CertificateOutcome | None = None
    #: What Open edX reported; None where that was refused.
    reported: EdxGrade | None = None

    def as_reported(self) -> tuple[EdxGrade, User]:
        """Return the grade and the learner, as on a page. Raises ValueError where it was refused."""
        if self.reported is None or self.learner is None:
            raise ValueError("a refused grade is none")
        return self.reported, self.learner


def settle_page(
    page: GradePage, run: CourseRun, *, is_due: bool, may_delete: bool
) -> list[LearnerResult]:
    """Store the page's grades and bring the certificates in line with them.

    Settles the open requests of those who have a certificate then; not of those whose certificate
    is only kept for now, see `settle_kept`. What fails for one learner is logged, and the others go
    on.

    Args:
        page: of grades.
        run: of the grades.
        is_due: whether certificates may be created by now.
        may_delete: whether a grade of 0.0 may take a certificate away now; else both stay.

    Raises Django's database errors where the server is away, and for a page of one.
    """
    results = [_refuse(learner, run, reason) for reason, learner in page.refused]
    for edx_grade, learner in page.graded:
        try:
            grade, decision = _settle_learner(learner, run, edx_grade, is_due, may_delete)
        except DatabaseFailure as error:
            if page.is_of_one_learner or is_database_away(error):
                raise
            log.error(  # noqa: TRY400 - its text can hold the learner's values
                "learner was not settled", extra={**_ids(learner, run), **describe_failure(error)}
            )
            results.append(LearnerResult(learner))
        else:
            results.append(LearnerResult(learner, grade, decision.outcome, edx_grade))
    for outcome, status in _SETTLES.items():
        _settle_requests(run, _learners(results, outcome), status)
    return results


def settle_kept(run: CourseRun, results: Collection[LearnerResult]) -> None:
    """Settle the open requests of those whose certificate stays after all, whatever the 0.0 said.

    Args:
        run: of the results.
        results: what `settle_page` returned.
    """
    _settle_requests(
        run, _learners(results, CertificateOutcome.KEPT), CertificateRequest.Status.EXISTS
    )


def _settle_requests(
    run: CourseRun, learners: Collection[User], status: CertificateRequest.Status
) -> None:
    if not learners:
        return
    try:
        settle_certified(run, learners, status)
    except DatabaseFailure as error:
        if is_database_away(error):
            raise
        # Such as a lock that took too long. The certificates are there; the next pass settles.
        log.warning(
            "certificate requests left to be settled",
            extra={"course_id": run.courseware_id, **describe_failure(error)},
        )


def _learners(results: Collection[LearnerResult], outcome: CertificateOutcome) -> list[User]:
    return [
        result.learner
        for result in results
        if result.certificate is outcome and result.learner is not None
    ]


def _refuse(learner: User | None, run: CourseRun, reason: str) -> LearnerResult:
    log.warning("grade refused", extra={**_ids(learner, run), "reason": reason})
    return LearnerResult(learner, GradeOutcome.REFUSED)


@repeat_on_conflict
@transaction.atomic
def _settle_learner(
    learner: User, run: CourseRun, edx_grade: EdxGrade, is_due: bool, may_delete: bool
) -> tuple[GradeOutcome, CertificateDecision]:
    stored = lock_grade(learner, run)
    certificate = lock_certificate(learner, run)
    if not may_delete and would_delete(stored, certificate, edx_grade, timezone.now()):
        return GradeOutcome.HELD_BACK, CertificateDecision(CertificateOutcome.KEPT, certificate)
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


def _ids(learner: User | None, run: CourseRun) -> dict[str, Any]:
    return {"user_id": learner.pk if learner else None, "course_id": run.courseware_id}
