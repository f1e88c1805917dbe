"""`manage.py create_webhook_token`: the token it prints opens the webhooks."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from oauth2_provider.models import AccessToken

from openedx_certificates.testing.factories import UserFactory
from openedx_certificates.testing.webhooks import Knock, keeps_hashes_alone
from users.models import User

pytestmark = pytest.mark.django_db

WEBHOOK = "openedx-certificate-webhook"


def make_token(*arguments: str) -> str:
    out = StringIO()
    call_command("create_webhook_token", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def opens(token: str, knock: Knock) -> bool:
    status = knock(WEBHOOK, {"email": "nobody@example.com", "course_id": "x"}, token=token)
    return status.status_code == 404


def test_the_token_is_all_that_standard_output_holds_and_it_works(knock: Knock):
    printed = make_token()

    token = printed.strip()
    assert printed == f"{token}\n"
    assert opens(token, knock)
    service_user = AccessToken.objects.get().user
    assert service_user.is_staff
    assert not service_user.is_superuser
    assert not service_user.has_usable_password()


@keeps_hashes_alone
def test_only_its_hash_is_stored():
    token = make_token().strip()

    assert token not in str(vars(AccessToken.objects.get()))


def test_a_second_token_leaves_the_first_valid_and_makes_no_second_user(knock: Knock):
    tokens = [make_token().strip(), make_token().strip()]

    assert all(opens(token, knock) for token in tokens)
    assert User.objects.count() == 1


def test_replace_withdraws_the_tokens_before(knock: Knock):
    old = make_token().strip()

    new = make_token("--replace").strip()

    assert opens(new, knock)
    assert not opens(old, knock)


def test_the_token_is_valid_for_the_days_asked_for():
    make_token("--days", "7")

    left = AccessToken.objects.get().expires - timezone.now()
    assert timedelta(days=6) < left <= timedelta(days=7)


@pytest.mark.parametrize("days", ["0", "-1", "36501"])
def test_a_useless_validity_is_an_error(days: str):
    with pytest.raises(CommandError, match="--days"):
        make_token("--days", days)

    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("fields", [{"is_staff": False}, {"is_staff": True, "is_active": False}])
def test_a_learners_account_is_not_made_staff(fields: dict[str, bool]):
    UserFactory.create(username="dana", **fields)

    with pytest.raises(CommandError, match="--username: dana is not an active member of staff"):
        make_token("--username", "dana")

    assert not AccessToken.objects.exists()


def test_an_address_that_is_taken_is_an_error():
    UserFactory.create(email="plugin@example.com")

    with pytest.raises(CommandError, match="has this e-mail address"):
        make_token("--email", "PLUGIN@example.com")


class TestScopes:
    @pytest.mark.site("Scopes are the host's: it may have none for the webhooks.")
    def test_a_token_is_good_for_the_webhooks_before_that_is_required(
        self, knock: Knock, settings: Any
    ):
        token = make_token().strip()

        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["webhooks"]

        assert opens(token, knock)
        assert AccessToken.objects.get().scope == "webhooks"

    @pytest.mark.site("Scopes are the host's: it may have none for the webhooks.")
    def test_all_that_are_required_are_given(self, knock: Knock, settings: Any):
        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["write", "read"]

        assert opens(make_token().strip(), knock)
        assert AccessToken.objects.get().scope == "webhooks write read"

    def test_others_are_given_where_they_are_asked_for(self):
        make_token("--scope", "read", "--scope", "write")

        assert AccessToken.objects.get().scope == "read write"

    def test_one_that_there_is_not_is_an_error(self):
        with pytest.raises(CommandError, match="--scope: everything is unknown"):
            make_token("--scope", "everything")

    def test_a_token_that_would_open_nothing_is_not_made(self, settings: Any):
        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["webhooks"]

        with pytest.raises(CommandError, match="--scope: webhooks is required"):
            make_token("--scope", "read")

        assert not AccessToken.objects.exists()
