"""The token of the plugin: until when it opens the webhooks."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import DEFAULT_DB_ALIAS, connection
from django.db import Error as DatabaseFailure
from django.utils import timezone

from openedx.tokens import ENDS_SOON, AccessToken, find_last_end


def check_tokens_end(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - as Django calls it
    databases: Sequence[str] | None = None,
    **kwargs: Any,  # noqa: ARG001 - as Django calls it
) -> list[CheckMessage]:
    """Report that no token opens the webhooks, or none will in three weeks, if the database is asked.

    Before the first migration there is none to be asked for.
    """
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        if AccessToken._meta.db_table not in connection.introspection.table_names():
            return []
        ends_on = find_last_end()
    except (DatabaseFailure, NotImplementedError):
        # Away or silent: that is told by readiness, and to each caller. The other is psycopg's, for
        # dates in a style that it does not read, which another check names.
        return []
    if ends_on is None:
        says = "No token opens the webhooks: every event is refused."
    elif ends_on - timezone.now() <= ENDS_SOON:
        says = f"The last token that opens the webhooks ends on {ends_on:%Y-%m-%d} (UTC)."
    else:
        return []
    return [
        CheckWarning(
            says,
            hint="manage.py create_webhook_token makes one; give it to Open edX's plugin.",
            id="main.W012",
        )
    ]
