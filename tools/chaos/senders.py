"""The plugin of Open edX: threads that send the planned events, and note every reply."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tools.chaos.cast import Case
from tools.chaos.clock import Clock
from tools.chaos.plan import Sending
from tools.simulator import Attempt, Plugin, SimulatedOpenEdx

THREADS: Final = 32
# The plugin itself waits for 30 seconds; a server that was killed makes itself known sooner.
TIMEOUT_SECONDS: Final = 12.0
LOOK_SECONDS: Final = 0.1
_OK: Final = 200
_ACCEPTED: Final = 202
_OF_A_REQUEST: Final = ("deferred", "created", "not_eligible")


@dataclass(frozen=True, slots=True)
class Try:
    """One try of one event. Times are `time.monotonic`'s."""

    case: Case
    began: float
    ended: float
    #: None if no reply came.
    status: int | None
    #: The reply; without one, what happened in a word.
    body: str

    @property
    def is_accepted(self) -> bool:
        """Whether it was answered with a promise."""
        return self.status in (_OK, _ACCEPTED)

    @property
    def is_held(self) -> bool:
        """Whether it was answered with what only a request can have led to."""
        return self.is_accepted and any(word in self.body for word in _OF_A_REQUEST)


@dataclass(slots=True)
class Sent:
    """All that was sent."""

    events: int = 0
    #: Events that all three tries failed for: the plugin has forgotten them.
    never_accepted: int = 0
    tries: list[Try] = field(default_factory=list)

    @property
    def accepted(self) -> set[tuple[str, str]]:
        """The keys of the cases that something was promised about."""
        return {one.case.key for one in self.tries if one.is_accepted}

    @property
    def held(self) -> set[tuple[str, str]]:
        """The keys of the cases that were told of a request, and not of an old certificate."""
        return {one.case.key for one in self.tries if one.is_held}

    def count(self, status: int | None) -> int:
        """Return how many tries were answered like this."""
        return sum(one.status == status for one in self.tries)


class Senders:
    """Sends each event at its time, as long as a thread is free."""

    def __init__(
        self,
        sendings: Iterable[Sending],
        webhook_url: str,
        token: str,
        openedx: SimulatedOpenEdx,
        clock: Clock,
    ) -> None:
        self.sent = Sent()
        self._waiting = deque(sendings)
        self._webhook_url = webhook_url
        self._token = token
        self._openedx = openedx
        self._clock = clock
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, name=f"plugin-{number}", daemon=True)
            for number in range(THREADS)
        ]

    def start(self) -> None:
        """Begin to look at the clock."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send nothing more. Repeatable; a try that is under way comes to its own end."""
        self._is_over.set()

    def is_done(self) -> bool:
        """Whether all is sent and answered."""
        return not any(thread.is_alive() for thread in self._threads)

    def _send(self) -> None:
        while True:
            with self._lock:
                sending = self._waiting.popleft() if self._waiting else None
            if sending is None or not self._wait_until(sending.at):
                return
            if sending.passes_after is not None:
                self._pass_later(sending.case, sending.passes_after)
            self._fire(sending.case)

    def _pass_later(self, case: Case, seconds: float) -> None:
        """Let Open edX have the grade soon: it sends the event before its transaction ends."""

        def commit() -> None:
            self._openedx.set_grade(case.run.course_id, case.edx_username, passed=True, percent=0.9)

        timer = threading.Timer(seconds, commit)
        timer.daemon = True
        timer.start()

    def _fire(self, case: Case) -> None:
        times = [time.monotonic()]

        def wait(seconds: float) -> None:
            times.append(time.monotonic())
            self._is_over.wait(seconds)
            times.append(time.monotonic())

        plugin = Plugin(self._webhook_url, self._token, wait=wait, timeout_seconds=TIMEOUT_SECONDS)
        attempts = plugin.fire(case.email, case.run.course_id)
        times.append(time.monotonic())
        with self._lock:
            self.sent.events += 1
            self.sent.never_accepted += not attempts[-1].is_accepted
            for attempt, began, ended in zip(attempts, times[::2], times[1::2], strict=True):
                self.sent.tries.append(_as_try(case, attempt, began, ended))

    def _wait_until(self, at: float) -> bool:
        """Wait until the plan's time has come; return whether it is not all over."""
        while (seconds := at - self._clock.now()) > 0:
            # The clock may be held meanwhile.
            if self._is_over.wait(min(seconds, LOOK_SECONDS)):
                return False
        return not self._is_over.is_set()


def _as_try(case: Case, attempt: Attempt, began: float, ended: float) -> Try:
    body = attempt.body if attempt.error is None else _in_a_word(attempt.error)
    return Try(case, began, ended, attempt.status, body)


def _in_a_word(error: str) -> str:
    words = {"refused": "refused", "timed out": "timed out", "reset": "reset"}
    return next((word for sign, word in words.items() if sign in error), "closed")
