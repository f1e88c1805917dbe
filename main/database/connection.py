"""A connection with answers that are waited for as long as the caller can wait, and not longer."""

import os
import threading
import time
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg import errors, generators, waiting
from psycopg.pq.abc import PGcancelConn

from openedx_certificates.waiting.patience import left_for_statement, spend


class NoAnswerInTime(psycopg.OperationalError):
    """The server did not answer a statement within the caller's patience."""


class Connection(psycopg.Connection[Any]):
    """Closes itself when an answer takes too long: whatever comes after it answers no question."""

    #: The pool that lends it.
    _pool: Any = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made_at = time.monotonic()
        #: Whether the server has said that it takes no writes, or goes away.
        self.is_condemned = False
        #: Whether one statement took too long, which says nothing of the others.
        self.was_given_up = False
        #: The process that may use it.
        self.process = os.getpid()

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; raise NoAnswerInTime at the end of the caller's patience."""
        patience = left_for_statement()
        if patience is None:
            return super().wait(gen, interval, timeout)
        began = time.monotonic()
        try:
            return super().wait(gen, interval, patience if timeout is None else timeout)
        except errors._WaitTimeout as error:
            self._give_up()
            raise NoAnswerInTime("the database did not answer in time") from error
        finally:
            spend(time.monotonic() - began)

    def _give_up(self) -> None:
        """Leave the connection, and have the server end what it still works on."""
        self.was_given_up = True
        cancel = None
        # A libpq before 17 can only cancel while all threads wait.
        with suppress(psycopg.Error):
            cancel = self.pgconn.cancel_conn()
        # Not close(): an answer is under way.
        self.pgconn.finish()
        if cancel is not None and _cancelling.acquire(blocking=False):
            try:
                threading.Thread(target=_end, args=[cancel], daemon=True).start()
            except RuntimeError:
                # The machine has no thread left: the server's own time limits end the statement.
                _cancelling.release()


# At most so many at once; a statement that is not cancelled ends by the server's own time limits.
_cancelling: Final = threading.BoundedSemaphore(8)
_CANCEL_SECONDS: Final = 5.0


def _end(cancel: PGcancelConn) -> None:
    try:
        # It has ended by itself, or the server does not listen.
        with suppress(psycopg.Error):
            cancel.start()
            waiting.wait_conn(generators.cancel(cancel), interval=0.1, timeout=_CANCEL_SECONDS)
    finally:
        cancel.finish()
        _cancelling.release()
