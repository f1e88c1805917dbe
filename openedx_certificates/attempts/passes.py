"""One pass over the held requests: by a worker, by a command, whenever; many may run at once."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

from django.db.models import F, Max, Q, QuerySet

from openedx_certificates.attempts.attempt import Attempt, make_attempt
from openedx_certificates.attempts.batches import are_pages_worth_it, make_attempts_from_pages
from openedx_certificates.held.outcomes import give_up_after_pause, settle_already_certified
from openedx_certificates.held.pause import claim_probe, get_pause, give_probe_back
from openedx_certificates.held.queue import claim, get_free_requests, get_leased, is_due
from openedx_certificates.logs import get_logger
from openedx_certificates.models import CertificateRequest

log = get_logger(__name__)


@dataclass(slots=True)
class ProcessingSummary:
    """What a pass did. Each request that was taken up is in one of the counts."""

    #: Settled, by how: `created`, `exists`, `revoked`, `not_eligible`, `failed`.
    settled: Counter[str] = field(default_factory=Counter)
    #: Open edX said "not passed", and is asked again soon.
    waiting: int = 0
    #: There was no answer; tried again later.
    deferred: int = 0
    #: Left for later because Open edX is down.
    is_paused: bool = False

    @property
    def taken_up(self) -> int:
        """How many requests were worked on."""
        return self.settled.total() + self.waiting + self.deferred

    def add(self, attempt: Attempt) -> None:
        """Count one request."""
        if attempt.outcome is None and attempt.is_open:
            self.deferred += 1
        elif attempt.outcome is None:
            self.settled["failed"] += 1
        elif attempt.is_open:
            self.waiting += 1
        else:
            self.settled[attempt.outcome.status] += 1

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for a log line or a report."""
        names = [
            status.value
            for status in CertificateRequest.Status
            if status != CertificateRequest.Status.OPEN
        ]
        return {
            "taken_up": self.taken_up,
            **{f"settled_{name}": self.settled[name] for name in names},
            "waiting": self.waiting,
            "deferred": self.deferred,
        }


Progress = Callable[[ProcessingSummary], object]


def process_requests(
    requests: QuerySet[CertificateRequest] | None = None,
    *,
    ignore_due: bool = False,
    is_over: Callable[[], bool] = lambda: False,
    report: Progress = lambda _summary: None,
) -> ProcessingSummary:
    """Take up each request that is due and free once, and return what came of them.

    Repeatable, also at the same time: simultaneous passes share the work. Never raises for one
    request. If Open edX is down, a probe is made when its time has come, and nothing else.

    Args:
        requests: only these; all by default.
        ignore_due: take up also what is not due, and heed no pause.
        is_over: is asked before each request; once it is, nothing more is taken up.
        report: gets the summary, as far as it has come, after each request.

    Raises Django's database errors if the server is away.
    """
    scope = CertificateRequest.objects.all() if requests is None else requests
    one_pass = _Pass(scope, ignore_due, is_over, report)
    started_at = time.monotonic()
    one_pass.run()
    # A worker comes every few seconds, and mostly finds nothing.
    if one_pass.summary.taken_up:
        log.info(
            "pass over certificate requests finished",
            extra={
                **one_pass.summary.as_dict(),
                "is_paused": one_pass.summary.is_paused,
                "seconds": round(time.monotonic() - started_at, 1),
            },
        )
    return one_pass.summary


def count_requests(
    requests: QuerySet[CertificateRequest] | None = None, *, ignore_due: bool = False
) -> int:
    """Return how many requests a pass would take up now, if no pause kept it."""
    free = get_free_requests()
    if requests is not None:
        free &= requests
    return free.count() if ignore_due else free.filter(is_due()).count()


@dataclass(frozen=True, slots=True)
class _Group:
    """Requests of one run."""

    run: int
    ignores_pause: bool
    requests: list[int]


class _Pass:
    def __init__(
        self,
        scope: QuerySet[CertificateRequest],
        ignore_due: bool,
        is_over: Callable[[], bool],
        report: Progress,
    ) -> None:
        self.summary = ProcessingSummary()
        self._scope = scope
        self._ignore_due = ignore_due
        self._is_over = is_over
        self._report = report
        self._tried: set[int] = set()

    def run(self) -> None:
        """Take up what is due; if that ends in a pause, and a probe ends the pause, go on."""
        self.summary.settled += settle_already_certified(self._scope)
        while True:
            was_paused = self._heeds_pause()
            for group in self._find_work():
                self._work_on(group)
            # A replay's answer ends a pause as a probe's does.
            is_let_through = was_paused and not self._heeds_pause()
            if self._is_over() or not (is_let_through or self._probe_ends_the_pause()):
                return

    def _find_work(self) -> list[_Group]:
        free = get_free_requests() & self._scope
        if not self._ignore_due:
            free = free.filter(is_due())
        if self._heeds_pause():
            free = free.filter(ignores_pause=True)
        # A run's requests together, and first the run that has waited longest; replays before all.
        rows = free.order_by("-ignores_pause", "course_run", "next_attempt_on", "pk").values_list(
            "ignores_pause", "course_run", "next_attempt_on", "pk"
        )
        untried = [row for row in rows if row[-1] not in self._tried]
        groups = [list(found) for _, found in groupby(untried, key=lambda row: row[:2])]
        groups.sort(key=lambda found: (not found[0][0], found[0][2]))
        return [
            _Group(found[0][1], found[0][0] or self._ignore_due, [pk for *_, pk in found])
            for found in groups
        ]

    def _heeds_pause(self) -> bool:
        return not self._ignore_due and get_pause().is_on

    def _must_stop(self, group: _Group) -> bool:
        return self._is_over() or (not group.ignores_pause and self._heeds_pause())

    def _work_on(self, group: _Group) -> None:
        if self._must_stop(group):
            return
        if are_pages_worth_it(group.run, len(group.requests)):
            self._tried.update(group.requests)
            # Closed in any case, so that what it holds is given back.
            with closing(make_attempts_from_pages(group.requests)) as attempts:
                for attempt in attempts:
                    self._count(attempt)
                    if self._is_over():
                        return
            return
        for pk in group.requests:
            if self._must_stop(group):
                return
            self._attempt(pk)

    def _attempt(self, pk: int, *, is_probe: bool = False) -> Attempt | None:
        """Take up one request; None if another worker has taken it."""
        self._tried.add(pk)
        lease = claim(CertificateRequest.objects.filter(pk=pk))
        request = lease and get_leased(lease).select_related("user", "course_run").first()
        if not lease or not request:
            return None
        attempt = make_attempt(request, lease, get_pause(), is_probe=is_probe)
        self._count(attempt)
        return attempt

    def _count(self, attempt: Attempt) -> None:
        self.summary.add(attempt)
        self._report(self.summary)

    def _probe_ends_the_pause(self) -> bool:
        """If a pause is on, make a probe when its time has come; return whether that ended it."""
        if self._ignore_due or not get_pause().is_on:
            return False
        probe = self._probe()
        self.summary.is_paused = get_pause().is_on
        if not self.summary.is_paused:
            return True
        # Only after a probe just failed: if no worker ran for days, Open edX may have been up.
        if probe is not None and probe.is_outage:
            given_up = give_up_after_pause()
            self.summary.settled["failed"] += given_up
            if given_up:
                log.error("certificate requests given up in a pause", extra={"requests": given_up})
        return False

    def _probe(self) -> Attempt | None:
        """Ask one question, if the time has come and there is one; None if nothing was asked."""
        for pk in self._find_probes():
            if pk in self._tried:
                continue
            if not claim_probe():
                return None
            attempt = self._attempt(pk, is_probe=True)
            if attempt is not None and attempt.has_asked:
                return attempt
            give_probe_back()
        return None

    def _find_probes(self) -> Iterator[int]:
        """Yield what may be asked for, first of the run that was tried longest ago.

        A run that is broken by itself must not keep the others from being found well. Due or not:
        the sooner it is known that Open edX is up, the better for all. But a request that waits
        because Open edX said "not passed" is left out: that answer would come too soon again.
        """
        waiting = is_due() | Q(failing_since__isnull=False)
        free = (get_free_requests() & self._scope).filter(waiting)
        runs = free.values("course_run").annotate(tried=Max("last_attempt_on"))
        for run in runs.order_by(F("tried").asc(nulls_first=True), "course_run"):
            of_run = free.filter(course_run=run["course_run"])
            yield from of_run.order_by("next_attempt_on", "pk").values_list("pk", flat=True)
