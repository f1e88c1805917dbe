"""The accounts on Open edX in the admin, and the OAuth2 tokens that open the webhooks."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from openedx.factories import OpenEdxUserFactory
from openedx.models import OpenEdxUser
from openedx_certificates.testing.webhooks import keeps_hashes_alone
from users.factories import UserFactory
from users.models import User

ACCOUNTS = reverse("admin:openedx_openedxuser_changelist")
TOKENS = "/admin/oauth2_provider/accesstoken/"


def found(client: Client, url: str, search: str) -> list[str]:
    response = client.get(url, {"q": search})
    return [row.user.username for row in response.context["cl"].result_list]


def account_form(account: OpenEdxUser, **changes: object) -> dict[str, object]:
    """What the user's page sends about the account on Open edX."""
    row = {
        "id": account.pk,
        "user": account.user_id,
        "platform": "edx",
        "edx_username": account.edx_username or "",
        "has_been_synced": "on",
        **changes,
    }
    return {
        "openedx_users-TOTAL_FORMS": 1,
        "openedx_users-INITIAL_FORMS": 1,
        **{f"openedx_users-0-{name}": value for name, value in row.items()},
    }


def save_user_page(client: Client, user: User, form: dict[str, object]):
    """Send the user's page, with nothing in the tables that other apps add to it."""
    page = reverse("admin:users_user_change", args=[user.pk])
    tables = [table.formset.prefix for table in client.get(page).context["inline_admin_formsets"]]
    empty = {f"{table}-{count}_FORMS": 0 for table in tables for count in ("TOTAL", "INITIAL")}
    return client.post(page, {**empty, "email": user.email, "is_active": "on", **form})


@pytest.mark.parametrize("search", ["Anna@Example.com", "anna@", "edx_anna", "anna-of-mitx"])
def test_an_account_is_found_by_its_learner_or_its_name(admin_client, search):
    UserFactory.create(
        username="anna-of-mitx",
        email="anna@example.com",
        openedx_user__edx_username="edx_anna",
    )
    UserFactory.create(username="bert", openedx_user__edx_username="bert")

    assert found(admin_client, ACCOUNTS, search) == ["anna-of-mitx"]


def test_the_missing_username_is_filled_in_on_the_user_page(admin_client):
    account = OpenEdxUserFactory.create(edx_username=None)

    save_user_page(admin_client, account.user, account_form(account, edx_username="edx_anna"))

    account.refresh_from_db()
    assert account.edx_username == "edx_anna"


def test_a_username_of_another_learner_is_refused(admin_client):
    OpenEdxUserFactory.create(edx_username="edx_bert")
    account = OpenEdxUserFactory.create(edx_username="edx_anna")

    response = save_user_page(
        admin_client, account.user, account_form(account, edx_username="edx_bert")
    )

    assert b"Open edX user with this Edx username already exists." in response.content
    account.refresh_from_db()
    assert account.edx_username == "edx_anna"


def test_an_emptied_username_is_none_and_collides_with_no_other(admin_client):
    OpenEdxUserFactory.create(edx_username=None)
    account = OpenEdxUserFactory.create()

    save_user_page(admin_client, account.user, account_form(account, edx_username=""))

    account.refresh_from_db()
    assert account.edx_username is None


def test_an_account_stays_with_its_learner(admin_client, user):
    account = OpenEdxUserFactory.create()
    page = reverse("admin:openedx_openedxuser_change", args=[account.pk])

    response = admin_client.post(page, {"user": user.pk, "edx_username": "edx_anna"})

    assert response.status_code == 302
    assert OpenEdxUser.objects.get(pk=account.pk).user == account.user


@pytest.fixture
def tokens(db: None) -> list[AccessToken]:
    """Tokens of two users for the plugin."""
    application = Application.objects.create(name="Open edX plugin")
    return [
        AccessToken.objects.create(
            user=UserFactory.create(username=name, email=f"{name}@mit.edu"),
            application=application,
            token=f"secret-of-{name}-{'x' * 20}",
            expires=timezone.now() + timedelta(days=1),
        )
        for name in ("plugin", "admin")
    ]


@keeps_hashes_alone
def test_tokens_are_found_by_their_users_address_and_shown_masked(admin_client, tokens):
    assert found(admin_client, TOKENS, "PLUGIN@mit.edu") == ["plugin"]
    assert b"secret-of" not in admin_client.get(TOKENS).content


def test_a_tokens_page_opens(admin_client, tokens):
    assert admin_client.get(f"{TOKENS}{tokens[0].pk}/change/").status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_tokens(
    admin_client, tokens, django_assert_max_num_queries
):
    application = tokens[0].application
    for number in range(30):
        AccessToken.objects.create(
            user=UserFactory.create(),
            application=application,
            token=f"token-{number}",
            expires=timezone.now(),
        )

    with django_assert_max_num_queries(10):
        admin_client.get(TOKENS)
