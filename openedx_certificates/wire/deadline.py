"""An end to a question, whatever the other side does.

A socket's time-out starts again with every byte, so an answer that drips in holds its reader for as
long as it likes, and a retry starts with fresh time-outs. A `Deadline` bounds all of it: when the
time is up it hangs up on the connection in use, and no further try is made. The look-up of a name
knows no time-out at all: it is made in a thread, which is left to itself when it takes too long.
"""

import errno
import math
import socket
import threading
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from contextvars import ContextVar
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ReadTimeoutError
from urllib3.response import HTTPResponse
from urllib3.util import Retry
from urllib3.util.connection import allowed_gai_family

_current: ContextVar["Deadline | None"] = ContextVar("openedx_deadline", default=None)


class Deadline:
    """The time one question may take, tries and waits included; used as a context manager."""

    def __init__(self, seconds: float, *, retry_margin: float | None) -> None:
        """Start nothing yet.

        Args:
            seconds: for the whole question.
            retry_margin: seconds that must be left for another try; None for a single try.
        """
        self._seconds = seconds
        self._retry_margin = retry_margin
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._ends = time.monotonic() + self._seconds
        self._timer = threading.Timer(self._seconds, self._hang_up)
        self._timer.daemon = True
        self._timer.start()
        # Last: nothing would take it back if the thread could not be started.
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self.unwatch()
        _current.reset(self._token)

    @property
    def seconds_left(self) -> float:
        return self._ends - time.monotonic()

    @property
    def passed(self) -> bool:
        return self.seconds_left <= 0

    @property
    def allows_retry(self) -> bool:
        return self._retry_margin is not None and self.seconds_left > self._retry_margin

    def watch(self, sock: socket.socket) -> None:
        """Hang up on this socket, and no other, when the time is up."""
        with self._lock:
            self._socket = sock
        if self.passed:
            self._hang_up()

    def unwatch(self) -> None:
        """Leave the socket alone from here on: it is about to be another question's."""
        with self._lock:
            self._socket = None

    def _hang_up(self) -> None:
        with self._lock:
            if self._socket is None:
                return
            try:
                # The plain socket's method: an SSLSocket's own takes its state from under a reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                # Closed already: nobody waits on it any more.
                self._socket = None


class RetryWithinDeadline(Retry):
    """urllib3's Retry, for as long as the question's deadline leaves room for another try."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> "RetryWithinDeadline":
        deadline = _current.get()
        if deadline is not None and not deadline.allows_retry:
            raise MaxRetryError(_pool, url or "", error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class NameLookUpTimeout(ConnectTimeoutError):
    """The look-up of the host's name took too long."""


def _connect_in_time(connection: HTTPConnection, connect: Callable[[], None]) -> None:
    """Connect before the question's time is up, and find the host within the connect time-out.

    An address in numbers needs no look-up, and its connect time-out is enough.
    """
    deadline = _current.get()
    if deadline is None or _is_address(connection.host):
        connect()
        return
    is_found, is_late = threading.Event(), threading.Event()
    connected: Future[None] = Future()

    def work() -> None:
        try:
            # `connect` looks the name up again, and does not tell when it has its answer.
            socket.getaddrinfo(
                connection.host, connection.port, allowed_gai_family(), socket.SOCK_STREAM
            )
            is_found.set()
            if not is_late.is_set():
                connect()
        except BaseException as error:  # noqa: BLE001 - it is raised where the connection is wanted
            connected.set_exception(error)
        else:
            connected.set_result(None)
        finally:
            is_found.set()

    # A daemon: a resolver that hangs must not keep the process from ending.
    thread = threading.Thread(target=work, name="connect", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        # Ours, as a descriptor is that can't be had.
        raise OSError(errno.ENOMEM, "the machine has no thread left") from error
    was_found = is_found.wait(min(connection.timeout or math.inf, deadline.seconds_left))
    if was_found and futures.wait([connected], deadline.seconds_left).done:
        connected.result()
        return
    is_late.set()
    # It may still come about, and nobody wants it then.
    connected.add_done_callback(lambda _: connection.close())
    if was_found:
        raise ConnectTimeoutError(connection, "The time for the question is up.")
    raise NameLookUpTimeout(connection, "The look-up of the host's name took too long.")


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _watch(connection: HTTPConnection) -> None:
    deadline = _current.get()
    if deadline is not None and connection.sock is not None:
        deadline.watch(connection.sock)


class _WatchedConnection(HTTPConnection):
    def connect(self) -> None:
        _connect_in_time(self, super().connect)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 types its own
        _watch(self)
        return super().getresponse()


class _WatchedTLSConnection(HTTPSConnection):
    def connect(self) -> None:
        _connect_in_time(self, super().connect)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        _watch(self)
        return super().getresponse()


class _HeedfulPool(HTTPConnectionPool):
    def _get_conn(self, timeout: float | None = None) -> Any:
        deadline = _current.get()
        if deadline is not None and deadline.passed:
            # Reading a failed try's answer to its end, which urllib3 does last, took what was left.
            raise ReadTimeoutError(self, "", "The time for the question is up.")
        return super()._get_conn(timeout)

    def _put_conn(self, conn: Any) -> None:
        # An answer's last byte and every failed try bring the connection here, while the question
        # goes on; a moment later another thread may use it.
        deadline = _current.get()
        if deadline is not None:
            deadline.unwatch()
        super()._put_conn(conn)


class _WatchedPool(_HeedfulPool):
    ConnectionCls = _WatchedConnection


class _WatchedTLSPool(_HeedfulPool, HTTPSConnectionPool):
    ConnectionCls = _WatchedTLSConnection


class DeadlineAdapter(HTTPAdapter):
    """A transport whose connections heed the deadline of the question they carry."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTLSPool}
        return manager
