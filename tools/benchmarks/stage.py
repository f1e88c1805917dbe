"""What a benchmark runs on: PostgreSQL, the simulated Open edX and the site's programs.

Each is a process of its own, and all are gone at the end, with their data.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import requests
from psycopg import sql

from tools import postgres as embedded_postgres
from tools.benchmarks.statements import count_statements
from tools.demo.children import Children, Interruption
from tools.demo.site import GRANIAN, MANAGE, WEBHOOK_PATH
from tools.demo.surroundings import (
    BINARIES,
    HOST,
    child_environment,
    find_free_port,
    ports_locked,
    stop_postgres,
)
from tools.processes import Program

TOKEN: Final = "benchmark"  # noqa: S105 - opens a simulator
CONTROL_SECONDS = 5
WEB_PORT, OPENEDX_PORT = 8200, 18200


@dataclass(frozen=True, slots=True)
class OpenEdx:
    """The simulated Open edX, and how to make it slow."""

    url: str
    child: Program

    def set_fault(self, **fault: object) -> None:
        """Make it fail, or be slow; without anything it is well."""
        address = f"{self.url}/simulator/fault"
        if fault:
            requests.put(address, json=fault, timeout=CONTROL_SECONDS).raise_for_status()
        else:
            requests.delete(address, timeout=CONTROL_SECONDS).raise_for_status()

    def set_delay(self, milliseconds: int) -> None:
        """Make every answer wait."""
        self.set_fault(**({"fault": f"delay:{milliseconds}"} if milliseconds else {}))


@dataclass(frozen=True, slots=True)
class Web:
    """A running web server."""

    url: str
    child: Program

    @property
    def webhook_url(self) -> str:
        """The address of the certificate webhook."""
        return self.url + WEBHOOK_PATH


class Stage:
    """Starts what a benchmark needs; a program can be ended before the others."""

    def __init__(self, children: Children, folder: Path, postgres_url: str) -> None:
        self.folder = folder
        self._children = children
        self._postgres_url = postgres_url
        self._log = folder / "postgres" / "server.log"
        self._started = 0

    def url_of(self, database: str) -> str:
        """Return a database's address."""
        return urlsplit(self._postgres_url)._replace(path=f"/{database}").geturl()

    def create_database(self, database: str, template: str = "template1") -> None:
        """Make a database as a copy of another, which must not be in use."""
        self._administer("CREATE DATABASE {} TEMPLATE {}", database, template)

    def drop_database(self, database: str) -> None:
        """Delete a database; its connections are ended."""
        self._administer("DROP DATABASE {} WITH (FORCE)", database)

    def ask(self, database: str, statement: str, values: dict[str, Any] | None = None) -> Any:
        """Return the one value of a query's one row; None for a statement that returns nothing."""
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def log_statements(self, database: str) -> None:
        """Have PostgreSQL log all that it is sent for the database from now on, without values."""
        for setting in ("log_statement = 'all'", "log_parameter_max_length = 0"):
            self._administer(f"ALTER DATABASE {{}} SET {setting}", database)

    def hurry(self, database: str) -> None:
        """Have commits to the database not wait for the disk: for work of which no time is taken."""
        self._administer("ALTER DATABASE {} SET synchronous_commit = off", database)

    def count_logged(self) -> int:
        """Return how many statements the last measurement sent to a database that is logged."""
        return count_statements(self._log)

    def run(self, call: str, database: str, openedx_url: str, **settings: str) -> str:
        """Call a function of this package inside Django, and return what it printed last.

        Raises DemoFailed if it fails.
        """
        module, _, function = call.rpartition("(")[0].rpartition(".")
        shell = ("shell", "--no-imports", "--command")
        code = f"import tools.benchmarks.{module} as m; m.{call.removeprefix(f'{module}.')}"
        output = self._children.run(
            f"{module}.{function}",
            (*MANAGE, *shell, code),
            self._environment(database, openedx_url, settings),
            self._new_log(module),
        )
        return output.decode().strip().splitlines()[-1]

    def start_openedx(self, courses: Path) -> OpenEdx:
        """Start the simulated Open edX, and return once it answers."""
        with ports_locked():
            port = find_free_port(OPENEDX_PORT)
            url = f"http://{HOST}:{port}"
            simulate = ("-m", "tools.simulator", "--file", str(courses), "--port", str(port))
            child = self._start("Open edX", (sys.executable, *simulate), "postgres", url, {})
            self._children.wait_until_it_answers(child, f"{url}/simulator/fault")
        return OpenEdx(url, child)

    def start_web(
        self, database: str, openedx_url: str, *, application: str | None = None, **settings: str
    ) -> Web:
        """Start the web server as in production, and return once it answers.

        Args:
            database: of the site.
            openedx_url: the simulated Open edX's address.
            application: what it serves instead of the site.
            **settings: of the site.
        """
        granian, *options = GRANIAN.split()
        if application is not None:
            options[options.index("main.wsgi:application")] = application
        with ports_locked():
            port = find_free_port(WEB_PORT)
            place = ("--host", HOST, "--port", str(port))
            command: tuple[str | Path, ...] = (BINARIES / granian, *options, *place)
            child = self._start("The web server", command, database, openedx_url, settings)
            web = Web(f"http://{HOST}:{port}", child)
            self._children.wait_until_it_answers(child, web.webhook_url)
        return web

    def start_watch(self, database: str, openedx_url: str, **settings: str) -> Program:
        """Start what works on the held requests without a broker."""
        command = (*MANAGE, "process_certificate_requests", "--watch")
        return self._start("The worker", command, database, openedx_url, settings)

    def start_celery(self, database: str, openedx_url: str, **settings: str) -> Program:
        """Start a Celery worker of four processes; it may not be ready on return."""
        celery = (sys.executable, "-m", "celery", "--app", "main.celery")
        command = (*celery, "worker", "--concurrency", "4")
        return self._start("The Celery worker", command, database, openedx_url, settings)

    def end(self, child: Program) -> None:
        """End a program, and return when it has ended."""
        self._children.end(child)

    def _start(
        self,
        name: str,
        command: tuple[str | Path, ...],
        database: str,
        openedx_url: str,
        settings: dict[str, str],
    ) -> Program:
        environment = self._environment(database, openedx_url, settings)
        return self._children.start(name, command, environment, self._new_log(name))

    def _environment(
        self, database: str, openedx_url: str, settings: dict[str, str]
    ) -> dict[str, str]:
        return {
            **child_environment(self.url_of(database), openedx_url),
            "DEBUG": "False",
            "SECRET_KEY": "a-key-of-fifty-characters-and-more-0123456789-abcdefgh",
            "ALLOWED_HOSTS": HOST,
            "OPENEDX_SERVICE_WORKER_API_TOKEN": TOKEN,
            "LOG_LEVEL": "WARNING",
            **settings,
        }

    def _new_log(self, name: str) -> Path:
        self._started += 1
        return self.folder / f"{name.replace(' ', '-')}-{self._started}.log"

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def running_stage() -> Iterator[Stage]:
    """Start PostgreSQL for the block, in a folder that is deleted at its end."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        Interruption() as interruption,
    ):
        folder = Path(name)
        postgres_url = embedded_postgres.ensure_running(folder / "postgres")
        try:
            with Children(interruption) as children:
                yield Stage(children, folder, postgres_url)
        finally:
            stop_postgres(folder / "postgres")


def say(text: str = "") -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
