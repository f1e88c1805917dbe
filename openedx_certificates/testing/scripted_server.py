"""A server for tests, which answers byte for byte what it is told, over TLS or in clear.

For what no Open edX would do and a broken proxy might; the rest is for `openedx.simulator`.
"""

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_JOIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes in answer to one request: at once, or from `drips_from` on one by one."""

    content: bytes
    drips_from: int | None = None
    pause_seconds: float = 0.02
    #: Whether the connection is closed behind the answer.
    is_last: bool = False


class ScriptedServer:
    """Answers the requests between `__enter__` and `__exit__` with its answers, the last for ever.

    `heads` has what was asked, request line and headers, in the order of its coming.
    """

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.heads: list[str] = []
        self._answers = list(answers)
        self._tls = tls
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def count_connections(self) -> int:
        """Return how many connections have been made, those not yet accepted included.

        Connections are accepted in turn, so it makes one itself (in clear) and waits for an answer.
        """
        with socket.create_connection(("127.0.0.1", self.port), _JOIN_SECONDS) as probe:
            probe.sendall(b"GET / HTTP/1.1\r\n\r\n")
            probe.recv(1)
        return len(self._connections) - 1

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        for sock in (self._listener, *self._connections):
            with suppress(OSError):
                # Wakes a thread that waits on it, which closing does not.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._listener.close()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._stopping.is_set():
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        # An OSError is a caller that went away, or our own end.
        with suppress(OSError), connection:
            if self._tls is None:
                self._answer_all(connection)
                return
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._connections.append(secured)
                self._answer_all(secured)

    def _answer_all(self, connection: socket.socket) -> None:
        while head := _read_head(connection):
            with self._lock:
                self.heads.append(head)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            at_once = len(answer.content) if answer.drips_from is None else answer.drips_from
            connection.sendall(answer.content[:at_once])
            for byte in answer.content[at_once:]:
                if self._stopping.wait(answer.pause_seconds):
                    return
                connection.sendall(bytes([byte]))
            if answer.is_last:
                return


def http(body: bytes, *headers: str, status: str = "200 OK", has_length: bool = True) -> bytes:
    """Return an answer as it is on the wire."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    if has_length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _read_head(connection: socket.socket) -> str:
    """Return a request without a body, or nothing if the caller has closed the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = connection.recv(65536)
        if not received:
            return ""
        head += received
    return head.decode("latin-1")
