"""The site as production runs it, with an Open edX that can be slow, all in processes of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tools.benchmarks.cast import COURSE_ID, write_courses
from tools.benchmarks.stage import OpenEdx, Stage, Web, running_stage

DATABASE = "bench"


@dataclass(frozen=True, slots=True)
class Bench:
    """A running site, and the ways in."""

    web: Web
    openedx: OpenEdx
    token: str
    stage: Stage

    @property
    def url(self) -> str:
        """The web server's address."""
        return self.web.url

    @property
    def webhook_url(self) -> str:
        """The address of the certificate webhook."""
        return self.web.webhook_url

    def set_fault(self, **fault: object) -> None:
        """Make the simulated Open edX fail, or be slow; without anything it is well."""
        self.openedx.set_fault(**fault)

    def count(self, statement: str) -> int:
        """Return the one number that a query is about."""
        return int(self.stage.ask(DATABASE, statement))


@contextmanager
def running_site(learners: int, **environment: str) -> Iterator[Bench]:
    """Start PostgreSQL, the simulated Open edX, the web server and the worker for the block.

    Args:
        learners: all passed and paid.
        **environment: settings of the site.
    """
    with running_stage() as stage:
        courses = stage.folder / "courses.json"
        write_courses(courses, {COURSE_ID: range(learners)})
        openedx = stage.start_openedx(courses)
        stage.create_database(DATABASE)
        token = stage.run(f"rows.prepare({learners})", DATABASE, openedx.url)
        web = stage.start_web(DATABASE, openedx.url, **environment)
        stage.start_watch(DATABASE, openedx.url, **environment)
        yield Bench(web, openedx, token, stage)
