"""The whole path on real parts: granian in processes of its own, HTTP on both sides, PostgreSQL."""

import html
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from django.core.management import call_command

from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment
from openedx_certificates.models import CertificateRequest
from site_tests.processes import WebServer
from tools.processes import wait_until
from tools.simulator import Plugin, SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_plugins_event_becomes_a_certificate(site: WebServer, dana: User, run: CourseRun):
    attempts = Plugin(site.webhook, site.token).fire(dana.email, run.courseware_id)

    assert [attempt.status for attempt in attempts] == [200]
    assert attempts[0].body == '{"certificate_status":"created"}'
    assert CourseRunCertificate.objects.get().user == dana


def test_the_new_certificate_can_be_seen_with_its_style_by_everybody(
    site: WebServer, dana: User, run: CourseRun
):
    Plugin(site.webhook, site.token).fire(dana.email, run.courseware_id)
    address = f"{site.url}{CourseRunCertificate.objects.get().link}"

    page = requests.get(address, headers={"X-Forwarded-Proto": "https"}, timeout=30)
    parts = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)

    assert page.status_code == 200
    assert dana.name in html.unescape(page.text)
    assert f'<a href="{address.replace("http:", "https:")}">' in page.text
    # DEBUG is off, and the static files are not collected.
    assert {Path(part).suffix for part in parts} == {".css", ".js", ".svg"}
    assert {requests.get(f"{site.url}{part}", timeout=30).status_code for part in parts} == {200}


def test_the_webhooks_docs_come_with_all_their_files(site: WebServer):
    bearer = {"Authorization": f"Bearer {site.token}"}

    page = requests.get(f"{site.url}/api/schema/webhooks/docs/", headers=bearer, timeout=30)
    parts = re.findall(r'(?:href|src)="(/[^"]+)"', page.text)

    assert {Path(part).name for part in parts} >= {"swagger-ui.css", "swagger-ui-bundle.js"}
    replies = [requests.get(f"{site.url}{part}", headers=bearer, timeout=30) for part in parts]
    assert {reply.status_code for reply in replies} == {200}


def test_any_way_in_any_order_leaves_one_certificate(site: WebServer, dana: User, run: CourseRun):
    event = {"email": dana.email, "course_id": run.courseware_id}

    call_command("manage_certificates", "--create", "--no-progress")
    with ThreadPoolExecutor(16) as executor:
        replies = list(executor.map(lambda _: site.post(event), range(16)))
    call_command("manage_certificates", "--create", "--run", run.courseware_id, "--no-progress")

    assert {reply.json()["certificate_status"] for reply in replies} == {"exists"}
    assert CourseRunCertificate.all_objects.count() == 1


def test_the_plugin_forgets_an_event_and_the_certificate_comes_all_the_same(
    site: WebServer, dana: User, run: CourseRun, openedx: SimulatedOpenEdx
):
    openedx.set_fault("500")

    attempts = Plugin(site.webhook, site.token).fire(dana.email, run.courseware_id)

    assert [(attempt.status, attempt.body) for attempt in attempts] == [
        (202, '{"certificate_status":"deferred"}')
    ]
    assert CertificateRequest.objects.get().is_open

    openedx.clear_fault()
    call_command("process_certificate_requests", "--all", "--no-progress")

    assert CourseRunCertificate.objects.get().user == dana
    assert CertificateRequest.objects.get().status == CertificateRequest.Status.CREATED


def test_an_enrollment_made_over_there_is_mirrored_here(site: WebServer, run: CourseRun):
    staff = UserFactory.create()

    attempts = Plugin(f"{site.url}/api/openedx_webhook/enrollment/", site.token).fire_enrollment(
        staff.email, run.courseware_id, role="staff"
    )

    assert [attempt.status for attempt in attempts] == [201]
    assert CourseRunEnrollment.objects.get().user == staff


def test_an_event_in_chunks_is_read_like_any_other(site: WebServer, dana: User, run: CourseRun):
    event = f'{{"email": "{dana.email}", "course_id": "{run.courseware_id}"}}'.encode()

    reply = requests.post(
        site.webhook,
        data=iter([event[:20], event[20:]]),
        headers={"Authorization": f"Bearer {site.token}", "Content-Type": "application/json"},
        timeout=30,
    )

    assert reply.json() == {"certificate_status": "created"}


def test_what_a_hostile_client_sends_is_refused_in_json_and_leaves_no_traceback(
    site: WebServer, dana: User, run: CourseRun
):
    webhook, token = site.webhook, {"Authorization": f"Bearer {site.token}"}
    json_type = {**token, "Content-Type": "application/json"}
    refusals = [
        (requests.post(webhook, data=b"x" * 5_000_000, headers=json_type, timeout=30), 413),
        (
            requests.post(webhook, data=iter([b"x" * 70_000] * 9), headers=json_type, timeout=30),
            413,
        ),
        (
            requests.post(webhook, data=iter([b'{"email":', b"1}"]), headers=json_type, timeout=30),
            400,
        ),
        (site.post({"email": dana.email, "course_id": "b"}), 404),
        *[
            (
                requests.post(
                    f"{webhook}?a=b",
                    data=b"{}",
                    headers={**token, "Content-Type": f"application/json; {parameter}"},
                    timeout=30,
                ),
                400,
            )
            for parameter in (
                "charset=rot13",
                "charset*=utf-8''a%00b",
                "charset*=unicode_escape''%5Cud800",
                "charset=utf-8; " + "a" * 9_000,
            )
        ],
        (requests.post(f"{webhook}?{'a&' * 1100}", json={}, headers=token, timeout=30), 400),
        (
            requests.post(
                webhook,
                data=b"{}",
                headers={**token, "Content-Type": "application/json; charset*=nonsense''x"},
                timeout=30,
            ),
            400,
        ),
    ]

    assert [reply.status_code for reply, _ in refusals] == [status for _, status in refusals]
    assert all(reply.headers["Content-Type"] == "application/json" for reply, _ in refusals)
    log = site.words
    assert "Traceback" not in log
    assert dana.email not in log
    assert site.token not in log
    assert not CourseRunCertificate.all_objects.exists()


@pytest.mark.parametrize(
    "parameter", ["q*0=1;q*=x", "q*=undefined''%41", "q*=nonsense''x", "Q *0*=rot13''%41"]
)
def test_an_accept_header_that_can_not_be_parsed_is_no_500(site: WebServer, parameter: str):
    statuses = [
        requests.get(
            site.url + path, headers={"Accept": f"text/html;{parameter}"}, timeout=30
        ).status_code
        for path in (
            "/certificate/nobody/",
            f"/certificate/{uuid4()}/",
            "/api/schema/webhooks/docs/",
        )
    ]

    # The last one is sent to the login page, which is shown.
    assert statuses == [404, 404, 200]
    assert "Traceback" not in site.words


@pytest.mark.parametrize("environment", [{"TRUSTED_PROXIES": "1", "FAILED_TOKENS_MAX": "3"}])
def test_who_makes_up_addresses_is_known_by_what_the_proxy_wrote(site: WebServer):
    host, port = site.url.removeprefix("http://").split(":")

    def guess(number: int) -> bytes:
        # A proxy adds what it saw to the caller's line, or in a line of its own.
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(
                (
                    "POST /api/openedx_webhook/certificate/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    "Authorization: Bearer guess\r\nConnection: close\r\nContent-Length: 0\r\n"
                    f"X-Forwarded-For: 203.0.113.{number}\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
                ).encode()
            )
            return sock.recv(12)

    # Two processes, which count for themselves, and a window that may pass in between.
    answers = [guess(number) for number in range(20)]

    assert answers[0] == b"HTTP/1.1 401"
    assert b"HTTP/1.1 429" in answers
    assert site.post({}).status_code == 400


def test_a_body_that_breaks_off_is_refused_though_what_came_is_whole(
    site: WebServer, dana: User, run: CourseRun, openedx: SimulatedOpenEdx
):
    host, port = site.url.removeprefix("http://").split(":")
    body = json.dumps({"email": dana.email, "course_id": run.courseware_id})
    head = (
        "POST /api/openedx_webhook/certificate/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {site.token}\r\n"
        "Content-Length: 500\r\n\r\n"
    )

    with socket.create_connection((host, int(port)), timeout=30) as sock:
        sock.sendall((head + body).encode())
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(1_000), b""))

    # The server may have hung up on a sender that did; the view has run all the same.
    wait_until(lambda: re.search(r"request_finished.*status\W+400", site.words))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert openedx.request_count == 0
    assert not CourseRunCertificate.all_objects.exists()
    assert not CertificateRequest.objects.exists()


@pytest.mark.parametrize(
    "environment",
    [{"CERTIFICATE_WEBHOOK_ASYNC": "True", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}],
)
def test_without_the_broker_a_background_event_is_held_all_the_same(
    site: WebServer, dana: User, run: CourseRun, openedx: SimulatedOpenEdx
):
    event = {"email": dana.email, "course_id": run.courseware_id}

    replies = [site.post(event) for _ in range(3)]

    assert [(reply.status_code, reply.json()) for reply in replies] == [
        (202, {"certificate_status": "deferred"})
    ] * 3
    assert openedx.request_count == 0
    wait_until(lambda: "no worker was woken" in site.words, lambda: site.words)
    assert "Traceback" not in site.words

    call_command("process_certificate_requests", "--no-progress")

    assert CourseRunCertificate.objects.get().user == dana
    assert CertificateRequest.objects.get().deliveries == 3
