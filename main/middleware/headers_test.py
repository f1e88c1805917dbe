"""The headers that each kind of reply has, and that the pages work under them."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from csp.constants import NONCE
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from oauth2_provider.models import Application

from courses.factories import CourseRunCertificateFactory, CourseRunEnrollmentFactory
from courses.models import CourseRun
from main.middleware.headers import PolicyMiddleware
from openedx_certificates.testing.factories import CertificateRequestFactory
from tools.browser import Page
from users.factories import UserFactory
from users.models import User

WEBHOOK = reverse("openedx-certificate-webhook")
LOGIN = reverse("admin:login")
STATIC = "/static/admin/css/base.css"
CERTIFICATE = "/certificate/6f9619ff-8b86-4d01-b42d-00cf4fc964ff/"
MAY_BE_KEPT = (STATIC, CERTIFICATE)
CONTENT_POLICY = {
    "default-src 'self'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "object-src 'none'",
}
ON_EVERY_REPLY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
}
PATHS = {
    "the login page": (LOGIN, 200),
    "a redirect": ("/admin/", 302),
    "the schema": ("/api/schema/", 200),
    "the health": ("/healthz/live", 200),
    "the metrics": ("/metrics", 404),
    "a certificate that there is not": (CERTIFICATE, 404),
    "a page that there is not": ("/nowhere/", 404),
    "a refused host": ("/admin/login/", 400),
    "a client that there is not": ("/oauth2/token/", 405),
    "a static file": (STATIC, 200),
}


def policy_of(headers: Mapping[str, str]) -> set[str]:
    return set(headers["Content-Security-Policy"].split("; "))


def is_guarded(headers: Mapping[str, str]) -> bool:
    """Check the headers that every reply has."""
    assert policy_of(headers) == CONTENT_POLICY
    assert {name: headers.get(name) for name in ON_EVERY_REPLY} == ON_EVERY_REPLY
    assert "Strict-Transport-Security" not in headers
    return True


@pytest.fixture
def token(db: None) -> str:
    """A token for the webhooks."""
    out = io.StringIO()
    call_command("create_webhook_token", stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


@pytest.mark.django_db
class TestEveryReply:
    @pytest.mark.parametrize(("path", "status"), PATHS.values(), ids=PATHS)
    def test_of_a_page_has_them(self, client: Client, path: str, status: int):
        host = "another.example.org" if status == 400 else "testserver"

        reply = client.get(path, headers={"host": host})
        reply.close()

        assert reply.status_code == status
        assert is_guarded(reply.headers)
        assert reply["Cache-Control"]
        assert ("no-store" in reply["Cache-Control"]) is (path not in MAY_BE_KEPT)

    @pytest.mark.parametrize(
        ("method", "body", "is_known", "status"),
        [
            ("POST", {"email": "nobody@example.com", "course_id": "x"}, True, 404),
            ("POST", {}, True, 400),
            ("POST", "a" * 70_000, True, 413),
            ("GET", {}, True, 405),
            ("POST", {}, False, 401),
        ],
        ids=["404", "400", "413", "405", "401"],
    )
    def test_of_a_webhook_that_refuses_has_them(
        self, client: Client, token: str, method: str, body: object, is_known: bool, status: int
    ):
        reply = client.generic(
            method,
            WEBHOOK,
            json.dumps(body),
            "application/json",
            headers={"authorization": f"Bearer {token if is_known else 'unknown'}"},
        )

        assert reply.status_code == status
        assert is_guarded(reply.headers)
        assert reply["Cache-Control"] == "no-store"

    def test_of_a_webhook_that_takes_an_event_has_them(
        self, client: Client, token: str, dana: User, run: CourseRun
    ):
        reply = client.post(
            WEBHOOK,
            {"email": dana.email, "course_id": run.courseware_id},
            "application/json",
            headers={"authorization": f"Bearer {token}"},
        )

        assert reply.json() == {"certificate_status": "created"}
        assert is_guarded(reply.headers)
        assert reply["Cache-Control"] == "no-store"

    def test_of_who_is_logged_in_is_kept_by_nobody(self, admin_client: Client):
        reply = admin_client.get("/admin/")

        assert is_guarded(reply.headers)
        assert {"no-store", "private"} <= set(reply["Cache-Control"].split(", "))

    def test_lets_who_agrees_be_sent_on_to_a_client(self, admin_client: Client):
        Application.objects.create(
            client_id="a-client",
            client_type="confidential",
            authorization_grant_type="authorization-code",
            redirect_uris="https://client.example.org/back",
        )
        query = {"client_id": "a-client", "response_type": "code", "code_challenge": "x" * 43}

        page = admin_client.get("/oauth2/authorize/", {**query, "code_challenge_method": "S256"})

        assert b"authorizationForm" in page.content
        assert policy_of(page.headers) == {
            *(CONTENT_POLICY - {"form-action 'self'"}),
            "form-action 'self' https:",
        }

    def test_has_the_nonce_that_a_page_has_asked_for(self, rf: RequestFactory, settings: Any):
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [NONCE]}}
        middleware = PolicyMiddleware(lambda request: HttpResponse(str(request.csp_nonce)))

        reply = middleware(rf.get("/"))

        nonce = f"script-src 'nonce-{reply.content.decode()}'"
        assert nonce in reply.headers["Content-Security-Policy"]

    def test_leaves_the_page_of_an_error_in_development_as_it_is(
        self, client: Client, settings: Any
    ):
        settings.DEBUG = True

        reply = client.get("/nowhere/")

        assert reply.status_code == 404
        assert "Content-Security-Policy" not in reply.headers

    def test_tells_of_https_alone_where_that_is_set(self, client: Client, settings: Any):
        settings.SECURE_HSTS_SECONDS = 60

        reply = client.get(LOGIN, secure=True)

        assert reply["Strict-Transport-Security"].startswith("max-age=60")

    def test_that_sends_to_https_has_them(self, client: Client, settings: Any):
        settings.SECURE_SSL_REDIRECT = True

        reply = client.get(LOGIN)

        assert reply.status_code == 301
        assert is_guarded(reply.headers)


@pytest.mark.django_db
class TestCookies:
    @pytest.mark.parametrize("name", ["sessionid", "csrftoken"])
    def test_no_script_and_no_other_site_has_them(self, client: Client, name: str, settings: Any):
        settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
        User.objects.create_superuser("admin", "admin@example.com", "correct horse")

        client.get(LOGIN)
        client.post(LOGIN, {"username": "admin", "password": "correct horse"})

        cookie = client.cookies[name]
        assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")


# What is looked at in a browser: an error of the policy there is a PageComplains.
PAGES_OF_THE_ADMIN = {
    "the index": "/admin/",
    "users": "/admin/users/user/",
    "a user": "/admin/users/user/{user}/change/",
    "a new user": "/admin/users/user/add/",
    "a password": "/admin/users/user/{user}/password/",
    "requests": "/admin/openedx_certificates/certificaterequest/?status__exact=open",
    "a request": "/admin/openedx_certificates/certificaterequest/{request}/change/",
    "runs": "/admin/courses/courserun/",
    "a run, with dates": "/admin/courses/courserun/{run}/change/",
    "a new enrollment, with a search of its own": "/admin/courses/courserunenrollment/add/",
    "certificates": "/admin/courses/courseruncertificate/",
    "tokens": "/admin/oauth2_provider/accesstoken/",
    "a new token": "/admin/oauth2_provider/accesstoken/add/",
    "a new application": "/admin/oauth2_provider/application/add/",
}


@pytest.mark.django_db(transaction=True)
class TestInABrowser:
    @pytest.fixture
    def session(self, client: Client, admin_user: User) -> str:
        """The cookie of a logged-in administrator."""
        client.force_login(admin_user)
        return client.cookies["sessionid"].value

    @pytest.fixture
    def rows(self) -> dict[str, int]:
        """One row of each kind."""
        enrollment = CourseRunEnrollmentFactory.create()
        user, run = enrollment.user, enrollment.run
        CourseRunCertificateFactory.create(user=user, course_run=run)
        request = CertificateRequestFactory.create(user=user, course_run=run)
        return {"user": user.pk, "run": run.pk, "request": request.pk}

    @pytest.mark.parametrize("path", PAGES_OF_THE_ADMIN.values(), ids=PAGES_OF_THE_ADMIN)
    def test_a_page_of_the_admin_breaks_no_rule(
        self, look_at: Callable[..., Any], session: str, rows: dict[str, int], path: str
    ):
        heading = look_at(
            path.format(**rows), lambda page: page.inner_text("h1"), session_cookie=session
        )

        assert heading

    def test_who_logs_in_gets_to_the_index(self, look_at: Callable[..., Any], db: None):
        User.objects.create_superuser("admin", "admin@example.com", "correct horse")

        def log_in(page: Page) -> str:
            page.fill("#id_username", "admin")
            page.fill("#id_password", "correct horse")
            page.click("input[type=submit]")
            return page.inner_text("#content h1")

        assert look_at(LOGIN, log_in) == "Learners, courses and certificates"

    def test_a_date_is_picked_from_the_calendar(
        self, look_at: Callable[..., Any], session: str, rows: dict[str, int]
    ):
        def pick(page: Page) -> str:
            page.locator(".datetimeshortcuts a:has(.date-icon)").first.click()
            page.locator(".calendarbox:visible td a").first.click()
            return page.locator(".vDateField").first.input_value()

        path = PAGES_OF_THE_ADMIN["a run, with dates"].format(**rows)

        assert look_at(path, pick, session_cookie=session)

    def test_a_learner_is_picked_from_a_list_that_is_searched(
        self, look_at: Callable[..., Any], session: str, rows: dict[str, int]
    ):
        dana = UserFactory.create(email="dana@example.com")

        def pick(page: Page) -> str:
            page.locator(".field-user .select2-selection").click()
            page.fill(".select2-search__field", "dana@")
            page.click(".select2-results__option--highlighted")
            return page.locator("#id_user").input_value()

        path = PAGES_OF_THE_ADMIN["a new enrollment, with a search of its own"]

        assert look_at(path, pick, session_cookie=session) == str(dana.pk)
