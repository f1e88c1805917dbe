"""Passwords that are tried out, at each door that takes one, and how failures are counted."""

import base64
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client, RequestFactory
from django.urls import reverse
from oauth2_provider.models import Application

from main.middleware.passwords import INTROSPECTION, PASSWORD_DOORS
from main.middleware.passwords import PASSWORD as PASSWORD_SECRET
from openedx_certificates.webhooks.failures import TOKEN, count_failure, find_network, take_back
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db

LOGIN = reverse("admin:login")
PASSWORD = "correct horse battery staple"
CLIENT_SECRET = "the secret of a client"
NOON = datetime.fromisoformat("2026-03-02T12:00:00+00:00")
# Seconds after the minute, in the middle of a window.
IN_THE_MINUTE = 20


class CacheThatDropsInBetween(LocMemCache):
    """Forgets a count as soon as it has told it, as for another thread that needed the room."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        value = super().get(key, default, version)
        self.delete(key, version)
        return value


@pytest.fixture(autouse=True)
def three_may_fail(settings: Any) -> None:
    settings.FAILED_LOGINS_MAX = 3
    # Production's are slow on purpose.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The time, which stands still until it is moved."""
    with time_machine.travel(NOON + timedelta(seconds=IN_THE_MINUTE), tick=False) as traveller:
        yield traveller


@pytest.fixture
def admin(db: None) -> User:
    """An administrator with a password."""
    return User.objects.create_superuser("admin", "admin@example.com", PASSWORD)


def log_in(client: Client, password: str, **caller: str) -> Any:
    return client.post(LOGIN, {"username": "admin", "password": password}, **caller)


def fail_often(client: Client, **caller: str) -> list[int]:
    return [log_in(client, "a guess", **caller).status_code for _ in range(3)]


class TestTheLoginPage:
    def test_after_so_many_wrong_passwords_none_is_looked_at(self, client: Client, admin: User):
        assert fail_often(client) == [200, 200, 200]

        replies = [log_in(client, "a guess"), log_in(client, PASSWORD)]

        assert [reply.status_code for reply in replies] == [429, 429]
        assert {reply["Retry-After"] for reply in replies} == {str(60 - IN_THE_MINUTE)}
        assert b"another 40 seconds" in replies[1].content
        assert b"MITx Online certificates" in replies[1].content
        assert "sessionid" not in client.cookies

    def test_the_page_itself_is_still_shown(self, client: Client, admin: User):
        fail_often(client)
        log_in(client, "a guess")

        assert client.get(LOGIN).status_code == 200

    def test_when_the_window_has_passed_the_password_is_looked_at(
        self, client: Client, admin: User, clock: time_machine.Traveller
    ):
        fail_often(client)
        refused = log_in(client, PASSWORD)

        clock.shift(int(refused["Retry-After"]))

        assert log_in(client, PASSWORD).status_code == 302

    def test_another_address_is_not_affected(self, client: Client, admin: User):
        fail_often(client, REMOTE_ADDR="192.0.2.1")

        assert log_in(client, "a guess", REMOTE_ADDR="192.0.2.1").status_code == 429
        assert log_in(client, PASSWORD, REMOTE_ADDR="192.0.2.2").status_code == 302

    def test_who_logs_in_often_has_not_failed(self, client: Client, admin: User):
        replies = [log_in(client, PASSWORD) for _ in range(5)]

        assert {reply.status_code for reply in replies} == {302}

    def test_a_right_password_does_not_wash_the_wrong_ones_away(self, client: Client, admin: User):
        for _ in range(3):
            log_in(client, "a guess")
            last = log_in(client, PASSWORD)

        assert last.status_code == 429

    def test_a_learners_right_password_counts_as_a_failure(self, client: Client):
        # The page answers it like a wrong one: it must not tell by the count either.
        User.objects.create_user("admin", "dana@example.com", PASSWORD)

        replies = [log_in(client, PASSWORD) for _ in range(4)]

        assert [reply.status_code for reply in replies] == [200, 200, 200, 429]

    def test_many_guesses_at_once_are_not_all_looked_at(self, rf: RequestFactory):
        # None of them has failed yet.
        waits = [count_failure(rf.post(LOGIN), PASSWORD_SECRET, 3) for _ in range(6)]

        assert waits == [None, None, None, 40, 40, 40]

    def test_a_limit_of_0_is_none(self, client: Client, admin: User, settings: Any):
        settings.FAILED_LOGINS_MAX = 0

        assert [log_in(client, "a guess").status_code for _ in range(20)] == [200] * 20
        assert log_in(client, PASSWORD).status_code == 302

    def test_who_is_logged_in_goes_on_working(self, admin_client: Client, client: Client):
        fail_often(client)

        assert log_in(client, PASSWORD).status_code == 429
        assert admin_client.get(reverse("admin:index")).status_code == 200


def basic(secret: str) -> dict[str, str]:
    pair = base64.b64encode(f"a-client:{secret}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


class TestTheDoorsOfOAuth2:
    @pytest.fixture(autouse=True)
    def application(self, db: None) -> Application:
        """A client that may ask for tokens with its secret."""
        return Application.objects.create(
            client_id="a-client",
            client_secret=CLIENT_SECRET,
            client_type="confidential",
            authorization_grant_type="client-credentials",
            user=UserFactory.create(),
        )

    @pytest.fixture(params=sorted(PASSWORD_DOORS.keys() - {"admin:login"}))
    def door(self, request: pytest.FixtureRequest) -> str:
        return reverse(request.param)

    @pytest.fixture
    def form(self) -> dict[str, str]:
        return {"grant_type": "client_credentials", "token": "any"}

    def test_after_so_many_wrong_secrets_none_is_looked_at(
        self, client: Client, door: str, form: dict[str, str]
    ):
        wrong = [client.post(door, form, headers=basic("a guess")) for _ in range(4)]
        right = client.post(door, form, headers=basic(CLIENT_SECRET))

        assert all(400 <= reply.status_code < 404 for reply in wrong[:3])
        for reply in (wrong[3], right):
            assert reply.status_code == 429
            assert list(reply.json()) == ["detail"]
            assert reply["Retry-After"] == "40"

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_introspection_takes_guesses_by_any_method(self, client: Client, method: str):
        door = f"{reverse(INTROSPECTION)}?token=any"

        wrong = [client.generic(method, door, headers=basic("a guess")) for _ in range(4)]
        right = client.get(door, headers=basic(CLIENT_SECRET))

        assert [reply.status_code for reply in wrong] == [403, 403, 403, 429]
        assert right.status_code == 429

    def test_a_right_secret_counts_as_no_failure(
        self, client: Client, door: str, form: dict[str, str]
    ):
        replies = [client.post(door, form, headers=basic(CLIENT_SECRET)) for _ in range(5)]

        assert {reply.status_code for reply in replies} == {200}


class TestWhoseFailureItIs:
    @pytest.mark.parametrize(
        ("proxies", "forwarded", "network"),
        [
            (0, None, "10.0.0.1"),
            (0, "192.0.2.7", "10.0.0.1"),
            (1, None, "10.0.0.1"),
            (1, "192.0.2.7", "192.0.2.7"),
            (1, "203.0.113.9, 192.0.2.7", "192.0.2.7"),
            (2, "203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
            (2, "192.0.2.7", "192.0.2.7"),
            (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            (1, "::ffff:192.0.2.7", "192.0.2.7"),
            (1, "203.0.113.9, nonsense", "unknown"),
            (1, "", "unknown"),
        ],
        ids=str,
    )
    def test_as_many_hops_are_believed_as_there_are_proxies_of_ours(
        self, rf: RequestFactory, settings: Any, proxies: int, forwarded: str | None, network: str
    ):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
        headers = {} if forwarded is None else {"x-forwarded-for": forwarded}

        assert find_network(rf.get("/", REMOTE_ADDR="10.0.0.1", headers=headers)) == network

    def test_without_a_proxy_of_ours_a_header_of_the_callers_does_not_help(
        self, client: Client, admin: User
    ):
        for number in range(3):
            log_in(client, "a guess", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")

        reply = log_in(client, PASSWORD, HTTP_X_FORWARDED_FOR="192.0.2.99")

        assert reply.status_code == 429

    def test_behind_a_proxy_of_ours_what_the_caller_put_before_it_does_not_help(
        self, client: Client, admin: User, settings: Any
    ):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
        for number in range(3):
            log_in(client, "a guess", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}, 192.0.2.1")

        assert log_in(client, "x", HTTP_X_FORWARDED_FOR="1.1.1.1, 192.0.2.1").status_code == 429
        assert log_in(client, PASSWORD, HTTP_X_FORWARDED_FOR="192.0.2.2").status_code == 302

    def test_all_addresses_of_one_network_of_ipv6_are_one(self, client: Client, admin: User):
        for number in range(3):
            log_in(client, "a guess", REMOTE_ADDR=f"2001:db8:1:2::{number}")

        assert log_in(client, PASSWORD, REMOTE_ADDR="2001:db8:1:2:ffff::1").status_code == 429
        assert log_in(client, PASSWORD, REMOTE_ADDR="2001:db8:1:3::1").status_code == 302


class TestTheCount:
    def test_the_log_tells_once_for_an_address_and_a_window(
        self,
        client: Client,
        admin: User,
        clock: time_machine.Traveller,
        caplog: pytest.LogCaptureFixture,
    ):
        caplog.set_level(logging.WARNING)
        fail_often(client)
        assert not caplog.records

        for _ in range(3):
            log_in(client, "a guess", HTTP_X_FORWARDED_FOR="192.0.2.7")
        clock.shift(60)
        fail_often(client)
        log_in(client, "a guess")

        first, second = (
            record
            for record in caplog.records
            if record.name == "openedx_certificates.webhooks.failures"
        )
        assert first.getMessage() == second.getMessage() == "too many failed authentications"
        assert (first.network, first.secret) == ("127.0.0.1", "password")
        assert (first.is_proxy_unknown, second.is_proxy_unknown) == (True, False)

    def test_where_nothing_is_kept_nobody_is_refused(self, rf: RequestFactory, settings: Any):
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        request = rf.post(LOGIN)

        assert [count_failure(request, PASSWORD_SECRET, 3) for _ in range(9)] == [None] * 9
        take_back(request, PASSWORD_SECRET)

    def test_what_is_taken_back_after_its_window_takes_nothing_from_the_next(
        self, rf: RequestFactory, clock: time_machine.Traveller
    ):
        request = rf.post(LOGIN)
        count_failure(request, PASSWORD_SECRET, 3)

        clock.shift(60)
        take_back(request, PASSWORD_SECRET)

        assert [count_failure(request, PASSWORD_SECRET, 3) for _ in range(4)] == [None] * 3 + [40]

    def test_a_count_that_is_dropped_in_between_costs_nobody_the_login(
        self, client: Client, admin: User, settings: Any
    ):
        backend = f"{__name__}.{CacheThatDropsInBetween.__name__}"
        settings.CACHES = {"default": {"BACKEND": backend}}

        assert log_in(client, PASSWORD).status_code == 302

    def test_a_flood_of_addresses_is_kept_within_bounds(self, rf: RequestFactory, settings: Any):
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                "LOCATION": "a flood",
                "OPTIONS": {"MAX_ENTRIES": 100},
            }
        }
        for number in range(1_000):
            request = rf.post(LOGIN, REMOTE_ADDR=f"10.0.{number // 256}.{number % 256}")
            assert count_failure(request, PASSWORD_SECRET, 1) is None

        # The last is remembered, the first is long forgotten.
        assert count_failure(request, PASSWORD_SECRET, 1) == 40
        assert count_failure(rf.post(LOGIN, REMOTE_ADDR="10.0.0.0"), PASSWORD_SECRET, 1) is None

    def test_wrong_tokens_lock_nobody_out_of_the_login_page(
        self, rf: RequestFactory, client: Client, admin: User, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX = 1
        waits = [
            count_failure(rf.post("/"), TOKEN, settings.OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX)
            for _ in range(9)
        ]

        assert waits[-1] == 40
        assert log_in(client, PASSWORD).status_code == 302
