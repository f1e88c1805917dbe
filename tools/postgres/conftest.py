"""Real servers on folders of the tests' own, and real processes that use them."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tools.postgres import ensure_running, find_server, release
from tools.postgres.keeper import CHECKOUT
from tools.postgres.server import Server
from tools.processes import wait_until

PATIENCE_SECONDS = 30

# A process that uses the server until its standard input ends.
USER = """
import sys
from pathlib import Path
from tools.postgres import ensure_running
print(ensure_running(Path(sys.argv[1])), flush=True)
{then}
sys.stdin.read()
"""


class User:
    """Another process that uses the folder's server."""

    def __init__(self, folder: Path, then: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER.format(then=then), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=CHECKOUT,
            text=True,
        )

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        """End in order. Fails if another process keeps the output open."""
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def interrupt(self) -> None:
        """End as by Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def die(self) -> None:
        """End by SIGKILL. Fails if another process keeps the output open."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_SECONDS)


StartUser = Callable[..., User]


@pytest.fixture
def empty_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is not there yet, alone in its parent folder."""
    path = tmp_path / ".postgres"
    yield path
    stop(path)
    # pytest would keep the data for two more runs, and then take long to remove what is on disk.
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a server that has run and was stopped. A test that spoils its data takes a copy."""
    path = tmp_path_factory.mktemp("shared") / ".postgres"
    ensure_running(path)
    stop(path)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folder(shared_folder: Path) -> Iterator[Path]:
    """A folder with data, of tests before, and no server: making or copying it takes a second."""
    yield shared_folder
    stop(shared_folder)


@pytest.fixture
def users() -> Iterator[StartUser]:
    """Start processes that use a folder, with code to run once they have its URL."""
    started: list[User] = []

    def start(folder: Path, then: str = "") -> User:
        started.append(User(folder, then))
        return started[-1]

    yield start
    for user in started:
        if user.process.poll() is None:
            user.die()


def processes_of(folder: Path) -> list[psutil.Process]:
    """The keepers and the programs of PostgreSQL that were started for the folder."""
    return [
        process
        for process in psutil.process_iter(["name", "cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and str(folder) in " ".join(process.info["cmdline"] or [])
        and (is_keeper(process) or process.info["name"] in {"initdb", "pg_ctl", "postgres"})
    ]


def is_keeper(process: psutil.Process) -> bool:
    return "tools.postgres" in process.info["cmdline"]


def keepers_of(folder: Path) -> list[psutil.Process]:
    return [process for process in processes_of(folder) if is_keeper(process)]


def is_anything_running(folder: Path) -> bool:
    return find_server(folder) is not None or bool(processes_of(folder))


def running_server(folder: Path) -> Server:
    server = find_server(folder)
    assert server is not None
    return server


def answer(url: str, query: str) -> object:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def stop(folder: Path) -> None:
    """Give up this process's use, and wait until the keeper has stopped the server."""
    release(folder)
    wait_until(lambda: not is_anything_running(folder))
