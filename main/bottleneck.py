"""Stands between a program and PostgreSQL, and can freeze or fall away like a machine; for tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

_CHUNK = 64 * 1024


class Bottleneck(ThreadingTCPServer):
    """Hands on what comes, both ways, for as long as it is not frozen."""

    daemon_threads = True
    # What hangs at the end of a test hangs for nobody.
    block_on_close = False

    def __init__(self, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.target = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.server_address[1])

    def freeze(self) -> None:
        """Hand on nothing from now on; connections stay, and new ones are taken."""
        self._flows.clear()

    def thaw(self) -> None:
        """Hand on all that has come meanwhile."""
        self._flows.set()

    def fall_away(self) -> None:
        """Cut all connections, and take no new ones."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for end in self._ends:
                # The plain close would leave the other thread's recv waiting.
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self.thaw()

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Hand on what comes out of one end into the other, until either is closed."""
        with self._lock:
            self._ends += [source, sink]
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class _Passage(BaseRequestHandler):
    server: Bottleneck
    request: socket.socket

    def handle(self) -> None:
        with suppress(OSError), socket.create_connection(self.server.target) as there:
            back = threading.Thread(
                target=self.server.pump, args=[there, self.request], daemon=True
            )
            back.start()
            self.server.pump(self.request, there)
            back.join()


@contextmanager
def bottleneck_before(database: dict[str, Any]) -> Iterator[Bottleneck]:
    """Stand before a database, given by Django's settings of it, for the block."""
    with Bottleneck(database["HOST"], int(database["PORT"])) as bottleneck:
        threading.Thread(target=bottleneck.serve_forever, args=[0.02], daemon=True).start()
        yield bottleneck
        bottleneck.fall_away()
