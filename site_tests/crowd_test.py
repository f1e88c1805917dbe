"""Many callers at once, slow ones and hostile ones: each event is answered, and nobody waits for another."""

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from functools import partial
from itertools import islice

import pytest
import requests
from django.core.management import call_command

from courses.factories import CourseRunEnrollmentFactory
from courses.models import CourseRun, CourseRunCertificate
from main.middleware.bodies import FORMS_MAX
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.scenes import at_once
from site_tests.processes import Programs, WebServer
from tools.overriding import overriding
from tools.processes import wait_until
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

# Longer than any test waits: nothing times out in between, however slow the machine is.
PATIENT = {"EDX_API_CLIENT_TIMEOUT": "25"}


@pytest.mark.parametrize("environment", [PATIENT])
def test_32_identical_events_at_once_are_one_question_and_one_certificate(
    site: WebServer, dana: User, run: CourseRun, openedx: SimulatedOpenEdx
):
    event = {"email": dana.email, "course_id": run.courseware_id}
    # So that none comes when the first is settled already.
    openedx.set_fault("delay:1500")

    with ThreadPoolExecutor(32) as executor:
        replies = list(executor.map(lambda _: site.post(event), range(32)))

    statuses = [reply.json()["certificate_status"] for reply in replies]
    assert (statuses.count("created"), statuses.count("exists")) == (1, 31)
    assert openedx.request_count == 1
    assert CourseRunCertificate.all_objects.count() == 1
    request = CertificateRequest.objects.get()
    assert (request.status, request.attempts) == (CertificateRequest.Status.CREATED, 1)


@pytest.mark.parametrize("environment", [{"DATABASE_POOL_SIZE": "2"}])
def test_more_events_at_once_than_there_are_connections_are_all_answered(
    site: WebServer, run: CourseRun, openedx: SimulatedOpenEdx
):
    events = [event_of_another_learner(run, openedx) for _ in range(14)]

    replies = at_once(*[partial(site.post, event) for event in events * 2])

    assert {reply.status_code for reply in replies} == {200}
    assert CourseRunCertificate.objects.count() == len(events)


def test_bodies_that_never_end_hold_up_nobody_without_a_token(site: WebServer):
    host, port = site.url.removeprefix("http://").split(":")
    head = (
        "POST /api/openedx_webhook/certificate/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    sockets = [socket.create_connection((host, int(port)), timeout=10) for _ in range(40)]
    for sock in sockets:
        sock.sendall(head.encode())
    answers = [sock.recv(100) for sock in sockets]
    for sock in sockets:
        sock.close()

    assert all(answer.startswith(b"HTTP/1.1 401") for answer in answers)


def test_forms_that_never_end_leave_threads_for_the_events(
    programs: Programs, run: CourseRun, openedx: SimulatedOpenEdx
):
    site = programs.start_web_server_of_procfile()
    site.wait_until_it_answers()
    host, port = site.url.removeprefix("http://").split(":")
    # Django's check of forms reads what comes with such a cookie, also from a stranger.
    head = (
        f"POST /admin/login/ HTTP/1.1\r\nHost: {host}\r\nCookie: csrftoken={'a' * 32}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
    )
    # More than the threads of both processes.
    senders = 2 * 256 + 50

    with ExitStack() as sockets:
        for _ in range(senders):
            sock = sockets.enter_context(socket.create_connection((host, int(port)), timeout=30))
            sock.sendall(head.encode())
        # A process may have taken fewer than it keeps.
        wait_until(lambda: site.words.count('"status": 503') >= senders - 2 * FORMS_MAX)
        reply = site.post(event_of_another_learner(run, openedx))
        page = requests.get(f"{site.url}/admin/login/", timeout=30)

    assert reply is not None
    assert (reply.status_code, page.status_code) == (200, 200)
    # The senders have hung up: both processes take forms again, and refuse one without its cookie.
    form = partial(requests.post, f"{site.url}/admin/login/", timeout=30)
    wait_until(lambda: {form().status_code for _ in range(16)} == {403})


@pytest.mark.parametrize("environment", [PATIENT])
def test_a_slow_open_edx_holds_up_nobody_else(
    site: WebServer, run: CourseRun, openedx: SimulatedOpenEdx
):
    events = [event_of_another_learner(run, openedx) for _ in range(12)]
    openedx.set_fault("hang")

    with ThreadPoolExecutor(12) as executor:
        stuck = [executor.submit(site.post, event) for event in events]
        openedx.wait_for_requests(12)
        others = [requests.get(f"{site.url}/admin/login/", timeout=30) for _ in range(4)]
        still_waiting = [future for future in stuck if not future.done()]
        openedx.clear_fault()

    assert [reply.status_code for reply in others] == [200] * 4
    assert len(still_waiting) == 12
    assert {future.result().json()["certificate_status"] for future in stuck} == {"created"}
    assert CourseRunCertificate.all_objects.count() == 12


@pytest.mark.parametrize(
    "environment", [{**PATIENT, **overriding(OPENEDX_CERTIFICATES_WEBHOOK_WAITING_MAX=2)}]
)
def test_who_finds_no_place_to_wait_is_deferred_at_once(
    site: WebServer, run: CourseRun, openedx: SimulatedOpenEdx
):
    events = [event_of_another_learner(run, openedx) for _ in range(12)]
    openedx.set_fault("hang")

    with ThreadPoolExecutor(12) as executor:
        replies = [executor.submit(site.post, event) for event in events]
        # Two places in each of the two processes; the others are answered in the hang.
        early = [future.result() for future in islice(as_completed(replies, timeout=15), 12 - 4)]
        waiting = openedx.request_count
        openedx.clear_fault()

    assert {reply.status_code for reply in early} == {202}
    assert 1 <= waiting <= 4
    statuses = Counter(future.result().json()["certificate_status"] for future in replies)
    assert statuses == {"created": openedx.request_count, "deferred": 12 - openedx.request_count}

    call_command("process_certificate_requests", "--no-progress")

    assert CourseRunCertificate.all_objects.count() == 12
    assert {request.status for request in CertificateRequest.objects.all()} == {"created"}


def event_of_another_learner(run: CourseRun, openedx: SimulatedOpenEdx) -> dict[str, str]:
    """Return the event of a new learner, passed and paid."""
    learner = CourseRunEnrollmentFactory.create(run=run).user
    openedx.enroll(run.courseware_id, str(learner.edx_username), passed=True, percent=0.9)
    return {"email": learner.email, "course_id": run.courseware_id}
