"""What development has and production lacks: a `.env` file, and PostgreSQL without installing it."""

import os
from pathlib import Path

import environ

from tools import postgres

ROOT = Path(__file__).resolve().parent.parent


def prepare() -> None:
    """Read `.env`, and start PostgreSQL if development has no other.

    The file is not read if the environment says DEBUG or SECRET_KEY already: then it is whole, and a
    program of the demo or of the tests must not get the broker of a real site out of the file.
    """
    if not {"DEBUG", "SECRET_KEY"} & os.environ.keys():
        environ.Env.read_env(ROOT / ".env")
    if environ.Env().bool("DEBUG", default=False):
        start_postgres()


def start_postgres() -> None:
    """Have DATABASE_URL lead to a PostgreSQL that runs as long as a process uses it."""
    if "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = postgres.ensure_running(ROOT / ".postgres")
