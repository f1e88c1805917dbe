"""The data of a folder, and the way in: initdb, the superuser's password and the database."""

import os
import secrets
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from tools.postgres.exceptions import failure
from tools.postgres.programs import Account, run_program

DATABASE = "mitxonline"
SUPERUSER = "postgres"
HOST = "127.0.0.1"

INITDB_SECONDS = 120
CONNECT_SECONDS = 10


def ensure_password(folder: Path) -> str:
    """Return the superuser's password, made up at the first call and kept in a private file.

    The server asks for one because every user of the machine can reach the loopback interface.
    """
    path = folder / "password"
    with suppress(FileNotFoundError):
        return path.read_text()
    if (folder / "data").exists():
        raise failure(folder, f"{path} is missing, and its data can't be used without it.")
    password = secrets.token_urlsafe(24)
    _write_private(folder / "password.new", password)
    (folder / "password.new").replace(path)
    return password


def make_data(folder: Path, account: Account | None) -> None:
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
    result = run_program(folder, account, command, subprocess.PIPE, INITDB_SECONDS)
    if result.returncode != 0:
        raise failure(folder, f"initdb failed:\n{result.stdout}")
    (workshop / "data").rename(folder / "data")
    shutil.rmtree(workshop)


def ensure_database(port: int, password: str) -> None:
    """Create the database when it is missing: it was dropped, or its creation was cut off."""
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


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
