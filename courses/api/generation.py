"""From Open edX's grades to certificates: one learner, one run, or all of them."""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.utils import timezone

from courses.api.certificates import (
    CertificateOutcome,
    are_certificates_due,
    get_certificate_grade_eligible_runs,
)
from courses.api.conflicts import describe_failure
from courses.api.settling import GradeOutcome, LearnerResult, settle_kept, settle_page
from courses.models import CourseRun, CourseRunEnrollment
from openedx.api import GradePage, fetch_grade_pages
from openedx.exceptions import OpenEdxError
from users.models import User

log = logging.getLogger(__name__)


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

    def add(self, result: LearnerResult) -> None:
        """Count one learner."""
        self.learners += 1
        if result.grade is not None:
            self.grades[result.grade] += 1
        if result.certificate is not None:
            self.certificates[result.certificate] += 1
        if result.grade is None:
            self.failed_learners += 1

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
            "certificates_kept": self.certificates[CertificateOutcome.KEPT],
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
    allow_deletions: bool = False,
    report: Progress = lambda _summary: None,
) -> GenerationSummary:
    """Fetch grades from Open edX, store them, and create the certificates they earn.

    Repeatable, also at the same time. The three parameters are independent of each other. What
    fails for one learner, page or run is logged and counted, and the rest goes on. Open requests of
    learners who have their certificate then are settled.

    Args:
        user: only this learner; without a run, in the eligible runs of an active enrollment.
        course_run: only this run, eligible for the sweep or not; otherwise all eligible runs.
        force: create certificates before their date; nothing else is waived.
        allow_deletions: believe also so many grades of 0.0 in a run that they look like a fault.
        report: gets the summary, as far as it has come, after each page of grades and each run.

    Raises OpenEdxError, or Django's database errors, when asked for one user in one run.
    """
    summary, now = GenerationSummary(), timezone.now()
    for run in _get_runs(user, course_run):
        summary.runs += 1
        sweep = _RunSweep(
            run=run,
            is_due=force or are_certificates_due(run, now),
            # One learner's certificate is no mass.
            may_delete=allow_deletions or user is not None,
            summary=summary,
        )
        try:
            # Somebody may wait for the answer about one learner in one run.
            patient = user is None or course_run is None
            for page in fetch_grade_pages(run, user, patient=patient):
                sweep.take(page)
                report(summary)
            sweep.delete_what_was_kept()
        except (OpenEdxError, DatabaseFailure) as error:
            if user is not None and course_run is not None:
                raise
            sweep.keep_the_rest()
            summary.failed_runs.append(run.courseware_id)
            log.error(  # noqa: TRY400 - the text of a database's error can hold a learner's values
                "course run was not swept to its end",
                extra={"course_id": run.courseware_id, **_failure(error)},
            )
        report(summary)
    return summary


def iter_certificates_of(
    course_run: CourseRun, users: Collection[int]
) -> Iterator[list[tuple[int, LearnerResult]]]:
    """Yield, for each page of the run's grades, these learners' ids with what comes of each.

    As if each were asked for alone, with `force`, for a fraction of the questions. Nobody else on
    the pages is touched; no certificate is deleted. A learner Open edX leaves out is not yielded,
    nor one for whom more pages than learners would have to be asked for.

    Args:
        course_run: the run.
        users: the learners' ids.

    Raises OpenEdxError, or Django's database errors; what came before has been yielded.
    """
    wanted = set(users)
    for page in islice(fetch_grade_pages(course_run, patient=False), len(wanted)):
        ours = page.only(wanted)
        results = settle_page(ours, course_run, is_due=True, may_delete=False)
        settle_kept(course_run, results)
        by_learner = {result.learner.pk: result for result in results if result.learner is not None}
        wanted -= by_learner.keys()
        yield list(by_learner.items())
        if not wanted:
            return


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


@dataclass(slots=True)
class _RunSweep:
    """One run, page by page; certificates are deleted at its end, where it is known how many."""

    run: CourseRun
    is_due: bool
    may_delete: bool
    summary: GenerationSummary
    #: By learner: one who stands on the pages twice loses one certificate.
    _kept: dict[User, LearnerResult] = field(default_factory=dict)

    def take(self, page: GradePage) -> None:
        self.summary.strangers += page.strangers
        for result in self._settle(page):
            if result.certificate is CertificateOutcome.KEPT and result.learner is not None:
                self._kept[result.learner] = result
            else:
                self.summary.add(result)

    def delete_what_was_kept(self) -> None:
        """Let the 0.0s count, unless they are so many that a fault is likelier than the truth."""
        if not self._kept:
            return
        certificates = self.run.courseruncertificates.count()
        percent = settings.CERTIFICATE_DELETIONS_MAX_PERCENT
        limit = max(settings.CERTIFICATE_DELETIONS_MAX, certificates * percent / 100)
        results = list(self._kept.values())
        if len(self._kept) > limit:
            log.error(
                "too many certificates would be deleted: none was",
                extra={
                    "course_id": self.run.courseware_id,
                    "deletions": len(self._kept),
                    "certificates": certificates,
                },
            )
            settle_kept(self.run, results)
        else:
            self.may_delete = True
            results = self._settle(GradePage([kept.as_reported() for kept in results], []))
        for result in results:
            self.summary.add(result)

    def keep_the_rest(self) -> None:
        """Count whom a run that broke off leaves as they are."""
        for result in self._kept.values():
            self.summary.add(result)

    def _settle(self, page: GradePage) -> list[LearnerResult]:
        return settle_page(page, self.run, is_due=self.is_due, may_delete=self.may_delete)


def _failure(error: OpenEdxError | DatabaseFailure) -> dict[str, str | None]:
    return {"error": error.code} if isinstance(error, OpenEdxError) else describe_failure(error)
