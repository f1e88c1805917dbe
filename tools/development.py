"""What development has and production lacks: a `.env` file, and PostgreSQL without installing it."""

import os
from pathlib import Path

import environ

from tools import postgres

ROOT = Path(__file__).resolve().parent.parent


def prepare() -> None:
    """Read `.env`, and start PostgreSQL if development has no other; what is set already wins."""
    environ.Env.read_env(ROOT / ".env")
    if environ.Env().bool("DEBUG", default=False):
        start_postgres()


def start_postgres() -> None:
    """Have DATABASE_URL lead to a PostgreSQL that runs as long as a process uses it."""
    if "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = postgres.ensure_running(ROOT / ".postgres")
