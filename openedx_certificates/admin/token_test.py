"""The access tokens in the admin: who makes them, for which users, and that each is shown once."""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, RefreshToken

from openedx_certificates.testing.factories import UserFactory
from openedx_certificates.testing.webhooks import Knock, keeps_hashes_alone
from users.models import User

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.site("A host chooses this page by the toolkit's ACCESS_TOKEN_ADMIN_CLASS."),
]

TOKENS = "/admin/oauth2_provider/accesstoken/"
ADD = f"{TOKENS}add/"
EVENT = {"email": "nobody@example.com", "course_id": "course-v1:MITx+6.00x+1T2026"}
DAY = timedelta(days=1)


@pytest.fixture
def plugin(db: None) -> User:
    """The service user of Open edX's plugin."""
    return UserFactory.create(username="plugin", email="plugin@mit.edu", is_staff=True)


@pytest.fixture
def keeper(client: Client) -> User:
    """A logged-in member of staff with the permissions to make, see and withdraw tokens."""
    keeper = UserFactory.create(is_staff=True)
    keeper.user_permissions.add(*Permission.objects.filter(codename__endswith="_accesstoken"))
    client.force_login(keeper)
    return keeper


def form_for(user: User, **fields: Any) -> dict[str, Any]:
    """What the page sends."""
    form = {"days": 365, "scopes": ["webhooks"], "form_id": str(uuid.uuid4())}
    return {"user": user.pk, **form, **fields}


def add(client: Client, user: User, **fields: Any) -> str:
    """Send the form, and return the token that is shown."""
    response = client.post(ADD, form_for(user, **fields))
    assert response.status_code == 200
    return response.context["token"].shown_once


def errors_of(client: Client, form: dict[str, Any]) -> dict[str, list[str]]:
    response = client.post(ADD, form)
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def status_of(token: str, knock: Knock) -> int:
    return knock("openedx-certificate-webhook", EVENT, token=token).status_code


def bearers(client: Client, term: str) -> list[str]:
    """Return the users that the page's search finds."""
    names = {"app_label": "oauth2_provider", "model_name": "accesstoken", "field_name": "user"}
    response = client.get(reverse("admin:openedx_token_bearers"), {"term": term, **names})
    assert response.status_code == 200
    return [found["text"] for found in response.json()["results"]]


class TestANewToken:
    def test_is_shown_and_opens_the_webhooks(
        self, admin_client: Client, plugin: User, knock: Knock
    ):
        response = admin_client.post(ADD, form_for(plugin))

        token = response.context["token"].shown_once
        assert response.content.decode().count(token) == 1
        assert status_of(token, knock) == 404
        row = AccessToken.objects.get()
        assert (row.user, row.scope) == (plugin, "webhooks")
        assert 364 * DAY < row.expires - timezone.now() <= 365 * DAY

    @keeps_hashes_alone
    def test_is_kept_by_nobody(
        self, admin_client: Client, plugin: User, caplog: pytest.LogCaptureFixture
    ):
        with caplog.at_level(logging.DEBUG):
            response = admin_client.post(ADD, form_for(plugin))

        token = response.context["token"].shown_once
        (entry,) = LogEntry.objects.all()
        (session,) = Session.objects.all()
        kept = [
            *AccessToken.objects.values_list(),
            *LogEntry.objects.values_list(),
            session.get_decoded(),
            *(vars(record) for record in caplog.records),
            {name: cookie.value for name, cookie in admin_client.cookies.items()},
        ]
        assert token not in str(kept)
        assert f"for user {plugin.pk}" in entry.change_message
        assert "no-store" in response["Cache-Control"]

    def test_is_logged_with_who_made_it_for_whom(
        self,
        admin_client: Client,
        admin_user: User,
        plugin: User,
        caplog: pytest.LogCaptureFixture,
    ):
        with caplog.at_level(logging.INFO, logger="openedx_certificates.webhooks.tokens"):
            add(admin_client, plugin)

        (record,) = [
            record
            for record in caplog.records
            if record.name == "openedx_certificates.webhooks.tokens"
        ]
        assert (record.event, record.levelname) == ("token made", "INFO")
        assert (record.user_id, record.made_by_id) == (plugin.pk, admin_user.pk)
        assert (record.token_id, record.scopes) == (AccessToken.objects.get().pk, ["webhooks"])

    @keeps_hashes_alone
    @pytest.mark.parametrize(
        "spell",
        [str, str.upper, lambda form_id: form_id.replace("-", ""), " {}".format],
        ids=["alike", "in capitals", "without hyphens", "behind a blank"],
    )
    def test_is_made_once_and_shown_once_however_often_the_form_is_sent(
        self, admin_client: Client, plugin: User, spell: Callable[[str], str]
    ):
        form = form_for(plugin)
        token = admin_client.post(ADD, form).context["token"].shown_once

        form["form_id"] = spell(str(form["form_id"]))
        again = admin_client.post(ADD, form, follow=True)

        assert again.redirect_chain == [(TOKENS, 302)]
        assert "It can&#x27;t be shown again" in again.content.decode()
        assert token not in again.content.decode()
        assert AccessToken.objects.count() == 1

    def test_has_the_scopes_and_the_days_that_were_chosen(self, admin_client: Client, plugin: User):
        add(admin_client, plugin, scopes=["read", "webhooks"], days=7)

        row = AccessToken.objects.get()
        assert row.scope == "read webhooks"
        assert 6 * DAY < row.expires - timezone.now() <= 7 * DAY

    def test_belongs_to_the_application_that_the_command_uses_too(
        self, admin_client: Client, plugin: User
    ):
        add(admin_client, plugin)
        add(admin_client, plugin)
        call_command("create_webhook_token", "--username", "plugin", "--replace")

        assert AccessToken.objects.count() == Application.objects.count() == 1

    def test_is_made_where_two_applications_bear_the_name(self, admin_client: Client, plugin: User):
        for _ in range(2):
            Application.objects.create(name="Open edX webhooks", user=plugin)

        add(admin_client, plugin)

        assert AccessToken.objects.count() == 1


class TestTheForm:
    def test_proposes_what_the_webhooks_ask_for(self, admin_client: Client, settings: Any):
        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["write"]

        form = admin_client.get(ADD).context["adminform"].form

        assert form["days"].value() == 365
        assert form["scopes"].value() == ["webhooks", "write"]
        assert [name for name, _text in form.fields["scopes"].choices] == [
            "read",
            "write",
            "webhooks",
        ]

    @pytest.mark.parametrize(
        ("fields", "name", "words"),
        [
            ({"user": ""}, "user", "This field is required."),
            ({"user": "0"}, "user", "Select a valid choice."),
            ({"days": ""}, "days", "This field is required."),
            ({"days": "0"}, "days", "greater than or equal to 1"),
            ({"days": "36501"}, "days", "less than or equal to 36500"),
            ({"days": "a year"}, "days", "Enter a whole number."),
            ({"scopes": []}, "scopes", "This field is required."),
            ({"scopes": ["everything"]}, "scopes", "everything is not one of"),
            ({"form_id": ""}, "form_id", "This field is required."),
        ],
    )
    def test_says_what_is_wrong(
        self, admin_client: Client, plugin: User, fields: dict[str, Any], name: str, words: str
    ):
        found = errors_of(admin_client, form_for(plugin) | fields)

        assert list(found) == [name]
        assert words in str(found[name])
        assert not AccessToken.objects.exists()

    def test_refuses_a_token_that_would_open_nothing(
        self, admin_client: Client, plugin: User, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["webhooks"]

        found = errors_of(admin_client, form_for(plugin, scopes=["read"]))

        assert found == {"scopes": ["webhooks is required: the webhooks would refuse the token."]}
        assert not AccessToken.objects.exists()

    @pytest.mark.parametrize(
        "fields", [{"is_staff": False}, {"is_staff": True, "is_active": False}]
    )
    def test_takes_active_staff_alone(self, admin_client: Client, fields: dict[str, bool]):
        dana = UserFactory.create(username="dana", **fields)

        found = errors_of(admin_client, form_for(dana))

        assert list(found) == ["user"]
        assert bearers(admin_client, "dana") == []

    def test_finds_staff_by_address_and_name(self, admin_client: Client, plugin: User):
        UserFactory.create(username="plug", email="plug@mit.edu")

        assert bearers(admin_client, "plug") == ["plugin"]
        assert bearers(admin_client, "Plugin@MIT.edu") == ["plugin"]

    def test_adds_one_token_and_nothing_beside_it(self, admin_client: Client):
        content = admin_client.get(ADD).content.decode()

        assert "_addanother" not in content
        assert "_continue" not in content


class TestWhoMay:
    def test_who_has_the_permission(self, client: Client, keeper: User, plugin: User, knock: Knock):
        token = add(client, plugin)

        assert status_of(token, knock) == 404
        assert bearers(client, "plugin") == ["plugin"]

    def test_but_not_for_a_superuser(self, client: Client, keeper: User):
        boss = UserFactory.create(username="boss", is_staff=True, is_superuser=True)

        found = errors_of(client, form_for(boss))

        assert list(found) == ["user"]
        assert bearers(client, "boss") == []
        assert not AccessToken.objects.exists()

    def test_nobody_of_the_staff_without_it(self, client: Client, staff_user: User, plugin: User):
        staff_user.user_permissions.add(Permission.objects.get(codename="view_accesstoken"))
        client.force_login(staff_user)

        assert client.get(TOKENS).status_code == 200
        assert client.post(ADD, form_for(plugin)).status_code == 403
        assert client.get(reverse("admin:openedx_token_bearers")).status_code == 403
        assert not AccessToken.objects.exists()

    def test_no_learner(self, client: Client, user: User, plugin: User):
        client.force_login(user)

        assert client.post(ADD, form_for(plugin)).status_code == 302
        assert not AccessToken.objects.exists()


class TestTheList:
    @pytest.mark.parametrize(
        ("row", "owner", "required", "is_usable"),
        [
            ({}, {}, [], True),
            ({"scope": "read webhooks"}, {}, ["webhooks"], True),
            ({"scope": "webhooks-not"}, {}, ["webhooks"], False),
            ({"scope": ""}, {}, ["webhooks"], False),
            ({"expires": timezone.now() - DAY}, {}, [], False),
            ({}, {"is_active": False}, [], False),
            ({}, {"is_staff": False}, [], False),
            ({"user": None}, {}, [], False),
        ],
        ids=["fresh", "scope", "another scope", "no scope", "over", "gone", "learner", "nobody's"],
    )
    def test_tells_what_a_token_is_good_for_as_the_webhook_does(
        self,
        admin_client: Client,
        plugin: User,
        knock: Knock,
        settings: Any,
        row: dict[str, Any],
        owner: dict[str, bool],
        required: list[str],
        is_usable: bool,
    ):
        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = required
        User.objects.filter(pk=plugin.pk).update(**owner)
        token = AccessToken.objects.create(
            **{"user": plugin, "token": "x" * 40, "expires": timezone.now() + DAY} | row
        )

        (listed,) = admin_client.get(TOKENS).context["cl"].result_list
        filtered = {
            choice: list(admin_client.get(TOKENS, {"usable": choice}).context["cl"].result_list)
            for choice in ("yes", "no")
        }

        assert bool(listed.is_usable) is is_usable
        assert filtered == {"yes": [token] * is_usable, "no": [token] * (not is_usable)}
        assert (status_of("x" * 40, knock) == 404) is is_usable

    @keeps_hashes_alone
    def test_shows_neither_token_nor_hash(self, admin_client: Client, plugin: User):
        old = AccessToken.objects.create(user=plugin, token="x" * 40, expires=timezone.now())
        add(admin_client, plugin)

        pages = [
            TOKENS,
            *(f"{TOKENS}{pk}/change/" for pk in AccessToken.objects.values_list("pk", flat=True)),
        ]
        content = "".join(admin_client.get(page).content.decode() for page in pages)

        assert "x" * 4 not in content
        assert old.token_checksum
        for checksum in AccessToken.objects.values_list("token_checksum", flat=True):
            assert checksum not in content

    def test_a_token_is_not_changed(self, admin_client: Client, plugin: User):
        add(admin_client, plugin)
        row = AccessToken.objects.get()

        response = admin_client.post(f"{TOKENS}{row.pk}/change/", {"expires_0": "2099-01-01"})

        assert response.status_code == 403


class TestWithdrawing:
    @pytest.fixture
    def token(self, admin_user: User, plugin: User) -> str:
        client = Client()
        client.force_login(admin_user)
        return add(client, plugin)

    @pytest.mark.parametrize("where", ["its page", "the list"])
    def test_a_token_that_is_deleted_opens_nothing(
        self,
        client: Client,
        keeper: User,
        plugin: User,
        token: str,
        knock: Knock,
        where: str,
        caplog: pytest.LogCaptureFixture,
    ):
        row = AccessToken.objects.get()
        page, form = f"{TOKENS}{row.pk}/delete/", {"post": "yes"}
        if where == "the list":
            page, form = TOKENS, form | {"action": "delete_selected", "_selected_action": row.pk}

        with caplog.at_level(logging.INFO, logger="openedx_certificates.webhooks.tokens"):
            client.post(page, form)

        assert status_of(token, knock) == 401
        (record,) = [
            record
            for record in caplog.records
            if record.name == "openedx_certificates.webhooks.tokens"
        ]
        assert record.event == "token withdrawn"
        assert (record.user_id, record.token_id, record.withdrawn_by_id) == (
            plugin.pk,
            row.pk,
            keeper.pk,
        )
        assert LogEntry.objects.filter(user=keeper, object_id=row.pk).count() == 1

    def test_nothing_renews_it(self, admin_client: Client, plugin: User, token: str):
        row = AccessToken.objects.get()
        renewal = RefreshToken.objects.create(
            user=plugin, token="y" * 40, application=row.application, access_token=row
        )

        admin_client.post(f"{TOKENS}{row.pk}/delete/", {"post": "yes"})

        renewal.refresh_from_db()
        assert renewal.revoked
        assert not AccessToken.objects.exists()

    def test_who_only_looks_withdraws_nothing(
        self, client: Client, staff_user: User, token: str, knock: Knock
    ):
        staff_user.user_permissions.add(Permission.objects.get(codename="view_accesstoken"))
        client.force_login(staff_user)
        pk = AccessToken.objects.get().pk

        client.post(f"{TOKENS}{pk}/delete/", {"post": "yes"})
        client.post(TOKENS, {"action": "delete_selected", "_selected_action": pk, "post": "yes"})

        assert status_of(token, knock) == 404
