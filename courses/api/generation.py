"""From Open edX's grades to certificates: one learner, one run, or all of them."""

import logging
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.db import Error as DatabaseFailure

from courses.api.certificates import are_certificates_due, get_certificate_grade_eligible_runs
from courses.api.clock import database_now
from courses.api.run_sweeps import RunSweep, give_up_lease, sweep_under_lease
from courses.api.settling import LearnerResult, settle_kept, settle_page
from courses.api.summaries import GenerationSummary, Progress
from courses.api.sweep_leases import RunIsSwept, SweepLease, claim_sweep, wait_for_others
from courses.models import CourseRun, CourseRunEnrollment
from openedx.api import fetch_grade_pages
from users.models import User

log = logging.getLogger(__name__)


def generate_course_run_certificates(
    user: User | None = None,
    course_run: CourseRun | None = None,
    force: bool = False,
    *,
    allow_deletions: bool = False,
    may_wait: bool = True,
    report: Progress = lambda _summary: None,
) -> GenerationSummary:
    """Fetch grades from Open edX, store them, and create the certificates they earn.

    Repeatable, also at the same time: two sweeps of one run come one after the other. The three
    parameters are independent of each other. What fails for one learner, page or run is logged and
    counted, and the rest goes on. Open requests of learners who have their certificate then are
    settled.

    Args:
        user: only this learner; without a run, in the eligible runs of an active enrollment.
        course_run: only this run, eligible for the sweep or not; otherwise all eligible runs.
        force: create certificates before their date; nothing else is waived.
        allow_deletions: believe also so many grades of 0.0 in a run that they look like a fault.
        may_wait: wait for a run that is swept at the moment; one user's grade waits for nobody.
        report: gets the summary, as far as it has come, after each page of grades and each run.

    Raises OpenEdxError, CannotAsk, or Django's database errors, when asked for one user in one run;
    RunIsSwept if it may not wait.
    """
    call = _Call(force, allow_deletions or user is not None, report)
    runs = _get_runs(user, course_run)
    if user is None:
        call.sweep(runs, may_wait=may_wait)
    else:
        call.ask_for(user, runs, is_waited_for=course_run is not None)
    return call.summary


@dataclass(slots=True)
class _Call:
    """What holds for all runs of one call."""

    force: bool
    #: Any number: one learner's certificate is no mass, and an administrator may know better.
    may_delete: bool
    report: Progress
    summary: GenerationSummary = field(default_factory=GenerationSummary)

    def sweep(self, runs: Sequence[CourseRun], *, may_wait: bool) -> None:
        """Sweep the runs in turn; those that others sweep at the moment, later."""
        left, busy, has_waited = deque(runs), 0, False
        while left:
            run = left.popleft()
            try:
                lease = claim_sweep(run)
            except RunIsSwept:
                if not may_wait:
                    raise
                left.append(run)
                busy += 1
                if busy >= len(left):
                    if not has_waited:
                        has_waited = True
                        log.info("sweep waits for others to end", extra={"runs": len(left)})
                    busy = 0
                    wait_for_others()
                continue
            except DatabaseFailure as error:
                self._begin(run).fail(error)
            else:
                self._sweep(run, lease)
            busy = 0
            self.report(self.summary)

    def _sweep(self, run: CourseRun, lease: SweepLease) -> None:
        sweep = self._begin(run)
        try:
            started_on = database_now()
            # It may have waited for hours, and the dates may be others by now.
            run.refresh_from_db()
        except (DatabaseFailure, CourseRun.DoesNotExist) as error:
            sweep.fail(error)
            give_up_lease(run, lease)
        else:
            sweep.is_due = self.force or are_certificates_due(run, started_on)
            sweep_under_lease(sweep, lease, started_on)

    def ask_for(self, user: User, runs: Sequence[CourseRun], *, is_waited_for: bool) -> None:
        """Ask for one learner in each of the runs; raise what goes wrong where it is waited for."""
        for run in runs:
            one_run = self._begin(run)
            try:
                # An event waives the dates, and costs no statement for the moment.
                one_run.is_due = self.force or are_certificates_due(run, database_now())
                one_run.work_through(user, patient=not is_waited_for)
            except Exception as error:  # whatever it is, the other runs go on
                if is_waited_for:
                    raise
                one_run.fail(error)
            self.report(self.summary)

    def _begin(self, run: CourseRun) -> RunSweep:
        self.summary.runs += 1
        return RunSweep(run, self.force, self.may_delete, self.summary, self.report)


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

    Raises OpenEdxError, CannotAsk, or Django's database errors; what came before has been yielded.
    """
    wanted = set(users)
    for page in islice(fetch_grade_pages(course_run, patient=False), len(wanted)):
        ours = page.only(wanted)
        results = settle_page(ours, course_run, is_due=True, may_delete=False)
        settle_kept(course_run, results)
        by_learner = {result.user: result for result in results if result.user is not None}
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
    runs = get_certificate_grade_eligible_runs(database_now())
    if user is not None:
        runs = runs.filter(enrollments__user=user, enrollments__active=True)
    # A list: no cursor stays open while Open edX is asked.
    return list(runs.order_by("pk"))
