"""The demo's folder, and what its programs see of the environment.

Everything lies in DEMO_FOLDER, by default the checkout: the data of PostgreSQL in `.postgres`, which
`manage.py` uses too, and logs and credentials in `.demo`.
"""

import fcntl
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools import postgres as embedded_postgres
from tools.demo.failure import DemoFailed

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("DEMO_FOLDER") or CHECKOUT).resolve()
POSTGRES_FOLDER = FOLDER / ".postgres"
OWN_FOLDER = FOLDER / ".demo"

BINARIES = Path(sys.executable).parent
HOST = "127.0.0.1"
# The ports of MITx Online and of Open edX's LMS; the next free one if a port is taken.
WEB_PORT = 8013
OPENEDX_PORT = 18000
PORTS_TO_TRY = 100
POSTGRES_STOP_SECONDS = 3.0

# All that a program of the demo sees of the caller's environment: a DATABASE_URL or an
# OPENEDX_API_BASE_URL in it could be those of a real site.
PASSED_ON = frozenset(
    {"COLUMNS", "DEMO_FOLDER", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LINES"}
    | {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "TERM", "TMPDIR"}
)


def child_environment(database_url: str, openedx_url: str) -> dict[str, str]:
    """Return the whole environment of the demo's programs."""
    return {
        **{name: value for name, value in os.environ.items() if name in PASSED_ON},
        "PYTHONUTF8": "1",
        "DEBUG": "True",
        "DATABASE_URL": database_url,
        "OPENEDX_API_BASE_URL": openedx_url,
    }


def ignores_a_database(environment: Mapping[str, str]) -> bool:
    """Return whether the caller named a database, which the demo leaves alone."""
    return bool(environment.get("DATABASE_URL"))


@contextmanager
def postgres() -> Iterator[str]:
    """Run the embedded PostgreSQL for the block, which gets the database's URL.

    It goes on after the block if another process uses it: another demo, or `manage.py`.
    """
    try:
        url = embedded_postgres.ensure_running(POSTGRES_FOLDER)
    except embedded_postgres.EmbeddedPostgresError as error:
        raise DemoFailed(str(error)) from error
    try:
        yield url
    finally:
        stop_postgres(POSTGRES_FOLDER)


def stop_postgres(folder: Path) -> None:
    """Let go of the embedded PostgreSQL in the folder, and return when it has stopped.

    Or goes on, because another process uses it. Repeatable.
    """
    embedded_postgres.release(folder)
    # Its keeper stops it, in its own time: "nothing left running" must be true at our end.
    deadline = time.monotonic() + POSTGRES_STOP_SECONDS
    while embedded_postgres.find_server(folder) and time.monotonic() < deadline:
        time.sleep(0.02)


def find_free_port(first: int) -> int:
    """Return the first free port from this one on. It stays ours only under `ports_locked`."""
    for port in range(first, first + PORTS_TO_TRY):
        with socket.socket() as probe:
            # A port with last connections that are being forgotten is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise DemoFailed(f"The ports from {first} to {first + PORTS_TO_TRY - 1} are all taken.")


@contextmanager
def ports_locked() -> Iterator[None]:
    """Keep this user's other demos from choosing ports for the block.

    A second granian on a port of the same user does not fail: it gets half of the requests.
    """
    path = Path(tempfile.gettempdir()) / f"mitxonline-demo-ports-{os.getuid()}.lock"
    with locked(path):
        yield


@contextmanager
def locked(path: Path, before_waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock on a file for the block.

    The kernel drops the lock with the process. Programs we start don't inherit it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            before_waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
