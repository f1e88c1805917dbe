"""From a page of grades to certificates, and to the requests that waited for them."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import transaction

from courses.api.changes import CarryOut, carry_out_at_once, carry_out_where_needed
from courses.api.conflicts import describe_failure, is_database_away, lose_patience_soon
from courses.api.request_outcomes import settle_certified
from courses.api.rules import CertificateOutcome, GradeOutcome, Terms, Verdict, judge_report
from courses.api.standings import Standing
from courses.models import CertificateRequest, CourseRun
from openedx.api import GradePage
from openedx.grades import EdxGrade

log = logging.getLogger(__name__)

# Where the learner has a certificate, an open request has nothing left to wait for.
_SETTLES = {
    CertificateOutcome.CREATED: CertificateRequest.Status.CREATED,
    CertificateOutcome.EXISTS: CertificateRequest.Status.EXISTS,
    CertificateOutcome.REVOKED: CertificateRequest.Status.REVOKED,
}


@dataclass(frozen=True, slots=True)
class LearnerResult:
    """What came of one learner's grade.

    Without a certificate's outcome the grade was refused; without either the database did not take
    it.
    """

    #: The learner's id; None for a refused grade of somebody who has no account here.
    user: int | None
    grade: GradeOutcome | None = None
    certificate: CertificateOutcome | None = None
    #: What Open edX reported; None where that was refused.
    reported: EdxGrade | None = None

    def as_reported(self) -> tuple[EdxGrade, int]:
        """Return the grade and the learner, as on a page. Raises ValueError where it was refused."""
        if self.reported is None or self.user is None:
            raise ValueError("a refused grade is none")
        return self.reported, self.user


def settle_page(
    page: GradePage,
    run: CourseRun,
    *,
    is_due: bool,
    may_delete: bool,
    alive: Callable[[], object] = lambda: None,
) -> list[LearnerResult]:
    """Store the page's grades and bring the certificates in line with them.

    Settles the open requests of those who have a certificate then; not of those whose certificate
    is only kept for now, see `settle_kept`. The number of statements does not depend on the number
    of learners. Where the database does not take the page, each learner is tried alone, so that
    what fails for one is logged, and the others go on.

    Args:
        page: of grades.
        run: of the grades.
        is_due: whether certificates may be created by now.
        may_delete: whether a grade of 0.0 may take a certificate away now; else both stay.
        alive: called while that takes long; what it raises ends it.

    Raises Django's database errors where the server is away, and for a page of one.
    """
    terms = Terms(is_due=is_due, may_delete=may_delete)
    results = [_refuse(user, run, reason) for reason, user in page.refused]
    for grades in _each_once(page.graded):
        try:
            settle = carry_out_at_once if page.is_of_one_learner else carry_out_where_needed
            results += _settle_grades(run, grades, terms, settle)
        except DatabaseFailure as error:
            if page.is_of_one_learner or is_database_away(error):
                raise
            # A deadlock is over when it is tried again, and a row that is at fault is then alone.
            for user, grade in grades.items():
                alive()
                results.append(_settle_alone(run, user, grade, terms))
    _settle_requests(
        run,
        {
            result.user: _SETTLES[result.certificate]
            for result in results
            if result.user is not None and result.certificate in _SETTLES
        },
    )
    return results


def settle_kept(run: CourseRun, results: Collection[LearnerResult]) -> None:
    """Settle the open requests of those whose certificate stays after all, whatever the 0.0 said.

    Args:
        run: of the results.
        results: what `settle_page` returned.
    """
    kept = {
        result.user: CertificateRequest.Status.EXISTS
        for result in results
        if result.user is not None and result.certificate is CertificateOutcome.KEPT
    }
    _settle_requests(run, kept)


def _each_once(graded: Collection[tuple[EdxGrade, int]]) -> Iterator[dict[int, EdxGrade]]:
    """Yield the grades by learner; who stands on the page twice comes again, in a later one."""
    again = list(graded)
    while again:
        grades: dict[int, EdxGrade] = {}
        left = []
        for grade, user in again:
            if user in grades:
                left.append((grade, user))
            else:
                grades[user] = grade
        yield grades
        again = left


def _settle_grades(
    run: CourseRun, grades: Mapping[int, EdxGrade], terms: Terms, settle: CarryOut
) -> list[LearnerResult]:
    def judge(user: int, standing: Standing) -> Verdict:
        return judge_report(standing, grades[user], terms)

    verdicts = settle(run, grades, judge)
    return [
        LearnerResult(user, verdicts[user].grade, verdicts[user].certificate, reported)
        for user, reported in grades.items()
    ]


def _settle_alone(run: CourseRun, user: int, grade: EdxGrade, terms: Terms) -> LearnerResult:
    try:
        with transaction.atomic():
            # The page has waited for the others' locks once.
            lose_patience_soon()
            (result,) = _settle_grades(run, {user: grade}, terms, carry_out_at_once)
    except DatabaseFailure as error:
        if is_database_away(error):
            raise
        log.error(  # noqa: TRY400 - its text can hold the learner's values
            "learner was not settled", extra={**_ids(user, run), **describe_failure(error)}
        )
        return LearnerResult(user)
    return result


def _settle_requests(run: CourseRun, statuses: Mapping[int, CertificateRequest.Status]) -> None:
    try:
        settle_certified(run, statuses)
    except DatabaseFailure as error:
        if is_database_away(error):
            raise
        # Such as a lock that took too long. The certificates are there; the next pass settles.
        log.warning(
            "certificate requests left to be settled",
            extra={"course_id": run.courseware_id, **describe_failure(error)},
        )


def _refuse(user: int | None, run: CourseRun, reason: str) -> LearnerResult:
    log.warning("grade refused", extra={**_ids(user, run), "reason": reason})
    return LearnerResult(user, GradeOutcome.REFUSED)


def _ids(user: int | None, run: CourseRun) -> dict[str, Any]:
    return {"user_id": user, "course_id": run.courseware_id}
