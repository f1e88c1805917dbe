"""Turns: how many webhooks of one process work at once, so that a crowd of them leaves room.

Threads of one process share one processor. A hundred webhooks that come in the same second would
leave every other request a hundredth of it; they take turns instead, and the others hardly notice.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from openedx_certificates.waiting import patience

# While one waits for the database the other has the processor.
AT_ONCE: Final = 2
STANDSTILL_SECONDS: Final = 0.4
# What is left of two seconds, the contract's time for "the database failed".
DATABASE_SECONDS: Final = 1.4


class Turns:
    """Lets a number of threads through at once, in the order in which they came.

    The holder of a turn may be stuck, such as with a database that says nothing. If no turn has been
    given up for a while, the waiting threads go on without one.
    """

    def __init__(self, at_once: int, standstill_seconds: float) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._standstill_seconds = standstill_seconds
        #: When a turn was given up last, or taken while there was a free one.
        self._moved_at = time.monotonic()
        self._waiting: deque[threading.Event] = deque()
        self._mine = threading.local()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Work in a turn for the block, or without one if nothing moves."""
        self._take()
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Leave the turn to others for the block, which waits; do nothing if there is none."""
        if not self._give():
            yield
            return
        try:
            yield
        finally:
            self._take()

    def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                self._moved_at = time.monotonic()
                self._mine.has_turn = True
                return
            my_turn = threading.Event()
            self._waiting.append(my_turn)
        while not my_turn.wait(self._seconds_to_standstill()):
            if self._seconds_to_standstill() <= 0:
                break
        with self._lock:
            # It may have been given at the last moment.
            self._mine.has_turn = my_turn not in self._waiting
            if not self._mine.has_turn:
                self._waiting.remove(my_turn)

    def _seconds_to_standstill(self) -> float:
        return max(self._moved_at + self._standstill_seconds - time.monotonic(), 0.0)

    def _give(self) -> bool:
        """Give the thread's turn to another; return whether it had one."""
        if not getattr(self._mine, "has_turn", False):
            return False
        self._mine.has_turn = False
        with self._lock:
            self._moved_at = time.monotonic()
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
        return True


_turns = Turns(AT_ONCE, STANDSTILL_SECONDS)


@contextmanager
def webhook_turn() -> Iterator[None]:
    """Work on a webhook in its turn, and wait no longer for the database than the sender can."""
    with (
        _turns.taken(),
        patience.patience_of(DATABASE_SECONDS, bounds_statements=True),
    ):
        yield


@contextmanager
def webhook_turn_given_up() -> Iterator[None]:
    """Wait for another system in the block, while others have the turn."""
    try:
        with _turns.given_up():
            yield
    finally:
        patience.restart()
