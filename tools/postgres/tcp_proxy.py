"""A TCP proxy before PostgreSQL that fails as machines and networks do; for tests."""

import ctypes
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, Self

_CHUNK: Final = 64 * 1024
# Linux's SO_ATTACH_FILTER, and the shortest filter: no packet comes through.
_SO_ATTACH_FILTER: Final = 26
_DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)


class _Connection(NamedTuple):
    near: socket.socket
    far: socket.socket


class TcpProxy:
    """Hands on what comes, both ways, until it is told otherwise.

    Used as a context manager; its port on 127.0.0.1 stays the same while it is closed.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []
        self._silent: list[_Connection] = []
        self._listener = self._listen(0)
        #: Its port, on 127.0.0.1.
        self.port: Final[int] = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.refuse()
        self.thaw()
        for connection in self._silent:
            _shut_down(connection.near)

    def freeze(self) -> None:
        """Hand on nothing from now on, as a stopped process does; packets are still acknowledged."""
        self._flows.clear()

    def thaw(self) -> None:
        """Hand on all that has come meanwhile."""
        self._flows.set()

    def cut(self) -> None:
        """End all connections, as a server does that closes idle ones; new ones are taken."""
        with self._lock:
            taken, self._connections = self._connections, []
        for connection in taken:
            for end in connection:
                _shut_down(end)

    def refuse(self) -> None:
        """End all connections and refuse new ones, as a machine with its server down."""
        # The plain close would leave the thread that accepts waiting.
        _shut_down(self._listener)
        self._listener.close()
        self.cut()

    def go_silent(self, *, also_for_new: bool) -> None:
        """Let all packets vanish, as a machine without power does: nothing is even acknowledged.

        Args:
            also_for_new: whether new connections find silence, too; otherwise they are taken, as by
                a machine that has the address now.
        """
        if also_for_new:
            drop_all_packets(self._listener)
        with self._lock:
            taken, self._connections = self._connections, []
            self._silent += taken
            for connection in taken:
                drop_all_packets(connection.near)
        for connection in taken:
            # The server's end of it is over, since its machine is.
            _shut_down(connection.far)

    def come_back(self) -> None:
        """Take connections again, after `refuse` or silence."""
        _shut_down(self._listener)
        self._listener.close()
        self._listener = self._listen(self.port)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._connect, args=[near], daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        connection = _Connection(near, far)
        with self._lock:
            self._connections.append(connection)
        back = threading.Thread(target=self._pump, args=[connection, far, near], daemon=True)
        back.start()
        self._pump(connection, near, far)
        back.join()
        with self._lock:
            self._connections = [each for each in self._connections if each is not connection]
            near.close()
            far.close()

    def _pump(self, connection: _Connection, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                sink.sendall(data)
        with self._lock:
            is_silent = connection in self._silent
        # The end of a silent one is not told.
        if not is_silent or sink is connection.far:
            _shut_down(sink, socket.SHUT_WR)


def _shut_down(end: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    with suppress(OSError):
        end.shutdown(how)


def drop_all_packets(sock: socket.socket) -> None:
    """Have the kernel drop what comes for the socket, before TCP sees it: no root is needed."""
    program = ctypes.create_string_buffer(_DROP_ALL)
    filter_of_one = struct.pack("@HP", 1, ctypes.addressof(program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_of_one)


@contextmanager
def proxy_before(database: dict[str, Any]) -> Iterator[TcpProxy]:
    """Stand before a database, given by Django's settings of it, for the block."""
    with TcpProxy(database["HOST"], int(database["PORT"])) as proxy:
        yield proxy
