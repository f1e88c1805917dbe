"""What both webhooks refuse, checked from top to bottom of the contract's table."""

import io
import json
import logging
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from oauth2_provider.models import AccessToken
from rest_framework.request import Request

from courses.models import CourseRunCertificate, CourseRunEnrollment, CourseRunGrade
from openedx_certificates.testing.factories import CourseRunFactory, UserFactory
from openedx_certificates.testing.webhooks import EACH_WEBHOOK, Knock, MakeToken
from openedx_certificates.webhooks.events import EventParser
from openedx_certificates.webhooks.exceptions import InvalidEvent
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

FORGIVEN_BY_THE_SITE = pytest.mark.site(
    "A missing slash is forgiven by the middleware of the site."
)
EMAIL = "dana@example.com"
COURSE_ID = "course-v1:MITx+6.00x+1T2026"
EVENT = {"email": EMAIL, "course_id": COURSE_ID}


@pytest.fixture(params=EACH_WEBHOOK)
def webhook(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def dana() -> User:
    """A learner and a run, so that nothing but what a test is about is refused."""
    CourseRunFactory.create(courseware_id=COURSE_ID)
    return UserFactory.create(email=EMAIL)


def refused(response: Any, status: int, key: str) -> str:
    """Check that the reply is the refusal it should be, and that nothing was stored."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = json.loads(response.content)
    assert list(body) == [key]
    assert not CourseRunGrade.objects.exists()
    assert not CourseRunCertificate.all_objects.exists()
    assert not CourseRunEnrollment.all_objects.exists()
    return body[key]


class TestWhoMayCall:
    def test_no_token_is_401(self, webhook: str, knock: Knock):
        response = knock(webhook, EVENT, token=None)

        refused(response, 401, "detail")
        assert response["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer unknown",
            "Bearer",
            "Bearer ",
            "Bearer two words",
            "Basic dXNlcjpwYXNz",
            "Token token-0",
            "token-0",
            "Bearer \xff\xfe",
            "Bearer " + "x" * 5_000,
        ],
        ids=["unknown", "none", "blank", "two", "basic", "token", "bare", "latin-1", "5 kB"],
    )
    def test_an_unknown_or_malformed_token_is_401(
        self, webhook: str, header: str, staff_token: str, client: Client
    ):
        response = client.post(
            reverse(webhook), EVENT, "application/json", headers={"authorization": header}
        )

        refused(response, 401, "detail")

    def test_a_token_in_the_query_string_is_401(
        self, webhook: str, staff_token: str, client: Client
    ):
        response = client.post(
            f"{reverse(webhook)}?access_token={staff_token}", EVENT, "application/json"
        )

        refused(response, 401, "detail")

    def test_a_token_in_a_form_is_401(self, webhook: str, staff_token: str, client: Client):
        response = client.post(reverse(webhook), {**EVENT, "access_token": staff_token})

        refused(response, 401, "detail")

    def test_an_expired_token_is_401(
        self, webhook: str, staff_user: User, make_token: MakeToken, knock: Knock
    ):
        token = make_token(staff_user, valid_for=timedelta(seconds=-1))

        refused(knock(webhook, EVENT, token=token), 401, "detail")

    @pytest.mark.skipif(
        "resource" not in {field.name for field in AccessToken._meta.fields},
        reason="Before its version 3.4 the toolkit restricts no token to a resource.",
    )
    def test_a_token_for_another_resource_is_401(
        self, webhook: str, staff_token: str, knock: Knock
    ):
        AccessToken.objects.update(resource=["https://another.example.org/"])

        refused(knock(webhook, EVENT, token=staff_token), 401, "detail")

    def test_a_token_that_a_validator_of_the_hosts_hides_is_401(
        self, webhook: str, staff_token: str, knock: Knock, settings: Any
    ):
        settings.OAUTH2_PROVIDER = {
            **settings.OAUTH2_PROVIDER,
            "OAUTH2_VALIDATOR_CLASS": "openedx_certificates.testing.webhooks.BlindValidator",
        }

        refused(knock(webhook, EVENT, token=staff_token), 401, "detail")

    def test_a_token_without_a_user_is_401(self, webhook: str, make_token: MakeToken, knock: Knock):
        refused(knock(webhook, EVENT, token=make_token(None)), 401, "detail")

    def test_the_token_of_a_deactivated_member_of_staff_is_401(
        self, webhook: str, staff_user: User, staff_token: str, knock: Knock
    ):
        staff_user.is_active = False
        staff_user.save()

        refused(knock(webhook, EVENT, token=staff_token), 401, "detail")

    def test_the_token_of_a_learner_is_403(
        self, webhook: str, user: User, make_token: MakeToken, knock: Knock
    ):
        refused(knock(webhook, EVENT, token=make_token(user)), 403, "detail")

    def test_a_session_of_an_administrator_is_no_token(
        self, webhook: str, admin_user: User, client: Client
    ):
        client.force_login(admin_user)

        refused(client.post(reverse(webhook), EVENT, "application/json"), 401, "detail")


@pytest.mark.site("The host's own middleware sends plain HTTP elsewhere.")
class TestPlainHttp:
    """If the site wants HTTPS: a redirect would turn the POST into a GET, and lose the event."""

    @pytest.fixture(
        params=[
            pytest.param("", id="without the slash", marks=FORGIVEN_BY_THE_SITE),
            pytest.param("/", id="with the slash"),
        ]
    )
    def address(self, request: pytest.FixtureRequest, webhook: str, settings: Any) -> str:
        settings.OPENEDX_CERTIFICATES_REQUIRE_HTTPS = settings.SECURE_SSL_REDIRECT = True
        return reverse(webhook).rstrip("/") + request.param

    @pytest.mark.parametrize("token", ["good", "wrong", None])
    def test_it_is_403_with_a_sentence_and_no_redirect_and_the_log_tells_once(
        self,
        address: str,
        token: str | None,
        staff_token: str,
        client: Client,
        caplog: pytest.LogCaptureFixture,
    ):
        headers = {"authorization": f"Bearer {staff_token if token == 'good' else token}"}

        response = client.post(
            address, EVENT, "application/json", headers=headers if token else None
        )

        assert "https" in refused(response, 403, "detail")
        assert "Location" not in response
        (line,) = [each for each in caplog.records if "plain HTTP" in each.getMessage()]
        assert line.levelname == "WARNING"
        text = "\n".join(str(vars(record)) for record in caplog.records)
        assert EMAIL not in text
        assert staff_token not in text
        assert "request_finished" in caplog.messages

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
    def test_no_method_is_sent_elsewhere(self, address: str, method: str, client: Client):
        response = client.generic(method, address)

        assert response.status_code == 403
        assert "Location" not in response

    @pytest.mark.parametrize("headers", [{"X-Forwarded-Proto": "https"}, None])
    def test_by_https_the_event_is_taken(
        self, address: str, headers: dict[str, str] | None, staff_token: str, client: Client
    ):
        response = client.post(
            address,
            {**EVENT, "email": "nobody@example.com"},
            "application/json",
            headers={"authorization": f"Bearer {staff_token}", **(headers or {})},
            secure=headers is None,
        )

        assert refused(response, 404, "error") == "User not found."

    @pytest.mark.parametrize(
        "path", ["/admin/", "/api/schema/", "/certificate/x/", "/oauth2/token/"]
    )
    def test_every_other_page_is_sent_to_https_as_ever(
        self, path: str, client: Client, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_REQUIRE_HTTPS = settings.SECURE_SSL_REDIRECT = True

        response = client.post(path)

        assert (response.status_code, response["Location"]) == (301, f"https://testserver{path}")

    def test_where_http_is_good_enough_the_event_is_taken(
        self, webhook: str, staff_token: str, knock: Knock
    ):
        response = knock(webhook, {**EVENT, "email": "nobody@example.com"}, token=staff_token)

        refused(response, 404, "error")


class TestMethod:
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
    def test_another_method_than_post_is_405(
        self, webhook: str, method: str, staff_token: str, client: Client
    ):
        response = client.generic(
            method, reverse(webhook), headers={"authorization": f"Bearer {staff_token}"}
        )

        refused(response, 405, "detail")
        assert response["Allow"] == "POST"

    def test_head_is_405(self, webhook: str, staff_token: str, client: Client):
        response = client.head(reverse(webhook), headers={"authorization": f"Bearer {staff_token}"})

        assert response.status_code == 405

    @pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
    def test_without_a_token_any_method_is_401(self, webhook: str, method: str, client: Client):
        refused(client.generic(method, reverse(webhook)), 401, "detail")


class TestContentType:
    @pytest.mark.parametrize("body", [json.dumps(EVENT).encode(), b""], ids=["event", "empty"])
    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "text/json",
            "*/*",
            "application/*",
            "application/jsonp",
            "nonsense",
            "",
        ],
    )
    def test_another_type_than_json_is_415(
        self, webhook: str, content_type: str, body: bytes, staff_token: str, knock: Knock
    ):
        response = knock(webhook, body, token=staff_token, content_type=content_type)

        refused(response, 415, "detail")

    def test_a_charset_beside_json_is_fine(self, webhook: str, staff_token: str, knock: Knock):
        response = knock(
            webhook,
            {**EVENT, "email": "nobody@example.com"},
            token=staff_token,
            content_type="application/json; charset=utf-8",
        )

        refused(response, 404, "error")

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "image/*;q=9"])
    def test_the_reply_is_json_whatever_is_accepted(
        self, webhook: str, accept: str, staff_token: str, knock: Knock
    ):
        refused(knock(webhook, b"{}", token=staff_token, accept=accept), 400, "error")

    def test_a_format_in_the_query_string_changes_nothing(
        self, webhook: str, staff_token: str, client: Client
    ):
        response = client.post(
            f"{reverse(webhook)}?format=xml",
            b"{}",
            "application/json",
            headers={"authorization": f"Bearer {staff_token}"},
        )

        refused(response, 400, "error")


@FORGIVEN_BY_THE_SITE
def test_the_slash_at_the_end_may_be_missing(webhook: str, staff_token: str, client: Client):
    response = client.post(
        reverse(webhook).rstrip("/"),
        b"{}",
        "application/json",
        headers={"authorization": f"Bearer {staff_token}"},
    )

    refused(response, 400, "error")


class TestSize:
    @pytest.mark.parametrize("size", [64 * 1024 + 1, 5_000_000], ids=["64 KiB + 1", "5 MB"])
    def test_a_body_over_64_kib_is_413(
        self, webhook: str, size: int, staff_token: str, knock: Knock
    ):
        frame = json.dumps({"email": ""}).encode()
        body = frame.replace(b'""', b'"' + b"a" * (size - len(frame)) + b'"')
        assert len(body) == size

        error = refused(knock(webhook, body, token=staff_token), 413, "error")

        assert len(error) < 100

    def test_a_body_of_64_kib_is_read(self, webhook: str, staff_token: str, knock: Knock):
        body = json.dumps({**EVENT, "email": "nobody@example.com"}).encode()

        response = knock(webhook, body.ljust(64 * 1024), token=staff_token)

        refused(response, 404, "error")


class TestJson:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b'{"email": "dana@example.com", "course_id": ',
            b"email=dana@example.com",
            b"{'email': 'dana@example.com'}",
            b'{"email": NaN, "course_id": Infinity}',
            b"\xff\xfe",
            b'\xef\xbb\xbf{"email": "dana@example.com"}',
            b"[" * 30_000,
            b'{"a":' * 10_000,
            b'{"email": ' + b"9" * 10_000 + b"}",
            b'{"email": "a@example.com", "email": "dana@example.com", "course_id": "x"}',
            b"[]",
            b'["email", "course_id"]',
            b'"dana@example.com"',
            b"null",
            b"17",
            b"true",
            b"1e999",
        ],
        ids=[
            "empty",
            "cut off",
            "cut off later",
            "a form",
            "single quotes",
            "NaN",
            "not UTF-8",
            "a byte order mark",
            "30,000 lists deep",
            "10,000 objects deep",
            "a huge number",
            "a key twice",
            "an empty list",
            "a list",
            "a text",
            "null",
            "a number",
            "true",
            "an infinite number",
        ],
    )
    def test_what_is_not_a_json_object_is_400(
        self, webhook: str, body: bytes, staff_token: str, knock: Knock
    ):
        error = refused(knock(webhook, body, token=staff_token), 400, "error")

        assert "email" in error
        assert "course_id" in error


class TestFields:
    @pytest.mark.parametrize("field", ["email", "course_id"])
    @pytest.mark.parametrize(
        "value",
        [
            None,
            "",
            "   ",
            "\t",
            17,
            1.5,
            10**300,
            True,
            [],
            [EMAIL],
            {},
            {"email": EMAIL},
            "dana\x00@example.com",
            "dana@example.com\n",
            "\rdana@example.com",
            "dana@exam\x1bple.com",
            "dana\x85@example.com",
            "dana\u2028@example.com",
            "dana\u2029@example.com",
            "dana\ud800@example.com",
            "a" * 256,
            "a" * 10_000,
        ],
        ids=[
            "null",
            "empty",
            "blanks",
            "a tab",
            "a number",
            "a fraction",
            "a huge number",
            "true",
            "a list",
            "a list of a text",
            "an object",
            "an object of a text",
            "NUL",
            "a line feed at the end",
            "a carriage return at the start",
            "an escape",
            "a C1 control",
            "a line separator",
            "a paragraph separator",
            "a lone surrogate",
            "256 characters",
            "10 kB",
        ],
    )
    def test_a_field_that_is_no_short_line_of_text_is_400(
        self, webhook: str, field: str, value: object, staff_token: str, knock: Knock
    ):
        error = refused(knock(webhook, {**EVENT, field: value}, token=staff_token), 400, "error")

        assert error.startswith(field)
        assert "\n" not in error
        assert len(error) < 200

    @pytest.mark.parametrize("field", ["email", "course_id"])
    def test_a_missing_field_is_named(
        self, webhook: str, field: str, staff_token: str, knock: Knock
    ):
        event = {name: value for name, value in EVENT.items() if name != field}

        error = refused(knock(webhook, event, token=staff_token), 400, "error")

        assert error == f"{field} is missing."

    def test_two_wrong_fields_are_both_named(self, webhook: str, staff_token: str, knock: Knock):
        error = refused(knock(webhook, {"email": 1}, token=staff_token), 400, "error")

        assert error == "email is not a text and course_id is missing."

    def test_an_email_as_long_as_its_column_is_looked_up(
        self, webhook: str, staff_token: str, knock: Knock
    ):
        event = {**EVENT, "email": "a" * 254}

        refused(knock(webhook, event, token=staff_token), 404, "error")
        refused(knock(webhook, {**EVENT, "email": "a" * 255}, token=staff_token), 400, "error")


class TestNotKnown:
    def test_an_unknown_learner_is_404(self, webhook: str, staff_token: str, knock: Knock):
        event = {**EVENT, "email": "nobody@example.com"}

        error = refused(knock(webhook, event, token=staff_token), 404, "error")

        assert error == "User not found."

    def test_an_unknown_run_is_404(self, webhook: str, staff_token: str, knock: Knock):
        event = {**EVENT, "course_id": "course-v1:MITx+8.01x+1T2026"}

        error = refused(knock(webhook, event, token=staff_token), 404, "error")

        assert error == "Course run not found."

    @pytest.mark.parametrize(
        "email",
        ["dan\u0131@example.com", "%@example.com", "dan_@example.com"],
        ids=["dotless i", "percent", "underscore"],
    )
    def test_an_email_that_is_only_like_a_learners_is_404(
        self, webhook: str, email: str, staff_token: str, knock: Knock
    ):
        UserFactory.create(email="dani@example.com")

        refused(knock(webhook, {**EVENT, "email": email}, token=staff_token), 404, "error")


UNKNOWN_RUNS = {
    "course": "course-v1:MITx+8.01x+1T2026",
    "ccx": "ccx-v1:MITx+CCX+1T2026+ccx@99",
    "old": "MITx/8.01x/2013_Spring",
    "every_sign": "course-v1:MITx.x+6.00x~a:b-c+R_1",
    "other_letters": "course-v1:\u041c\u0424\u0422\u0418+\u041c1+2026",
    "without_its_run": "course-v1:MITx+8.01x",
}


@pytest.mark.parametrize("course_id", UNKNOWN_RUNS.values(), ids=UNKNOWN_RUNS)
def test_the_log_names_a_run_that_is_not_known_here(
    webhook: str, course_id: str, staff_token: str, knock: Knock, caplog: pytest.LogCaptureFixture
):
    refused(knock(webhook, {**EVENT, "course_id": course_id}, token=staff_token), 404, "error")

    (line,) = [record for record in caplog.records if "run not found" in record.getMessage()]
    assert (vars(line)["course_id"], line.levelname) == (course_id, "WARNING")


NO_RUNS = {
    "address": "anna@example.org",
    "address_as_org": "course-v1:anna@example.org+x+y",
    "address_as_run": "course-v1:x+y+anna@example.org",
    "address_as_ccx": "ccx-v1:MITx+CCX+1T2026+ccx@example.org",
    "address_before_ccx": "ccx-v1:anna@example.org+CCX+1T2026+ccx@99",
    "address_after_ccx": "ccx-v1:MITx+CCX+1T2026+ccx@99+anna@example.org",
    "address_in_the_old_form": "MITx/anna@example.org/2013",
    "address_encoded": "anna%40example.org",
    "address_encoded_in_a_key": "course-v1:anna%40example.org+x+y",
    "address_with_a_wide_sign": "anna\uff20example.org",
    "address_in_words": "anna at example.org",
    "tagged_address": "anna+ccx@99",
    "name": "Anna Example",
}


@pytest.mark.parametrize("course_id", NO_RUNS.values(), ids=NO_RUNS)
def test_the_log_masks_what_stands_for_a_run_and_looks_like_none(
    webhook: str, course_id: str, staff_token: str, knock: Knock, caplog: pytest.LogCaptureFixture
):
    refused(knock(webhook, {**EVENT, "course_id": course_id}, token=staff_token), 404, "error")

    assert "anna" not in "\n".join(str(vars(record)) for record in caplog.records).lower()


def test_a_refused_event_leaves_no_address_and_one_line_a_record_in_the_log(
    webhook: str, staff_token: str, knock: Knock, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    events = [
        {**EVENT, "email": "nobody.at.all@example.org"},
        {**EVENT, "course_id": "course-v1:MITx+none+1T2026 \u202e ERROR certificate created"},
        {**EVENT, "email": "evil@bad\ndomain.com"},
        {**EVENT, "email": "evil@domain with blanks"},
    ]

    for event in events:
        knock(webhook, event, token=staff_token)

    text = "\n".join(str(vars(record)) for record in caplog.records)
    assert caplog.records
    assert "nobody.at.all" not in text
    assert EMAIL not in text
    assert staff_token not in text
    assert "'email': 'example.org#" in text
    assert "'email': 'no-domain#" in text
    assert not any("\n" in record.getMessage() for record in caplog.records)
    assert not any(record.exc_info for record in caplog.records)


def test_open_edx_is_not_asked_about_a_refused_event(
    webhook: str, staff_token: str, knock: Knock, openedx: SimulatedOpenEdx
):
    knock(webhook, EVENT, token="unknown")
    knock(webhook, {**EVENT, "email": "nobody@example.com"}, token=staff_token)
    knock(webhook, {"email": EMAIL}, token=staff_token)

    assert openedx.request_count == 0


@pytest.mark.parametrize(
    ("length", "breaks_off"),
    [("2", False), ("", False), ("9" * 20, False), ("-5", False), ("500", True), ("70000", True)],
)
def test_a_body_shorter_than_announced_broke_off(rf: RequestFactory, length: str, breaks_off: bool):
    request = rf.post("/", b"{}", "application/json")
    request.META["CONTENT_LENGTH"] = length
    context = {"request": Request(request)}

    with pytest.raises(InvalidEvent, match="broke off") if breaks_off else nullcontext():
        assert EventParser().parse(io.BytesIO(b"{}"), parser_context=context) == {}


@pytest.mark.site("A host's middleware may ask the database before any view.")
def test_a_database_that_fails_is_a_503(
    webhook: str, staff_token: str, knock: Knock, broken_database: None
):
    response = knock(webhook, EVENT, token=staff_token)

    assert response.status_code == 503
    assert list(json.loads(response.content)) == ["error"]
