"""What the tokens of the webhooks' callers must be good for."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_scopes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - as Django calls it
    """Report a scope that no token can have: each event would be refused."""
    known = settings.OAUTH2_PROVIDER["SCOPES"]
    return [
        Error(
            f"OPENEDX_WEBHOOK_REQUIRED_SCOPES names {scope}, which no token can have.",
            hint=f"There are: {', '.join(known)}.",
            id="main.E009",
        )
        for scope in settings.OPENEDX_WEBHOOK_REQUIRED_SCOPES
        if scope not in known
    ]
