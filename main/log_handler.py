"""How a log line gets to standard error, which may be a pipe without a reader."""

import logging
import os
import select
import stat
import sys
from contextlib import suppress
from typing import Any, Final

from openedx_certificates.instruments import count_dropped_line

# For a reader that is slow. One that is absent is waited for once.
PATIENCE_SECONDS: Final = 0.2


class LogHandler(logging.StreamHandler[Any]):
    """Writes to standard error; if a line can't be made, it tells so, without the values.

    A line without a reader costs no event: it is dropped and counted, and the log says how many
    were as soon as there is a reader again.
    """

    def __init__(self, stream: Any = None) -> None:
        super().__init__(stream)
        try:
            self._pipe: LogPipe | None = LogPipe(self.stream.fileno())
        except (AttributeError, OSError, ValueError):
            # A stream in memory, of the tests.
            self._pipe = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as logging does
            self.handleError(record)
        else:
            self._write(line, record.levelname)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        # Python would print message and arguments as they are.
        kind = getattr(sys.exc_info()[0], "__name__", "")
        place = {"file": record.pathname, "line": record.lineno, "error": kind}
        told = logging.makeLogRecord(
            {"name": record.name, "levelno": logging.ERROR, "levelname": "ERROR", **place}
        )
        told.msg = "a log line could not be made"
        with suppress(Exception):
            self._write(self.format(told), told.levelname)

    def _write(self, line: str, level: str) -> None:
        if self._pipe is None:
            self.stream.write(line + self.terminator)
            self.flush()
            return
        if self._pipe.dropped and self._pipe.write(self._report(self._pipe.dropped)):
            self._pipe.dropped = 0
        if self._pipe.dropped or not self._pipe.write(self._encode(line)):
            self._pipe.dropped += 1
            count_dropped_line(level.lower())

    def _report(self, dropped: int) -> bytes:
        fields = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
        told = logging.makeLogRecord({**fields, "lines": dropped})
        told.msg = "log lines were dropped: nobody read them"
        return self._encode(self.format(told))

    def _encode(self, line: str) -> bytes:
        return (line + self.terminator).encode(errors="backslashreplace")


class LogPipe:
    """Takes whole lines as long as there is room for them. Never raises, and never waits for long."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = _open_for_us(descriptor)
        # Of a line that was begun.
        self._rest = b""
        self._has_reader = True
        #: Lines that were not taken, and that no later line has told of.
        self.dropped = 0
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def write(self, line: bytes) -> bool:
        """Return whether the line was taken. What finds no room of a long one goes before the next."""
        if not self._write_rest():
            return False
        self._rest = line
        is_taken = self._write_rest() or len(self._rest) < len(line)
        if not is_taken:
            self._rest = b""
        return is_taken

    def _write_rest(self) -> bool:
        # A pipe that is ready takes PIPE_BUF bytes at once, and never a part of them.
        while self._rest and self._is_ready():
            try:
                written = os.write(self._descriptor, self._rest[: select.PIPE_BUF])
            except OSError:
                # Another process took the room; or the reader is gone, or the disk of a file is full.
                self._has_reader = False
                break
            self._rest = self._rest[written:]
        return not self._rest

    def _is_ready(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        self._has_reader = bool(poll.poll(PATIENCE_SECONDS * 1000 if self._has_reader else 0))
        return self._has_reader

    def _leave_to_parent(self) -> None:
        self._rest = b""
        self.dropped = 0


def _open_for_us(descriptor: int) -> int:
    """Return a descriptor of the same pipe that never waits, if it is a pipe and can be opened.

    Another process that writes to it can take the room between our look and our write. O_NONBLOCK on
    the descriptor as we got it would be set for that process as well, which may not expect it.
    """
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return descriptor
