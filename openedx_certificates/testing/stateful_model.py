"""What must come of events, said as simply as it can be: the stateful test holds us against it.

Written from the contract, sections 4 and 5, and not from the code. The model is told what happens
and which questions reached Open edX, and says what must have come of them. When a question is asked
is not its affair, as long as it is neither too early nor too late.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

OUTAGES = ("500", "close", "html", "malformed", "401", "429:900", "500:86400")
# About one learner: any other question could have been answered.
OTHER_FAULTS = ("404", "empty-list")
PATIENCE = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10))
THREE_DAYS = timedelta(days=3)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PAUSE_AFTER = 3
DELETIONS_MAX = 1

Seat = tuple[str, str]
Reply = tuple[int, dict[str, str]]
CERTIFIED = ("created", "exists", "revoked")
DEFERRED: Reply = (202, {"certificate_status": "deferred"})


@dataclass(slots=True)
class Request:
    """An event that was accepted, and all that joined it."""

    last_delivered_on: datetime
    #: No question may come before, and a pass that comes after must ask.
    earliest: datetime
    latest: datetime
    deliveries: int = 1
    status: str = "open"
    reason: str = ""
    settled_on: datetime | None = None
    not_passed_answers: int = 0
    ignores_pause: bool = False
    #: The first question that failed since Open edX answered.
    failing_since: datetime | None = None
    #: The same, or when a pass first left it alone because of a pause.
    down_since: datetime | None = None

    def deliver(self, now: datetime) -> None:
        """Take in an event or a replay: its sender knows something new."""
        self.last_delivered_on = self.earliest = self.latest = now
        self.not_passed_answers = 0

    def settle(self, now: datetime, status: str, reason: str = "") -> None:
        """Have nothing left to do."""
        self.status, self.reason, self.settled_on = status, reason, now

    def may_be_given_up(self, now: datetime) -> bool:
        """Return whether three days have passed without an answer, and without an event."""
        down_since = self.down_since
        return (
            down_since is not None
            and now - down_since >= THREE_DAYS
            and now - self.last_delivered_on >= THREE_DAYS
        )


@dataclass(slots=True)
class Learner:
    """A learner in one run."""

    grade: str = "failed"
    is_paid: bool = True
    is_active: bool = True
    #: "valid" or "revoked".
    certificate: str | None = None
    zero_since: datetime | None = None
    requests: list[Request] = field(default_factory=list)
    #: The last event came when the learner was eligible, and that has not changed since.
    is_promised: bool = False

    @property
    def is_eligible(self) -> bool:
        """Whether the learner passed, and paid, and is there."""
        return self.grade == "passed" and self.is_paid and self.is_active

    @property
    def certified_status(self) -> str | None:
        """How an event, and a request, about a learner with a certificate ends; None without one."""
        if self.certificate is None:
            return None
        return "exists" if self.certificate == "valid" else "revoked"

    @property
    def open_request(self) -> Request | None:
        """The one that is not settled."""
        return next((each for each in self.requests if each.status == "open"), None)

    def change(self, **values: object) -> None:
        """Change the grade or the enrollment."""
        for name, value in values.items():
            setattr(self, name, value)
        self.is_promised = self.is_promised and self.is_eligible

    def loses_certificate_by(self, now: datetime) -> bool:
        """Return whether a report of the grade, now, would take the certificate away."""
        since = self.zero_since
        is_confirmed = since is not None and now - since >= timedelta(hours=20)
        return self.certificate == "valid" and self.grade == "zero" and is_confirmed

    def report(self, now: datetime, *, is_due: bool, may_delete: bool = True) -> str:
        """Take in what Open edX says of the learner; return what came of it."""
        if self.certificate is not None:
            if self.loses_certificate_by(now) and may_delete:
                self.certificate = self.zero_since = None
                return "grade_not_passed"
            self.zero_since = (self.zero_since or now) if self.grade == "zero" else None
            return str(self.certified_status)
        if self.grade != "passed":
            return "grade_not_passed"
        if not self.is_eligible:
            return "no_paid_enrollment"
        if not is_due:
            return "not_due"
        self.certificate = "valid"
        return "created"


class Model:
    """All learners, and what Open edX is doing to us."""

    def __init__(self, seats: Collection[Seat], available_on: dict[str, datetime]) -> None:
        self.learners = {seat: Learner() for seat in seats}
        #: By the learner they meet; those under None meet every question.
        self.faults: dict[str | None, str] = {}
        self._available_on = available_on
        #: Questions in a row that failed because Open edX is down.
        self._failures = 0
        self._next_probe = (_LONG_AGO, _LONG_AGO)

    @property
    def is_paused(self) -> bool:
        """Whether only a probe asks."""
        return self._failures >= PAUSE_AFTER

    def find_fault(self, seat: Seat) -> str | None:
        """Return what happens to a question about the learner."""
        return self.faults.get(seat[0], self.faults.get(None))

    def iter_open(self) -> Iterator[tuple[Seat, Request]]:
        """Yield the requests that are not settled."""
        for seat, learner in self.learners.items():
            if learner.open_request is not None:
                yield seat, learner.open_request

    def take_event(self, seat: Seat, now: datetime, *, is_async: bool) -> tuple[Reply, list[Seat]]:
        """Return the reply to an event, and the questions that are asked before it."""
        learner = self.learners[seat]
        if learner.certified_status is not None:
            return (200, {"certificate_status": learner.certified_status}), []
        if learner.open_request is None:
            learner.requests.append(Request(now, now, now))
        else:
            learner.open_request.deliveries += 1
            learner.open_request.deliver(now)
        learner.is_promised = learner.is_eligible
        if is_async or self.is_paused:
            return DEFERRED, []
        return _reply(self.take_question(seat, now)), [seat]

    def take_question(self, seat: Seat, now: datetime, *, is_joined: bool = False) -> str | None:
        """Settle or postpone the request that was asked for; return the outcome, None without.

        Args:
            seat: the learner in the run.
            now: when.
            is_joined: whether an event came while Open edX was asked: the answer may be older.
        """
        learner, fault = self.learners[seat], self.find_fault(seat)
        request = learner.open_request
        if request is None:
            raise AssertionError("a question without an open request")
        self._note_answer(fault, now)
        if fault is not None:
            self._fail(learner, request, fault, now)
            return None
        outcome = learner.report(now, is_due=True)
        request.failing_since = request.down_since = None
        if outcome in CERTIFIED:
            request.settle(now, outcome)
        elif is_joined:
            request.earliest = request.latest = now
        elif outcome == "grade_not_passed" and request.not_passed_answers < len(PATIENCE):
            request.earliest = request.latest = now + PATIENCE[request.not_passed_answers]
            request.not_passed_answers += 1
            request.ignores_pause = False
        else:
            request.settle(now, "not_eligible", outcome)
        return outcome

    def take_pass(self, asked: list[Seat], now: datetime, *, ignore_due: bool) -> None:
        """Settle or postpone what a pass asked for. Raises AssertionError if it chose wrongly."""
        for seat, held in self.iter_open():
            # Nothing is left to ask for.
            if status := self.learners[seat].certified_status:
                held.settle(now, status)
        was_paused, probes = self.is_paused, 0
        must_probe = was_paused and now >= self._next_probe[1] and any(self.iter_open())
        _check(ignore_due or not must_probe or bool(asked), "nobody probed")
        _check(len(asked) == len(set(asked)), "a learner was asked for twice")
        for seat in asked:
            request = self.learners[seat].open_request
            if request is not None and not ignore_due:
                if self.is_paused and not request.ignores_pause:
                    probes += 1
                    _check(now >= self._next_probe[0], "a probe too early")
                    _check(probes == 1, "a second probe")
                else:
                    _check(now >= request.earliest, "a question too early")
            self.take_question(seat, now)
        for seat, request in self.iter_open():
            is_let = request.ignores_pause or not self.is_paused
            must_ask = ignore_due or (is_let and now >= request.latest)
            _check(seat in asked or not must_ask, f"nobody asked for {seat}")
            if was_paused or self.is_paused:
                request.down_since = request.down_since or now

    def take_sweep(self, now: datetime) -> None:
        """Take in the grades of every eligible run, if Open edX answers with its pages."""
        if None in self.faults:
            return
        for run, available_on in self._available_on.items():
            if available_on <= now - timedelta(days=31):
                continue
            learners = [each for seat, each in self.learners.items() if seat[1] == run]
            doomed = [each for each in learners if each.loses_certificate_by(now)]
            for learner in learners:
                request = learner.open_request
                outcome = learner.report(
                    now, is_due=available_on <= now, may_delete=len(doomed) <= DELETIONS_MAX
                )
                if request is not None and outcome in CERTIFIED:
                    request.settle(now, outcome)

    def replay(self, seat: Seat, index: int, now: datetime) -> None:
        """Start a request again, or the one that is open already."""
        learner = self.learners[seat]
        request = learner.open_request or learner.requests[index]
        request.status, request.reason, request.settled_on = "open", "", None
        request.failing_since = request.down_since = None
        request.ignores_pause = True
        request.deliveries += 1
        request.deliver(now)
        learner.is_promised = learner.is_eligible

    def give_up(self, seat: Seat, now: datetime) -> None:
        """Settle as failed."""
        learner = self.learners[seat]
        if learner.open_request is not None:
            learner.open_request.settle(now, "failed")
        learner.is_promised = False

    def prune(self, now: datetime) -> None:
        """Forget what was settled over 90 days ago."""
        for learner in self.learners.values():
            learner.requests = [
                each
                for each in learner.requests
                if each.settled_on is None or now - each.settled_on <= timedelta(days=90)
            ]

    def _note_answer(self, fault: str | None, now: datetime) -> None:
        if fault in OUTAGES:
            self._failures += 1
            # Whatever Retry-After says: that is about the request which was asked for.
            self._next_probe = (now + timedelta(seconds=1), now + timedelta(minutes=5))
            return
        if self.is_paused:
            for _, request in self.iter_open():
                if request.failing_since is not None:
                    request.earliest = request.latest = now
        self._failures = 0

    def _fail(self, learner: Learner, request: Request, fault: str, now: datetime) -> None:
        request.failing_since = request.failing_since or now
        request.down_since = request.down_since or now
        request.ignores_pause = False
        wait = _retry_after(fault)
        at_least = timedelta(minutes=5) if fault == "401" else timedelta(seconds=2)
        request.earliest = now + max(wait, at_least)
        request.latest = now + max(wait, timedelta(hours=1))
        if now - max(request.failing_since, request.last_delivered_on) >= THREE_DAYS:
            request.settle(now, "failed")
            learner.is_promised = False


def _retry_after(fault: str) -> timedelta:
    return timedelta(seconds=int(fault.partition(":")[2] or 0))


def _reply(outcome: str | None) -> Reply:
    if outcome is None:
        return DEFERRED
    if outcome in CERTIFIED:
        return 200, {"certificate_status": outcome}
    return 200, {"certificate_status": "not_eligible", "reason": outcome}


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
