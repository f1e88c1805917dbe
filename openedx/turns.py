"""Turns: how many webhooks of one process work at once, so that a crowd of them leaves room.

Threads of one process share one processor. A hundred webhooks that come in the same second would
leave every other request a hundredth of it; they take turns instead, and the others hardly notice.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# While one waits for the database the other has the processor.
AT_ONCE: Final = 2
PATIENCE_SECONDS: Final = 2.0


class Turns:
    """Lets a number of threads through at once; of those who wait, the one who came last.

    In a crowd whoever waits longest is late already. To serve the newest first keeps those in time
    who still can be, and all are served in the same time. Nobody waits for ever: whoever has a turn
    may be stuck.
    """

    def __init__(self, at_once: int, patience_seconds: float) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._patience_seconds = patience_seconds
        self._waiting: list[threading.Event] = []
        self._mine = threading.local()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Work in a turn for the block, or without one where the wait was too long."""
        self._take()
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Leave the turn to others for the block, which waits; nothing where there is none."""
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
                self._mine.has_turn = True
                return
            my_turn = threading.Event()
            self._waiting.append(my_turn)
        my_turn.wait(self._patience_seconds)
        with self._lock:
            # It may have been given at the last moment.
            self._mine.has_turn = my_turn not in self._waiting
            if not self._mine.has_turn:
                self._waiting.remove(my_turn)

    def _give(self) -> bool:
        """Give the thread's turn to another; return whether it had one."""
        if not getattr(self._mine, "has_turn", False):
            return False
        self._mine.has_turn = False
        with self._lock:
            if self._waiting:
                self._waiting.pop().set()
            else:
                self._free += 1
        return True


webhook_turns = Turns(AT_ONCE, PATIENCE_SECONDS)
