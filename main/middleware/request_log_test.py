"""The one line of a request, and the id that all its lines share."""

import logging
from uuid import UUID

import pytest
from django.contrib import admin
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from structlog.contextvars import get_contextvars

from site_tests.log_reading import Log
from users.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

WEBHOOK = "/api/openedx_webhook/certificate/"
SECRET = "dana@example.com scored 0.8731"
some_module = logging.getLogger("courses.some_module")


def work(request: HttpRequest, **parts: str) -> HttpResponse:
    some_module.info("certificate created")
    return HttpResponse("done")


def fail(request: HttpRequest) -> HttpResponse:
    raise ValueError(SECRET)


def answer(request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse(status=status)


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("openedx.urls")),
    path("api/<int:status>/", answer),
    path("page/<int:status>/", answer),
    path("certificate/<str:uuid>/", work),
    path("fail/", fail),
    path("healthz/busy", lambda request: answer(request, 503)),
    path("healthz/fail", fail),
    path("metrics", work),
]


@pytest.fixture
def client(client: Client) -> Client:
    """A caller that sees a 500 as a browser does."""
    client.raise_request_exception = False
    return client


def the_line(log: Log) -> dict[str, object]:
    """Return the only line, which is the request's outcome."""
    (line,) = log.lines
    assert line["event"] == "request_finished"
    return line


class TestId:
    def test_all_lines_of_a_request_have_the_id_that_it_is_answered_with(
        self, client: Client, log: Log
    ):
        response = client.get("/certificate/x/")

        step, outcome = log.lines
        assert step["event"] == "certificate created"
        assert step["request_id"] == outcome["request_id"] == response["X-Request-ID"]
        assert UUID(response["X-Request-ID"])

    def test_another_request_has_another_id_and_nothing_stays_bound(self, client: Client, log: Log):
        ids = {client.get("/certificate/x/")["X-Request-ID"] for _ in range(2)}

        assert len(ids) == 2
        assert {line["request_id"] for line in log.lines} == ids
        assert get_contextvars() == {}

    @pytest.mark.parametrize("given", ["replay-7", "0" * 64, "f81d4fae7dec11d0a76500a0c91e6bf6"])
    def test_a_proxys_id_is_kept(self, given: str, client: Client, log: Log):
        response = client.get("/certificate/x/", headers={"x-request-id": given})

        assert response["X-Request-ID"] == given
        assert {line["request_id"] for line in log.lines} == {given}

    @pytest.mark.parametrize(
        "given",
        ["", "0" * 65, "two words", "a\nb", "a\n", "dana@example.com", "idé", '"', "a_b"],
        ids=["none", "long", "a blank", "lines", "a line", "address", "letters", "quote", "token"],
    )
    def test_what_does_not_look_like_an_id_gets_another(self, given: str, client: Client, log: Log):
        response = client.get("/certificate/x/", headers={"x-request-id": given})

        assert UUID(response["X-Request-ID"])
        assert {line["request_id"] for line in log.lines} == {response["X-Request-ID"]}


class TestOutcome:
    def test_it_tells_method_route_status_duration_and_caller(
        self, client: Client, admin_user: User, log: Log
    ):
        client.force_login(admin_user)

        client.get("/admin/")

        line = the_line(log)
        assert (line["method"], line["route"], line["status"]) == ("GET", "admin/", 200)
        assert line["caller_id"] == admin_user.pk
        assert line["duration_ms"] > 0

    def test_a_caller_whom_nobody_asked_for_is_not_looked_up(
        self, client: Client, admin_user: User, log: Log, django_assert_num_queries
    ):
        client.force_login(admin_user)

        with django_assert_num_queries(0):
            client.get("/page/200/")

        assert the_line(log)["caller_id"] is None

    @pytest.mark.parametrize(
        "address",
        [
            "/page/404/?token=s3cret&email=dana@example.com",
            "/certificate/dana@example.com/",
            "/nowhere/dana@example.com/s3cret",
            "/nowhere/dana%40example.com%0Acertificate%20created",
            "/admin/users/user/?q=dana@example.com",
            "/admin/dana@example.com/",
        ],
    )
    def test_it_has_nothing_of_the_address_but_the_pattern(
        self, address: str, client: Client, log: Log
    ):
        client.get(address, headers={"user-agent": "s3cret", "x-forwarded-for": "192.0.2.7"})

        assert log.of("request_finished")
        assert not [word for word in ("dana", "s3cret", "192.0.2.7", "127.0") if word in log.text]

    def test_a_method_nobody_knows_is_not_repeated(self, client: Client, log: Log):
        client.generic("S3CRET", "/page/200/")

        assert the_line(log)["method"] == "OTHER"

    @pytest.mark.parametrize(
        ("address", "status", "level"),
        [
            ("/page/200/", 200, "info"),
            ("/page/302/", 302, "info"),
            ("/page/404/", 404, "info"),
            ("/nowhere/", 404, "info"),
            ("/page/500/", 500, "error"),
            ("/api/200/", 200, "info"),
            ("/api/400/", 400, "warning"),
            ("/api/429/", 429, "warning"),
            ("/api/503/", 503, "error"),
            ("/static/admin/css/base.css", 200, "debug"),
            ("/static/nowhere.css", 404, "debug"),
            ("/healthz/busy", 503, "debug"),
            ("/healthz/fail", 500, "error"),
        ],
    )
    def test_its_level_tells_whether_somebody_must_look(
        self, address: str, status: int, level: str, client: Client, log: Log
    ):
        client.get(address).close()

        line = the_line(log)
        assert (line["status"], line["level"]) == (status, level)

    def test_metrics_are_asked_for_too_often_to_be_told_of(self, client: Client, log: Log):
        client.get("/metrics")

        (line,) = log.of("request_finished")
        assert line["level"] == "debug"

    def test_a_webhook_without_a_token_is_one_line(self, client: Client, log: Log):
        client.post(WEBHOOK, {}, "application/json")

        line = the_line(log)
        assert (line["status"], line["level"]) == (401, "warning")
        assert (line["route"], line["caller_id"]) == (
            "api/openedx_webhook/certificate/",
            None,
        )

    @pytest.mark.parametrize(
        ("headers", "status", "refused_by"),
        [({"host": "s3cret.example"}, 400, "DisallowedHost"), ({}, 403, "csrf")],
        ids=["a foreign host", "no token of the form"],
    )
    def test_a_check_of_djangos_that_refuses_is_named(
        self, headers: dict[str, str], status: int, refused_by: str, log: Log
    ):
        client = Client(enforce_csrf_checks=True)

        client.post("/admin/login/", {"username": "s3cret"}, headers=headers)

        line = the_line(log)
        assert (line["status"], line["refused_by"]) == (status, refused_by)
        assert line["level"] == "info"
        assert "s3cret" not in log.text


class TestFailure:
    def test_an_error_nobody_expected_is_one_line_with_its_place(self, client: Client, log: Log):
        response = client.get("/fail/?token=s3cret")

        line = the_line(log)
        assert response.status_code == 500
        assert response["X-Request-ID"] == line["request_id"]
        assert (line["level"], line["status"], line["error"]) == ("error", 500, "ValueError")
        assert line["stack"][-1].startswith(f"{__file__}:")
        assert "dana" not in log.text
        assert "s3cret" not in log.text

    def test_the_next_request_has_nothing_of_it(self, client: Client, log: Log):
        client.get("/fail/")
        client.get("/page/200/")

        line = log.lines[-1]
        assert (line["level"], line["status"]) == ("info", 200)
        assert "error" not in line
        assert "stack" not in line

    def test_a_session_that_can_not_be_looked_up_is_told_without_its_key(
        self, client: Client, log: Log, broken_database: None
    ):
        client.cookies["sessionid"] = "s3cret" * 6

        response = client.get("/admin/")

        reason, outcome = log.lines
        assert response.status_code == 503
        assert (reason["event"], reason["error"]) == ("database failed", OperationalError.__name__)
        assert (outcome["route"], outcome["status"]) == ("admin/", 503)
        assert "s3cret" not in log.text

    def test_a_database_that_fails_is_told_with_its_reason(
        self, client: Client, log: Log, broken_database: None
    ):
        client.post(WEBHOOK, {}, "application/json", headers={"authorization": "Bearer s3cret"})

        reason, outcome = log.lines
        assert (reason["event"], reason["error"]) == ("database failed", "OperationalError")
        assert (outcome["status"], outcome["level"]) == (503, "error")
        assert reason["request_id"] == outcome["request_id"]
        assert "secret" not in log.text
