"""The server on a folder's data: found, started and stopped."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tools.postgres.cluster import HOST, make_data
from tools.postgres.exceptions import EmbeddedPostgresError, failure
from tools.postgres.programs import Account, prepare_account, run_program
from tools.processes import find_free_port

# A development dependency, which comes with the one of `programs`.
with suppress(ImportError):
    import psutil

# Crash recovery happens before the server says it is ready.
START_SECONDS = 60
STOP_SECONDS = 60
POLL_SECONDS = 0.02
START_ATTEMPTS = 10
# What PostgreSQL says when another attempt can do better: the port was taken since we looked, or
# the backends of a postmaster that was killed are about to notice.
PASSING_FAILURES = ("could not create any TCP/IP sockets", "pre-existing shared memory block")


class Server(NamedTuple):
    """A postmaster that runs on a folder's data."""

    process: "psutil.Process"
    port: int
    is_ready: bool


def find_server(folder: Path) -> Server | None:
    """Return the server that runs on the folder's data, None when there is none."""
    lines = _read_pid_file(folder)
    try:
        process = psutil.Process(int(lines[0]))
        # After a crash the number may be another process's; a postmaster sits in its data.
        if process.cwd() != str(folder / "data"):
            return None
        return Server(process, int(lines[3]), lines[7:8] == ["ready"])
    except (IndexError, ValueError, psutil.Error):
        return None


def start_server(folder: Path) -> Server:
    """Return the folder's server, started when it doesn't run yet; its data made when missing.

    Belongs under start.lock. Raises EmbeddedPostgresError, and then leaves no server behind.
    """
    server = find_server(folder)
    if server is not None and server.is_ready:
        return server
    if server is not None:
        # Its start was cut short together with the keeper that waited for it.
        stop_server(server)
    account = prepare_account(folder)
    if not (folder / "data").exists():
        make_data(folder, account)
    # The port of a server that crashed comes first: its users' connections come back by themselves.
    port = _find_last_port(folder) or find_free_port()
    _remove_misleading_pid_file(folder)
    log = folder / "server.log"
    if log.exists():
        log.replace(folder / "server.log.previous")
    for _ in range(START_ATTEMPTS):
        if _pg_ctl_start(folder, account, port):
            server = find_server(folder)
            if server is not None:
                return server
        if not any(reason in log.read_text(errors="replace") for reason in PASSING_FAILURES):
            break
        port = find_free_port()
    server = find_server(folder)
    if server is not None:
        stop_server(server)
    raise failure(folder, "The server did not start.")


def stop_server(server: Server) -> None:
    """Stop the server and wait for its end; does nothing to one that has ended.

    By signals and not by pg_ctl, which would have to be found, allowed in and trusted with a pid
    file at a time when checkout and virtual environment may be gone.
    """
    # First "fast", which disconnects everybody, then "immediate", which recovers at the next start.
    for order in (signal.SIGINT, signal.SIGQUIT):
        with suppress(psutil.NoSuchProcess):
            server.process.send_signal(order)
        if _ends_within(STOP_SECONDS, server.process):
            return
    raise EmbeddedPostgresError(f"PostgreSQL does not stop, process {server.process.pid}.")


def has_ended(process: "psutil.Process") -> bool:
    """Whether the process has ended, be it that its parent has not noticed.

    The first process of a container, which inherits the postmaster, may never reap it.
    """
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _pg_ctl_start(folder: Path, account: Account | None, port: int) -> bool:
    """Start the server and wait until it is ready; its words, and pg_ctl's, go to a fresh log."""
    # No unix socket: a path longer than 107 characters can't be one.
    options = f"-c listen_addresses={HOST} -c port={port} -c unix_socket_directories=''"
    command = ["pg_ctl", "start", "-D", str(folder / "data"), "-o", options]
    command += ["-w", "-t", str(START_SECONDS)]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    log = os.open(folder / "server.log", flags, 0o600)
    try:
        return run_program(folder, account, command, log, START_SECONDS * 2).returncode == 0
    finally:
        os.close(log)


def _ends_within(seconds: float, process: "psutil.Process") -> bool:
    deadline = time.monotonic() + seconds
    while not has_ended(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _read_pid_file(folder: Path) -> list[str]:
    """Return the lines of postmaster.pid: pid, data, time, port, and as the eighth the status."""
    try:
        text = (folder / "data" / "postmaster.pid").read_text()
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines()]


def _find_last_port(folder: Path) -> int | None:
    """Return the port of a server that didn't stop in order, None after one that did."""
    port = "".join(_read_pid_file(folder)[3:4])
    return int(port) if port.isdecimal() else None


def _remove_misleading_pid_file(folder: Path) -> None:
    """Remove a dead server's pid file if its number is another process's by now.

    PostgreSQL would take that process for a running server, and refuse to start. It handles the
    number of no process by itself.
    """
    pid = "".join(_read_pid_file(folder)[:1])
    if pid.isdecimal() and psutil.pid_exists(int(pid)):
        (folder / "data" / "postmaster.pid").unlink()
