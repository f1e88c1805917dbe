"""The readers of the webhooks' schema, and that the public schema does not tell of them."""

import json
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from drf_spectacular.validation import validate_schema

from openedx_certificates import __version__
from openedx_certificates.testing.webhooks import MakeToken
from users.models import User

pytestmark = pytest.mark.django_db

WEBHOOKS = "/api/schema/webhooks/"
DOCS = "/api/schema/webhooks/docs/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JSON = "application/vnd.oai.openapi+json"


OF_BOTH = pytest.mark.site("A host's enrollment webhook is its own, described or not.")
needs_files = pytest.mark.skipif(
    not apps.is_installed("drf_spectacular_sidecar"), reason="The extra [docs] is not installed."
)


@pytest.fixture(
    params=[
        pytest.param(WEBHOOKS, id="schema"),
        pytest.param(DOCS, id="docs", marks=needs_files),
    ]
)
def address(request: pytest.FixtureRequest) -> str:
    return request.param


def refused(response: Any, status: int) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert list(json.loads(response.content)) == ["detail"]


def sent_to_log_in(response: Any, address: str) -> None:
    assert response.status_code == 302
    assert response["Location"] == f"{reverse('admin:login')}?next={address}"


class TestWhoMayRead:
    @pytest.mark.parametrize("accept", ["*/*", "application/json", "application/yaml", ""])
    def test_a_program_without_a_token_is_401(self, address: str, accept: str, client: Client):
        response = client.get(address, headers={"accept": accept})

        refused(response, 401)
        assert response["WWW-Authenticate"].startswith("Bearer")

    def test_an_unknown_token_is_401(self, address: str, client: Client):
        refused(client.get(address, headers={"authorization": "Bearer unknown"}), 401)

    def test_the_token_of_a_learner_is_403(
        self, address: str, user: User, make_token: MakeToken, client: Client
    ):
        authorization = f"Bearer {make_token(user)}"

        refused(client.get(address, headers={"authorization": authorization}), 403)

    @pytest.mark.parametrize("method", ["OPTIONS", "POST", "DELETE"])
    def test_other_methods_are_405_in_json(
        self, address: str, method: str, staff_user: User, client: Client
    ):
        client.force_login(staff_user)

        refused(client.generic(method, address), 405)

    def test_a_learner_who_is_logged_in_is_403(self, address: str, user: User, client: Client):
        client.force_login(user)

        refused(client.get(address), 403)

    @pytest.mark.site("The login page is the host's.")
    def test_a_browser_is_sent_to_the_admins_login(self, address: str, client: Client):
        sent_to_log_in(client.get(address, headers={"accept": BROWSER}), address)

    @pytest.mark.site("The login page is the host's.")
    def test_a_learners_browser_too_which_tells_why(self, address: str, user: User, client: Client):
        client.force_login(user)

        response = client.get(address, headers={"accept": BROWSER}, follow=True)

        assert "are not authorized to access this page" in response.content.decode()

    @pytest.mark.parametrize("accept", ["*/*", BROWSER], ids=["program", "browser"])
    def test_staff_who_are_logged_in_read_it(
        self, address: str, accept: str, staff_user: User, client: Client
    ):
        client.force_login(staff_user)

        assert client.get(address, headers={"accept": accept}).status_code == 200

    def test_a_token_of_staff_reads_it(self, address: str, staff_token: str, client: Client):
        response = client.get(address, headers={"authorization": f"Bearer {staff_token}"})

        assert response.status_code == 200

    def test_another_method_than_get_is_405(self, address: str, staff_token: str, client: Client):
        response = client.post(
            address, "{}", "application/json", headers={"authorization": f"Bearer {staff_token}"}
        )

        refused(response, 405)


@pytest.fixture
def schema(staff_user: User, client: Client) -> dict[str, Any]:
    client.force_login(staff_user)
    return json.loads(client.get(WEBHOOKS, headers={"accept": JSON}).content)


def test_it_is_valid_openapi_and_nothing_in_it_was_guessed(
    schema: dict[str, Any], capsys: pytest.CaptureFixture[str]
):
    validate_schema(schema)

    # drf-spectacular says there what it could not make out.
    assert capsys.readouterr().err == ""


@OF_BOTH
def test_it_describes_both_webhooks_and_their_token(schema: dict[str, Any]):
    certificate, enrollment = (
        reverse(f"openedx-{name}-webhook") for name in ("certificate", "enrollment")
    )
    assert list(schema["paths"]) == [certificate, enrollment]
    for path in schema["paths"].values():
        assert list(path) == ["post"]
        assert path["post"]["security"] == [{"bearerToken": []}]
    assert schema["components"]["securitySchemes"]["bearerToken"]["scheme"] == "bearer"


@OF_BOTH
def test_it_tells_how_long_a_field_may_be_and_what_it_may_hold(schema: dict[str, Any]):
    fields = schema["components"]["schemas"]["EnrollmentEvent"]["properties"]

    assert {name: field["maxLength"] for name, field in fields.items()} == {
        "email": 254,
        "course_id": 255,
        "mode": 20,
        "role": 64,
    }
    for field in fields.values():
        assert r"\u0000-\u001f\u007f-\u009f\u2028\u2029" in field["pattern"]


@pytest.mark.site("A host's public schema tells of its own.")
def test_the_public_schema_does_not_tell_of_the_webhooks(schema: dict[str, Any], client: Client):
    response = Client().get("/api/schema/", headers={"accept": JSON})

    public = json.loads(response.content)
    assert list(public["paths"]) == ["/api/schema/"]
    assert list(public["components"]) == ["securitySchemes"]
    assert public["info"] == {"title": "MITx Online certificates", "version": __version__}
    assert "webhook" not in response.content.decode()


@needs_files
def test_the_page_is_made_of_the_sites_own_files(staff_user: User, client: Client):
    client.force_login(staff_user)

    page = client.get(DOCS)

    text = page.content.decode()
    assert "http:" not in text
    assert "https:" not in text
    # A Content-Security-Policy without `unsafe-inline` lets nothing else run.
    assert "<style" not in text
    assert text.count("<script") == text.count("<script src=")
