"""The stand-in on the wire: one thread per connection, HTTP/1.1 with keep-alive."""

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6, SHUT_RDWR, socket
from socketserver import TCPServer
from typing import Any, Final

from tools.simulator.control import CONTROL_PATH, ControlApi
from tools.simulator.fault_replies import find_wrong_reply, with_repeated_key
from tools.simulator.faults import ActiveFault, FaultBoard
from tools.simulator.grades import GradesApi
from tools.simulator.received import ReceivedRequest, RequestLog
from tools.simulator.replies import Reply

_LONGEST_BODY: Final = 1024 * 1024
_JOIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Site:
    """What the handlers of one stand-in share."""

    grades: GradesApi
    control: ControlApi
    faults: FaultBoard
    log: RequestLog
    stopping: threading.Event
    write_access_log: Callable[[str], None] | None


class RequestHandler(BaseHTTPRequestHandler):
    """Reads requests from one connection, and answers them as they are or as the fault says."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "OpenEdxHttpServer"

    def _respond(self) -> None:
        started = time.monotonic()
        outcome = self._answer()
        if write := self.server.site.write_access_log:
            milliseconds = (time.monotonic() - started) * 1000
            # As JSON, so that no byte a caller sends can begin a second line.
            write(f"{json.dumps(self.requestline)} {outcome} {milliseconds:.1f} ms")

    # The names http.server looks for.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond  # noqa: N815 - the names http.server looks for

    def _answer(self) -> str:
        """Answer one request and return what was done, for the access log."""
        site = self.server.site
        body = self._read_body()
        if body is None:
            self.close_connection = True
            return self._send(Reply.of_json({"error": "Send a Content-Length up to 1 MiB."}, 413))
        path = self.path.partition("?")[0]
        if path.startswith(CONTROL_PATH):
            return self._send(site.control.answer(self.command, path, body))

        request = ReceivedRequest.from_wire(self.command, self.path, dict(self.headers.items()))
        # Taken before the record is written: a test that waits for the record may then lift the fault.
        active = site.faults.take(request.username, lambda: site.grades.page_number(request))
        site.log.add(request)
        if active is None:
            return self._send(self._right_reply(request))
        return f"{self._misbehave(active, request)} ({active.fault.word})"

    def _misbehave(self, active: ActiveFault, request: ReceivedRequest) -> str:
        fault = active.fault
        is_dripping = fault.word.startswith("drip-")
        if fault.delay_ms and not is_dripping:
            active.over.wait(fault.delay_ms / 1000)
        is_over = fault.word == "hang" and active.over.wait(fault.limit_seconds)
        if self.server.site.stopping.is_set() or fault.word == "close":
            return self._hang_up()
        if fault.word == "hang" and not is_over:
            return self._hang_up()

        wrong = find_wrong_reply(fault, request.target)
        if wrong is not None:
            return self._send(wrong)
        right = self._right_reply(request, fault.target if fault.word == "foreign-next" else None)
        if is_dripping:
            return self._drip(right, active)
        if fault.word == "truncated":
            self._write(right.head(keep_alive=True) + right.body[: len(right.body) // 2])
            return self._hang_up()
        if fault.word == "repeated-key":
            return self._send(with_repeated_key(right))
        return self._send(right)

    def _right_reply(self, request: ReceivedRequest, origin: str | None = None) -> Reply:
        # Open edX builds its links from the Host header, whatever that says.
        host = request.headers.get("host") or self.server.authority
        return self.server.site.grades.answer(request, origin=origin or f"http://{host}")

    def _drip(self, reply: Reply, active: ActiveFault) -> str:
        head = reply.head(keep_alive=not self.close_connection)
        if active.fault.word == "drip-body":
            self._write(head)
            rest = reply.body
        else:
            rest = head + reply.body
        while rest and not active.over.wait(active.fault.delay_ms / 1000):
            self._write(rest[:1])
            rest = rest[1:]
        if self.server.site.stopping.is_set():
            return self._hang_up()
        self._write(rest)
        return str(reply.status)

    def _send(self, reply: Reply) -> str:
        head = reply.head(keep_alive=not self.close_connection)
        # In one piece: head and body in two packets would cost a caller a delayed ACK.
        self._write(head if self.command == "HEAD" else head + reply.body)
        return str(reply.status)

    def _hang_up(self) -> str:
        self.close_connection = True
        return "closed"

    def _write(self, content: bytes) -> None:
        self.wfile.write(content)

    def _read_body(self) -> bytes | None:
        """Return the body, or None when its end cannot be told."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            return None
        return self.rfile.read(int(length)) if int(length) <= _LONGEST_BODY else None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives it
        """Keep the standard library's own lines (malformed requests) out of stderr."""
        if write := self.server.site.write_access_log:
            write(json.dumps(format % args))


class OpenEdxHttpServer(ThreadingHTTPServer):
    """A threading server that knows its open connections, so that stopping it takes no patience."""

    daemon_threads = True
    # A burst of callers waits for its turn instead of being refused.
    request_queue_size = 1024

    def __init__(self, host: str, port: int, site: Site) -> None:
        self.site = site
        self.authority = ""
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket] = {}
        if ":" in host:
            self.address_family = AF_INET6
        super().__init__((host, port), RequestHandler)

    def server_bind(self) -> None:
        """Bind without asking a name server for our name, which can take seconds."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name = str(host)
        self.server_port = int(port)
        name = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        self.authority = f"{name}:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection, then close it: its number may be given out again at once."""
        with self._lock:
            self._connections.pop(threading.current_thread(), None)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Cut every open connection and wait for its thread."""
        with self._lock:
            connections = dict(self._connections)
            for connection in connections.values():
                with suppress(OSError):
                    connection.shutdown(SHUT_RDWR)
        for thread in connections:
            thread.join(_JOIN_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller that went away; anything else is a bug, and is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
