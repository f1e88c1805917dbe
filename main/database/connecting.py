"""One of several servers: the first that takes the connection, without waiting for a silent one."""

import queue
import threading
from collections.abc import Iterator
from typing import Any, Final

from main.database.connection import Connection

# Seconds until the next of several servers is tried beside one that has not answered yet.
HEAD_START_SECONDS: Final = 0.3
# With these a server that is refused as a standby is no loss: the order of the servers is all that
# counts, so they can be tried each by itself.
_WANT_THE_PRIMARY: Final = ("read-write", "primary")

Parameters = dict[str, Any]


def connect(parameters: Parameters) -> Connection:
    """Return a connection to the first of the servers that takes it.

    A server that says no is followed by the next at once, and one that says nothing after
    HEAD_START_SECONDS, so that a silent one costs no more. Raises psycopg.Error if none takes it;
    each has as long as `connect_timeout` says.

    Args:
        parameters: of libpq and of psycopg; `host` and `port` can be lists with commas between.
    """
    servers = list(_split(parameters))
    if len(servers) == 1 or parameters.get("target_session_attrs") not in _WANT_THE_PRIMARY:
        return Connection.connect(**parameters)
    return _Race(servers).run()


def _split(parameters: Parameters) -> Iterator[Parameters]:
    hosts = str(parameters.get("host", "")).split(",")
    ports = str(parameters.get("port", "")).split(",")
    # As libpq has it: one port is everybody's.
    ports = ports * len(hosts) if len(ports) == 1 else ports
    if len(hosts) == 1 or len(hosts) != len(ports):
        # libpq says what is wrong with them.
        yield parameters
        return
    for host, port in zip(hosts, ports, strict=True):
        yield {**parameters, "host": host, "port": port}


class _Race:
    def __init__(self, servers: list[Parameters]) -> None:
        self._servers = servers
        self._results: queue.SimpleQueue[Connection | Exception] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_over = False

    def run(self) -> Connection:
        waiting, failed = 0, Exception()
        for number, server in enumerate(self._servers):
            threading.Thread(target=self._try, args=[server], daemon=True).start()
            waiting += 1
            is_last = number == len(self._servers) - 1
            while waiting:
                try:
                    result = self._results.get(timeout=None if is_last else HEAD_START_SECONDS)
                except queue.Empty:
                    break
                waiting -= 1
                if isinstance(result, Connection):
                    return self._end(result)
                failed = result
        raise failed

    def _try(self, server: Parameters) -> None:
        try:
            result: Connection | Exception = Connection.connect(**server)
        except Exception as error:  # noqa: BLE001 - raised by the caller, if no other server is better
            result = error
        with self._lock:
            if not self._is_over:
                self._results.put(result)
                return
        _close(result)

    def _end(self, winner: Connection) -> Connection:
        with self._lock:
            self._is_over = True
        while not self._results.empty():
            _close(self._results.get())
        return winner


def _close(result: Connection | Exception) -> None:
    if isinstance(result, Connection):
        result.close()
