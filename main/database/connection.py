"""A connection whose answers are waited for as long as the caller can wait, and not longer."""

import time
from typing import Any

import psycopg
from psycopg import errors

from openedx.patience import left_for_statement, spend


class NoAnswerInTime(psycopg.OperationalError):
    """The server did not answer a statement within the caller's patience."""


class Connection(psycopg.Connection[Any]):
    """Closes itself when an answer takes too long: whatever comes after it is nobody's answer."""

    #: The pool that lends it.
    _pool: Any = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made_at = time.monotonic()
        #: Whether the server has said that it takes no writes, or goes away.
        self.is_condemned = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; raise NoAnswerInTime at the end of the caller's patience."""
        patience = left_for_statement()
        if patience is None:
            return super().wait(gen, interval, timeout)
        began = time.monotonic()
        try:
            return super().wait(gen, interval, patience if timeout is None else timeout)
        except errors._WaitTimeout as error:
            # Not close(): that is Python's, and must know of no answer that is under way.
            self.pgconn.finish()
            raise NoAnswerInTime("the database did not answer in time") from error
        finally:
            spend(time.monotonic() - began)
