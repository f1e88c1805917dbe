"""From a page of grades to certificates, and to the requests that waited for them."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import Error as DatabaseFailure
from django.db import transaction

from openedx_certificates import host
from openedx_certificates.conflicts import (
    describe_failure,
    is_database_away,
    use_short_lock_timeout,
)
from openedx_certificates.held.outcomes import settle_certified
from openedx_certificates.issuing.errors import CertificateNotSaved, describe_own_error
from openedx_certificates.issuing.fetching import GradePage
from openedx_certificates.issuing.writing import carry_out, carry_out_where_needed
from openedx_certificates.logs import get_logger
from openedx_certificates.rules import (
    CertificateOutcome,
    GradeOutcome,
    Standing,
    Terms,
    Verdict,
    judge_report,
)
from openedx_certificates.wire.grades import EdxGrade

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LearnerResult:
    """What came of one learner's grade on a page.

    Without a certificate's outcome the grade was refused; without either it could not be stored.
    """

    #: The learner's id; None for a refused grade of a learner without an account here.
    user: int | None
    grade: GradeOutcome | None = None
    certificate: CertificateOutcome | None = None
    #: What Open edX reported; None if that was refused.
    reported: EdxGrade | None = None

    def as_reported(self) -> tuple[EdxGrade, int]:
        """Return the grade and the learner, as on a page. Raises ValueError if it was refused."""
        if self.reported is None or self.user is None:
            raise ValueError("a refused grade is none")
        return self.reported, self.user


def apply_page(
    page: GradePage,
    run: host.CourseRun,
    *,
    is_due: bool,
    may_delete: bool,
    alive: Callable[[], object] = lambda: None,
) -> list[LearnerResult]:
    """Store the page's grades and bring the certificates in line with them.

    Settles the open requests of learners that have a certificate then; not if the certificate
    is only kept for now, see `settle_kept`. The number of statements does not depend on the number
    of learners, but for new certificates. If the page can't be stored, each learner is tried alone:
    what fails for one is logged, and the others go on.

    Args:
        page: of grades.
        run: of the grades.
        is_due: whether certificates may be created by now.
        may_delete: whether a grade of 0.0 may take a certificate away now; else both stay.
        alive: called while that takes long; what it raises ends it.

    Raises Django's database errors if the server is away.
    """
    terms = Terms(is_due=is_due, may_delete=may_delete)
    results = [_refuse(user, run, reason) for reason, user in page.refused]
    for grades in _each_once(page.graded):
        judge = judge_by(grades, terms)
        try:
            verdicts = carry_out_where_needed(run, grades, judge, alive)
        except (DatabaseFailure, CertificateNotSaved) as error:
            if is_away(error):
                raise
            # A deadlock is over when it is tried again, and a row that is at fault is then alone.
            for user, grade in grades.items():
                alive()
                results.append(_apply_alone(run, user, grade, terms))
        else:
            results += [
                LearnerResult(user, verdicts[user].grade, verdicts[user].certificate, reported)
                for user, reported in grades.items()
            ]
    _settle_requests(
        run,
        {
            result.user: result.certificate
            for result in results
            if result.user is not None
            and result.certificate is not None
            and result.certificate is not CertificateOutcome.KEPT
        },
    )
    return results


def settle_kept(run: host.CourseRun, results: Collection[LearnerResult]) -> None:
    """Settle the open requests of learners that keep their certificate, whatever the 0.0 said.

    Args:
        run: of the results.
        results: what `apply_page` returned.
    """
    kept = {
        result.user: result.certificate
        for result in results
        if result.user is not None and result.certificate is CertificateOutcome.KEPT
    }
    _settle_requests(run, kept)


def is_away(error: Exception) -> bool:
    """Return whether the database is away, so that no other learner would fare better."""
    return isinstance(error, DatabaseFailure) and is_database_away(error)


def judge_by(grades: Mapping[int, EdxGrade], terms: Terms) -> Callable[[int, Standing], Verdict]:
    """Return what judges each learner, by id, by the grade that Open edX reports."""

    def judge(user: int, standing: Standing) -> Verdict:
        return judge_report(standing, grades[user], terms, asked_at=grades[user].asked_at)

    return judge


def _each_once(graded: Collection[tuple[EdxGrade, int]]) -> Iterator[dict[int, EdxGrade]]:
    """Split the page into batches in which each learner occurs once."""
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
        # What the page itself has just stored is no newer than the rest of it.
        now = time.monotonic()
        again = [(replace(grade, asked_at=now), user) for grade, user in left]


def _apply_alone(run: host.CourseRun, user: int, grade: EdxGrade, terms: Terms) -> LearnerResult:
    try:
        with transaction.atomic():
            # The page has waited for the others' locks once.
            use_short_lock_timeout()
            verdict = carry_out(run, [user], judge_by({user: grade}, terms))[user].verdict
    except (DatabaseFailure, CertificateNotSaved) as error:
        if is_away(error):
            raise
        told: dict[str, str | None] = (
            describe_failure(error)
            if isinstance(error, DatabaseFailure)
            else {**describe_own_error(error)}
        )
        log.error("learner was not settled", extra={**_ids(user, run), **told})  # noqa: TRY400 - its text can hold the learner's values
        return LearnerResult(user)
    return LearnerResult(user, verdict.grade, verdict.certificate, grade)


def _settle_requests(run: host.CourseRun, outcomes: Mapping[int, CertificateOutcome]) -> None:
    try:
        settle_certified(run, outcomes)
    except DatabaseFailure as error:
        if is_database_away(error):
            raise
        # Such as a lock that took too long. The certificates are there; the next pass settles.
        log.warning(
            "certificate requests left to be settled",
            extra={"course_id": run.courseware_id, **describe_failure(error)},
        )


def _refuse(user: int | None, run: host.CourseRun, reason: str) -> LearnerResult:
    log.warning("grade refused", extra={**_ids(user, run), "reason": reason})
    return LearnerResult(user, GradeOutcome.REFUSED)


def _ids(user: int | None, run: host.CourseRun) -> dict[str, Any]:
    return {"user_id": user, "course_id": run.courseware_id}
