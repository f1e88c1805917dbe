"""`check --database default`: whether a token opens the webhooks, and for how long."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from oauth2_provider.models import AccessToken

from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def complaints(databases: list[str] | None = None) -> list[str]:
    found = run_checks(databases=["default"] if databases is None else databases)
    return [check.msg for check in found if check.id == "main.W012"]


def have_token(user: User, valid_for: timedelta) -> None:
    count = AccessToken.objects.count()
    AccessToken.objects.create(
        user=user, token=f"token-{count}", expires=timezone.now() + valid_for, scope="read write"
    )


def test_without_a_token_it_says_so():
    assert complaints() == ["No token opens the webhooks: every event is refused."]


@pytest.mark.parametrize(("days", "count"), [(22, 0), (20, 1)])
def test_three_weeks_before_the_last_ends_it_says_so(staff_user: User, days: int, count: int):
    for valid_for in (DAY, days * DAY):
        have_token(staff_user, valid_for)

    found = complaints()

    assert len(found) == count
    assert all("The last token that opens the webhooks ends on" in text for text in found)


@pytest.mark.parametrize("owner", [{}, {"is_staff": True, "is_active": False}])
def test_a_token_that_the_webhooks_refuse_does_not_count(owner: dict[str, bool]):
    have_token(UserFactory.create(**owner), 365 * DAY)

    assert complaints() == ["No token opens the webhooks: every event is refused."]


def test_a_token_without_a_required_scope_does_not_count(staff_user: User, settings: Any):
    have_token(staff_user, 365 * DAY)
    settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["webhooks"]

    assert complaints() == ["No token opens the webhooks: every event is refused."]


def test_the_database_is_asked_by_those_checks_alone_that_name_it(
    django_assert_num_queries: Any,
):
    with django_assert_num_queries(0):
        assert complaints(databases=[]) == []


def test_before_the_first_migration_nothing_is_said():
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE oauth2_provider_accesstoken CASCADE")

    assert complaints() == []


def test_the_command_for_it_is_django_s_own(capsys: pytest.CaptureFixture[str]):
    out = io.StringIO()

    call_command("check", "--database", "default", stdout=out, stderr=out)

    assert "main.W012" in out.getvalue()
