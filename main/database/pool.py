"""The connections of one process to one database.

psycopg_pool tries again by itself when the server is away, more and more seldom, and lets its
callers wait for that: the database is back, and the site is not. This pool has no thread of its own
and no back-off. Each caller that finds no connection begins to connect, and hears at once if that
fails; so the first caller after the database is back is served.
"""

import logging
import os
import select
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from main.database.connection import Connection
from openedx_certificates.waiting.patience import (
    left_for_connection,
    left_for_statement,
    patience_of,
    spend,
)

log = logging.getLogger(__name__)

# Seconds. A connection that was used a moment ago is handed out without a question.
FRESH_SECONDS: Final = 1.0
# Seconds until a connection that is asked whether it lives is taken for dead.
PROBE_SECONDS: Final = 0.5
# Seconds after which another attempt to connect is begun beside one that is not over: the server may
# have come back since, and the older one would not notice.
YOUNG_SECONDS: Final = 0.5
# So many attempts for each connection that may be there, those that are not over included.
ATTEMPTS_EACH: Final = 4
# Seconds. Longer ago, the name of the server may stand for another one by now.
LIFETIME_SECONDS: Final = 3600.0
IDLE_SECONDS: Final = 600.0


class NoConnectionInTime(psycopg.OperationalError):
    """The caller's patience ended before there was a connection."""


@dataclass(slots=True)
class _Idle:
    connection: Connection
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


@dataclass(slots=True, eq=False)
class _Attempt:
    began: float = field(default_factory=time.monotonic)

    @property
    def is_young(self) -> bool:
        return time.monotonic() - self.began < YOUNG_SECONDS


class Pool:
    """Lends connections; the methods that Django's backend calls have psycopg_pool's names."""

    def __init__(self, connect: Callable[[], Connection], size: int) -> None:
        """Open nothing yet.

        Args:
            connect: returns a connection that is ready for use; raises psycopg.Error.
            size: how many connections there are at most.
        """
        self._connect = connect
        self._size = size
        self._is_closed = False
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        #: The one that was used last comes last.
        self._idle: list[_Idle] = []
        self._lent = 0
        self._waiting = 0
        self._attempts: set[_Attempt] = set()
        #: Since when connections are as good as new ones.
        self._made_after = 0.0
        #: When the attempt began that failed last, and how it failed.
        self._failed_since, self._failure = 0.0, Exception()
        self._told = ""

    def open(self) -> None:
        """Do nothing: a connection is made when it is wanted."""

    def getconn(self) -> Connection:
        """Return a connection that is alive.

        Raises what the attempt to connect raised, if it began after the call; NoConnectionInTime at
        the end of the caller's patience (`openedx_certificates.waiting.patience`).
        """
        while True:
            idle = self._take()
            if idle.seconds < FRESH_SECONDS and not _has_something_to_say(idle.connection):
                return idle.connection
            patience = left_for_statement()
            if _is_alive(idle.connection):
                return idle.connection
            # One that was asked in less time than a probe takes may live, and says nothing of others.
            was_asked = patience is None or patience >= PROBE_SECONDS
            is_gone = was_asked or not idle.connection.was_given_up
            self._take_back(idle.connection, is_server_gone=is_gone)

    def putconn(self, connection: Connection) -> None:
        """Take back what `getconn` returned; what can't be used again is closed."""
        is_dead = connection.closed and not connection.was_given_up
        self._take_back(connection, is_server_gone=is_dead or connection.is_condemned)

    def _take_back(self, connection: Connection, *, is_server_gone: bool) -> None:
        """Take it back; if its server is gone, close all that are as old.

        The idle ones are closed now, and the lent ones when they come back.
        """
        if connection.process != os.getpid():
            # It is the parent's, lent before this process was forked.
            return
        is_at_rest = not (connection.closed or is_server_gone) and (
            connection.pgconn.transaction_status == TransactionStatus.IDLE
        )
        now, closing = time.monotonic(), []
        with self._changed:
            self._lent -= 1
            if is_server_gone:
                self._made_after = now
            oldest = max(self._made_after, now - LIFETIME_SECONDS)
            if is_at_rest and connection.made_at > oldest and not self._is_closed:
                self._idle.append(_Idle(connection))
            else:
                closing.append(connection)
            while self._idle and (is_server_gone or self._idle[0].seconds > IDLE_SECONDS):
                closing.append(self._idle.pop(0).connection)
            self._changed.notify()
        for each in closing:
            each.close()

    def close(self) -> None:
        """Close the idle connections, and each lent one when it comes back."""
        with self._changed:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for each in idle:
            each.connection.close()

    def forget(self) -> None:
        """Begin again in a process that was forked: the connections are the parent's."""
        self._begin()

    def _take(self) -> _Idle:
        patience, called = left_for_connection(), time.monotonic()
        if patience is not None and patience <= 0:
            # Nothing could be asked, not even whether a connection lives.
            raise NoConnectionInTime("no connection to the database in time")
        with self._changed:
            self._waiting += 1
            try:
                while not self._idle:
                    if self._failed_since >= called:
                        raise self._failure.with_traceback(None)
                    waited = time.monotonic() - called
                    if patience is not None and waited >= patience:
                        raise NoConnectionInTime("no connection to the database in time")
                    self._connect_if_there_is_room()
                    rest = YOUNG_SECONDS if patience is None else patience - waited
                    self._changed.wait(min(rest, YOUNG_SECONDS))
                self._lent += 1
                return self._idle.pop()
            finally:
                self._waiting -= 1
                spend(time.monotonic() - called)

    def _connect_if_there_is_room(self) -> None:
        young = sum(attempt.is_young for attempt in self._attempts)
        is_crowded = len(self._attempts) >= ATTEMPTS_EACH * self._size
        if young < self._waiting and self._lent + young < self._size and not is_crowded:
            attempt = _Attempt()
            # A thread, since connecting can take longer than the caller waits.
            thread = threading.Thread(target=self._make, args=[attempt], daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise NoConnectionInTime("the machine has no thread left") from error
            self._attempts.add(attempt)

    def _make(self, attempt: _Attempt) -> None:
        connection = None
        try:
            connection = self._connect()
            # As Django's backend gives it back.
            connection._pool = self
        except Exception as error:  # noqa: BLE001 - raised to the waiting caller
            self._tell(error)
            with self._changed:
                self._attempts.discard(attempt)
                if attempt.began > self._failed_since:
                    self._failed_since, self._failure = attempt.began, error
                self._changed.notify_all()
            return
        self._told = ""
        with self._changed:
            self._attempts.discard(attempt)
            is_wanted = not self._is_closed and self._lent + len(self._idle) < self._size
            if is_wanted:
                self._idle.append(_Idle(connection))
            self._changed.notify()
        if not is_wanted:
            connection.close()

    def _tell(self, error: Exception) -> None:
        """Log why there is no connection, once for each reason in a row: each caller logs its failure."""
        if str(error) != self._told:
            self._told = str(error)
            # What libpq and the server say holds the server's address and the role, and no row.
            log.error("no connection to the database", extra={"cause": self._told})


def _has_something_to_say(connection: Connection) -> bool:
    """Return whether the server has sent something unasked: mostly that it has ended the connection."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


def _is_alive(connection: Connection) -> bool:
    try:
        with patience_of(PROBE_SECONDS, bounds_statements=True):
            connection.execute("")
    except psycopg.Error:
        return False
    return True


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forget_all() -> None:
    for pool in _pools:
        pool.forget()


os.register_at_fork(after_in_child=_forget_all)
