"""OPENEDX_WEBHOOK_REQUIRED_SCOPES: what a token must be good for."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from oauth2_provider.models import AccessToken
from rest_framework.test import APIClient

from openedx_certificates.testing.webhooks import EACH_WEBHOOK, Knock

pytestmark = pytest.mark.django_db

EVENT = {"email": "nobody@example.com", "course_id": "course-v1:MITx+6.00x+1T2026"}
# What is answered to a caller that may send events: no user has this address.
LET_IN = 404


@pytest.fixture(params=EACH_WEBHOOK)
def webhook(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(
    ("required", "carried", "status"),
    [
        ([], "", LET_IN),
        ([], "read", LET_IN),
        (["webhooks"], "webhooks", LET_IN),
        (["webhooks"], "read webhooks write", LET_IN),
        (["webhooks", "write"], "write webhooks", LET_IN),
        (["webhooks"], "", 403),
        (["webhooks"], "read write", 403),
        (["webhooks"], "webhooks-not", 403),
        (["webhooks", "write"], "webhooks", 403),
    ],
)
def test_a_token_that_lacks_one_is_403(
    webhook: str,
    knock: Knock,
    staff_token: str,
    settings: Any,
    required: list[str],
    carried: str,
    status: int,
):
    settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = required
    AccessToken.objects.update(scope=carried)

    reply = knock(webhook, EVENT, token=staff_token)

    assert reply.status_code == status
    assert list(reply.json()) == ["detail" if status == 403 else "error"]


class TestWhereItStandsAmongTheRefusals:
    @pytest.fixture(autouse=True)
    def required(self, settings: Any) -> None:
        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["webhooks"]

    @pytest.mark.parametrize("token", [None, "unknown"])
    def test_without_a_valid_token_it_is_401(self, webhook: str, knock: Knock, token: str | None):
        assert knock(webhook, EVENT, token=token).status_code == 401

    def test_the_method_and_the_type_and_the_body_are_looked_at_later(
        self, webhook: str, client: Client, staff_token: str
    ):
        headers = {"authorization": f"Bearer {staff_token}"}

        assert client.get(reverse(webhook), headers=headers).status_code == 403
        assert client.post(reverse(webhook), b"{", "text/plain", headers=headers).status_code == 403

    def test_who_got_in_without_a_token_has_no_scope(
        self, webhook: str, admin_drf_client: APIClient
    ):
        assert admin_drf_client.post(reverse(webhook), EVENT, format="json").status_code == 403


def test_where_none_is_required_who_got_in_without_a_token_is_let_in(
    webhook: str, admin_drf_client: APIClient
):
    assert admin_drf_client.post(reverse(webhook), EVENT, format="json").status_code == LET_IN
