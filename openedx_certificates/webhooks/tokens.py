"""The tokens that open the webhooks: how one is made and withdrawn, and when the last one ends."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from oauth2_provider import models as toolkit
from oauth2_provider.models import (
    get_access_token_model,
    get_application_model,
    get_refresh_token_model,
)
from oauth2_provider.scopes import get_scopes_backend

from openedx_certificates import host
from openedx_certificates.logs import get_logger
from openedx_certificates.settings import app_settings

log = get_logger(__name__)

DEFAULT_DAYS: Final = 365
MOST_DAYS: Final = 36_500
# Time to replace a token in Open edX's settings; docs/alerts.yml has the same number.
ENDS_SOON: Final = timedelta(days=21)

AccessToken: Final = get_access_token_model()

_APPLICATION: Final = "Open edX webhooks"
_BYTES: Final = 32
# The ORM would read the columns of three tables, and take as long to word it as the rest of an answer.
_FIND: Final = """
SELECT COLUMNS, account.is_staff, account.is_active
FROM TOKENS AS token
LEFT JOIN {users} AS account ON account.id = token.user_id
WHERE token.token_checksum = %s
"""
# Given if nothing is required yet, so that it can be later.
_WEBHOOKS_SCOPE: Final = "webhooks"


def list_scopes() -> dict[str, str]:
    """Return what a token can be good for: each scope with its description."""
    return dict(get_scopes_backend().get_all_scopes())


def default_scopes() -> list[str]:
    """Return the scopes of a token if no others are chosen."""
    backend = get_scopes_backend()
    # A host that does not know the webhooks' own scope has others.
    own = [_WEBHOOKS_SCOPE] if _WEBHOOKS_SCOPE in list_scopes() else backend.get_default_scopes()
    return list(dict.fromkeys([*own, *app_settings.REQUIRED_SCOPES]))


def check_token(user: host.User, days: int, scopes: Sequence[str]) -> None:
    """Raise ValidationError, by the names of the arguments, if such a token would open nothing."""
    known, required = list_scopes(), app_settings.REQUIRED_SCOPES
    errors = {}
    if not (user.is_staff and user.is_active):
        errors["user"] = f"{user.username} is not an active member of staff."
    if not 0 < days <= MOST_DAYS:
        errors["days"] = f"It goes from 1 to {MOST_DAYS}."
    if unknown := [scope for scope in scopes if scope not in known]:
        errors["scopes"] = f"{' '.join(unknown)} is unknown. There are: {' '.join(known)}."
    elif missing := [scope for scope in required if scope not in scopes]:
        errors["scopes"] = f"{' '.join(missing)} is required: the webhooks would refuse the token."
    if errors:
        raise ValidationError(errors)


@transaction.atomic
def make_token(
    user: host.User, days: int, scopes: Sequence[str], *, made_by_id: int | None
) -> tuple[Any, str]:
    """Make a token for a member of staff; return its row and the token.

    Args:
        user: the caller as which its bearer counts.
        days: how long it is valid.
        scopes: what it is good for.
        made_by_id: the key of the administrator, None for a command.

    Raises:
        ValidationError: as `check_token` does.
    """
    check_token(user, days, scopes)
    # Two at once would make two applications of the same name.
    host.users().select_for_update(no_key=True).get(pk=user.pk)
    applications = get_application_model().objects
    application = applications.filter(name=_APPLICATION, user=user).order_by("pk").first()
    if application is None:
        application = applications.create(
            name=_APPLICATION,
            user=user,
            client_type="confidential",
            authorization_grant_type="client-credentials",
        )
    token = secrets.token_urlsafe(_BYTES)
    row = AccessToken(
        user=user,
        application=application,
        expires=timezone.now() + timedelta(days=days),
        scope=" ".join(scopes),
    )
    if hasattr(toolkit, "set_token_value"):
        # Stores its hash alone, if the host's settings of the toolkit say so.
        toolkit.set_token_value(row, token)
    else:
        # Before its version 3.4 the toolkit stores a token as it is.
        row.token = token
    row.save()
    log.info(
        "token made",
        extra={
            "user_id": user.pk,
            "token_id": row.pk,
            "expires": row.expires,
            "scopes": list(scopes),
            "made_by_id": made_by_id,
        },
    )
    return row, token


def find_token(token: str) -> Any:
    """Return the token's row with its user and application, as far as a webhook asks; None if unknown.

    The other columns are read when they are asked for.
    """
    fields, statement = _find_statement()
    with connection.cursor() as cursor:
        cursor.execute(statement, [hashlib.sha256(token.encode()).hexdigest()])
        found = cursor.fetchone()
    if found is None:
        return None
    *values, is_staff, is_active = found
    columns = {
        field.attname: field.from_db_value(value, None, connection)
        if hasattr(field, "from_db_value")
        else value
        for field, value in zip(fields, values, strict=True)
    }
    row = host.row_of(AccessToken._meta.label, **columns)
    if row.user_id is not None:
        row.user = host.row_of("users.User", id=row.user_id, is_staff=is_staff, is_active=is_active)
    if row.application_id is not None:
        application = get_application_model()._meta.label
        row.application = host.row_of(application, id=row.application_id)
    return row


@cache
def _find_statement() -> tuple[list[Any], str]:
    """Return the columns that the toolkit's rules ask for, and the statement that reads them."""
    # `resource` came with its version 3.4.
    names = ("id", "user", "application", "expires", "scope", "resource")
    fields = [field for field in AccessToken._meta.concrete_fields if field.name in names]
    statement = _FIND.replace("COLUMNS", ", ".join(f"token.{field.column}" for field in fields))
    table = connection.ops.quote_name(AccessToken._meta.db_table)
    return fields, host.sql(statement.replace("TOKENS", table))


@transaction.atomic
def withdraw_tokens(tokens: Iterable[Any], *, withdrawn_by_id: int | None) -> int:
    """Make the tokens useless at once, with what could renew them; return how many they were.

    Args:
        tokens: their rows.
        withdrawn_by_id: the key of the administrator, None for a command.
    """
    count = 0
    for token in tokens:
        log.info(
            "token withdrawn",
            extra={
                "user_id": token.user_id,
                "token_id": token.pk,
                "withdrawn_by_id": withdrawn_by_id,
            },
        )
        renewal = get_refresh_token_model().objects.filter(access_token=token).first()
        (renewal or token).revoke()
        count += 1
    return count


def list_tokens_made_for(user: host.User) -> QuerySet[Any]:
    """Return what `make_token` has made for the user."""
    tokens: QuerySet[Any] = AccessToken.objects.filter(user=user, application__name=_APPLICATION)
    return tokens


def is_usable() -> Q:
    """Return which tokens open the webhooks now."""
    which = Q(user__is_staff=True, user__is_active=True, expires__gt=timezone.now())
    for scope in app_settings.REQUIRED_SCOPES:
        which &= Q(scope__regex=rf"(^|\s){re.escape(scope)}(\s|$)")
    return which


def find_last_end() -> datetime | None:
    """Return until when a token opens the webhooks; None if none does now. It asks one question."""
    last_end: datetime | None = AccessToken.objects.filter(is_usable()).aggregate(
        last_end=Max("expires")
    )["last_end"]
    return last_end
