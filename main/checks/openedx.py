"""Asking Open edX."""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from main.checks.tokens import is_sendable

# The plugin's own time-out: ol_openedx_events_handler waits this many seconds for our answer.
PLUGIN_PATIENCE_SECONDS: Final = 30
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
PARTS_OF_A_QUESTION: Final = ("EDX_API_CLIENT_CONNECT_TIMEOUT", "EDX_API_CLIENT_READ_TIMEOUT")
# What stands in our own examples and defaults, and in everybody's.
PLACEHOLDERS: Final = ("...", "changeme", "development-service-worker-token")


def check_openedx(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - as Django calls it
    """Report what keeps us from asking Open edX, or from asking it safely and in time."""
    return [*_look_at_times(), *_look_at_address(), *_look_at_token()]


def _look_at_times() -> Iterator[CheckMessage]:
    if settings.EDX_API_PAGE_SIZE < 1:
        yield Error("EDX_API_PAGE_SIZE is below 1.", hint="100 is the default.", id="main.E003")
    total = settings.EDX_API_CLIENT_TIMEOUT
    if not 0 < total < PLUGIN_PATIENCE_SECONDS:
        yield Error(
            f"EDX_API_CLIENT_TIMEOUT is {total:g} seconds; "
            f"the plugin waits {PLUGIN_PATIENCE_SECONDS} for our answer.",
            hint="Set it above 0 and under 30; 10 is the default.",
            id="main.E001",
        )
        return
    for name in PARTS_OF_A_QUESTION:
        seconds = getattr(settings, name)
        if seconds <= 0:
            yield Error(f"{name} is not above 0: no question can be asked.", id="main.E010")
        elif seconds > total:
            yield CheckWarning(
                f"{name} is {seconds:g} seconds, and EDX_API_CLIENT_TIMEOUT ends each question "
                f"after {total:g}.",
                hint="It counts as if it were the same.",
                id="main.W004",
            )


def _look_at_address() -> Iterator[CheckMessage]:
    # Not shown: somebody may have put a password in.
    not_an_address = Error(
        "OPENEDX_API_BASE_URL is not the address of a server.",
        hint="Set it to something like https://courses.example.org",
        id="main.E002",
    )
    try:
        address = urlsplit(settings.OPENEDX_API_BASE_URL)
        _ = address.port
    except ValueError:
        yield not_an_address
        return
    is_more = address.query or address.fragment or address.username is not None
    if address.scheme not in ("http", "https") or not address.hostname or is_more:
        yield not_an_address
    elif address.scheme == "http" and not settings.DEBUG and address.hostname not in LOOPBACK_HOSTS:
        yield CheckWarning(
            "OPENEDX_API_BASE_URL is not https: the service worker's token travels in clear.",
            hint="Use https, unless the network between is private.",
            id="main.W001",
        )


def _look_at_token() -> Iterator[CheckMessage]:
    token = settings.OPENEDX_SERVICE_WORKER_API_TOKEN
    if not is_sendable(token):
        yield Error(
            "OPENEDX_SERVICE_WORKER_API_TOKEN holds a blank, or a character that no token has.",
            hint="Is there a line break at its end?",
            id="main.E011",
        )
    elif token in PLACEHOLDERS and not settings.DEBUG:
        yield CheckWarning(
            "OPENEDX_SERVICE_WORKER_API_TOKEN is what stands in an example.",
            hint="Set it to the token of a staff service user of Open edX.",
            id="main.W005",
        )
