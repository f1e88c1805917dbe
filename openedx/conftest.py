"""Fixtures for the webhooks: a token, and a hand that knocks with it."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken

from users.models import User

Knock = Callable[..., Any]
MakeToken = Callable[..., str]


@pytest.fixture
def make_token() -> MakeToken:
    """Make an access token, by default one that is valid for an hour."""

    def make(user: User | None, *, valid_for: timedelta = timedelta(hours=1)) -> str:
        return AccessToken.objects.create(
            user=user,
            token=f"token-{AccessToken.objects.count()}",
            expires=timezone.now() + valid_for,
            scope="read write",
        ).token

    return make


@pytest.fixture
def staff_token(staff_user: User, make_token: MakeToken) -> str:
    """The token of a member of staff."""
    return make_token(staff_user)


@pytest.fixture
def knock(client: Client) -> Knock:
    """Post an event, as JSON or as the bytes that are given, to one of the webhooks."""

    def post(
        webhook: str,
        event: Any,
        *,
        token: str | None,
        content_type: str = "application/json",
        **headers: str,
    ) -> Any:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        # As a header of its own too: the client leaves it out where the body is empty.
        return client.generic(
            "POST",
            reverse(webhook),
            body,
            content_type=content_type,
            headers=headers,
            CONTENT_TYPE=content_type,
        )

    return post


@pytest.fixture
def broken_database() -> Iterator[None]:
    """Every statement fails from here on, the way it does when the server goes away."""

    def fail(*_arguments: Any) -> Any:
        raise OperationalError("the connection was lost, value=secret")

    with connection.execute_wrapper(fail):
        yield
