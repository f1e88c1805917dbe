"""From Open edX's grades to certificates: one learner, one run, or all of them."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from django.db import Error as DatabaseFailure

from openedx_certificates import host
from openedx_certificates.clock import database_now
from openedx_certificates.issuing.certificates import are_certificates_due
from openedx_certificates.issuing.fetching import fetch_grade_pages
from openedx_certificates.issuing.learner import issue_certificate
from openedx_certificates.issuing.pages import LearnerResult, apply_page, settle_kept
from openedx_certificates.logs import get_logger
from openedx_certificates.sweeps.leases import RunIsSwept, claim_sweep, wait_for_others
from openedx_certificates.sweeps.run import RunSweep, note_failed_run
from openedx_certificates.sweeps.summaries import GenerationSummary, Progress

log = get_logger(__name__)


def generate_course_run_certificates(
    user: host.User | None = None,
    course_run: host.CourseRun | None = None,
    force: bool = False,
    *,
    allow_deletions: bool = False,
    may_wait: bool = True,
    report: Progress = lambda _summary: None,
) -> GenerationSummary:
    """Fetch grades from Open edX, store them, and create the certificates they earn.

    Repeatable, also at the same time: two sweeps of one run come one after the other. The three
    parameters are independent of each other. What fails for one learner, page or run is logged and
    counted, and the rest goes on. Open requests of learners
    that have a certificate then are settled.

    Args:
        user: only this learner; without a run, in the eligible runs of an active enrollment.
        course_run: only this run, eligible for the sweep or not; otherwise all eligible runs.
        force: create certificates before their date; nothing else is waived.
        allow_deletions: believe also so many grades of 0.0 in a run that they look like a fault.
        may_wait: wait for a run that is swept at the moment; one user's grade does not wait.
        report: gets the summary, as far as it has come, after each page of grades and each run.

    Raises OpenEdxError, CannotAsk, CertificateNotSaved, or Django's database errors, when asked for
    one user in one run; RunIsSwept if it may not wait.
    """
    summary = GenerationSummary()
    if user is not None and course_run is not None:
        summary.runs = 1
        # An event waives the dates, and costs no statement for the moment.
        is_due = force or are_certificates_due(course_run, database_now())
        summary.add_verdict(issue_certificate(user, course_run, is_due=is_due))
        report(summary)
        return summary
    runs = _get_runs(user, course_run)
    if user is not None:
        _ask_for(user, runs, force, summary, report)
    else:
        _sweep_in_turn(runs, force, allow_deletions, summary, report, may_wait=may_wait)
    return summary


def _ask_for(
    user: host.User,
    runs: Sequence[host.CourseRun],
    force: bool,
    summary: GenerationSummary,
    report: Progress,
) -> None:
    """Ask for one learner in each of the runs; what goes wrong in one is logged and counted."""
    for run in runs:
        summary.runs += 1
        try:
            is_due = force or are_certificates_due(run, database_now())
            summary.add_verdict(issue_certificate(user, run, is_due=is_due, patient=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other runs go on
            note_failed_run(run, error, summary)
        report(summary)


def _sweep_in_turn(
    runs: Sequence[host.CourseRun],
    force: bool,
    may_delete: bool,
    summary: GenerationSummary,
    report: Progress,
    *,
    may_wait: bool,
) -> None:
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
            summary.runs += 1
            note_failed_run(run, error, summary)
        else:
            summary.runs += 1
            RunSweep(run, lease, force, may_delete, summary, report).sweep()
        busy = 0
        report(summary)


def iter_certificates_of(
    course_run: host.CourseRun, users: Collection[int]
) -> Iterator[list[tuple[int, LearnerResult]]]:
    """Yield, for each page of the run's grades, these learners' ids with what comes of each.

    As if each were asked for alone, with `force`, for a fraction of the questions. No other learner on
    the pages is touched; no certificate is deleted. A learner that Open edX leaves out is not yielded,
    nor are learners that would take more pages than there are learners.

    Args:
        course_run: the run.
        users: the learners' ids.

    Raises OpenEdxError, CannotAsk, or Django's database errors; what came before has been yielded.
    """
    wanted = set(users)
    for page in islice(fetch_grade_pages(course_run, patient=False), len(wanted)):
        results = apply_page(page.only(wanted), course_run, is_due=True, may_delete=False)
        settle_kept(course_run, results)
        by_learner = {result.user: result for result in results if result.user is not None}
        wanted -= by_learner.keys()
        yield list(by_learner.items())
        if not wanted:
            return


def count_learners_to_sweep(
    user: host.User | None = None, course_run: host.CourseRun | None = None
) -> int:
    """Return about how many learners a sweep will see: Open edX alone knows how many it lists."""
    runs = _get_runs(user, course_run)
    if user is not None:
        return len(runs)
    return host.enrollments().filter(run__in=runs, active=True).count()


def _get_runs(user: host.User | None, course_run: host.CourseRun | None) -> list[host.CourseRun]:
    """Return the one run, else the eligible ones, for a user those of an active enrollment."""
    if course_run is not None:
        return [course_run]
    runs = host.get_eligible_runs(database_now())
    if user is not None:
        active = host.enrollments().filter(user=user, active=True)
        runs = runs.filter(pk__in=active.values("run"))
    # A list: no cursor stays open while Open edX is asked.
    return list(runs.order_by("pk"))
