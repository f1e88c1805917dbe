"""System checks, numbered: what is set, and cannot work or is not safe."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

# The plugin's own time-out: ol_openedx_events_handler waits this many seconds for our answer.
PLUGIN_PATIENCE_SECONDS = 30
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def check_openedx(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Report what keeps us from asking Open edX, or from asking it safely and in time."""
    found: list[CheckMessage] = []
    if not 0 < settings.EDX_API_CLIENT_TIMEOUT < PLUGIN_PATIENCE_SECONDS:
        found.append(
            Error(
                f"EDX_API_CLIENT_TIMEOUT is {settings.EDX_API_CLIENT_TIMEOUT:g} seconds; "
                f"the plugin waits {PLUGIN_PATIENCE_SECONDS} for our answer.",
                hint="Set it above 0 and under 30; 10 is the default.",
                id="main.E001",
            )
        )
    base_url = urlsplit(settings.OPENEDX_API_BASE_URL)
    if base_url.scheme not in ("http", "https") or not base_url.hostname or base_url.query:
        found.append(
            Error(
                "OPENEDX_API_BASE_URL is not the address of a server.",
                hint="Set it to something like https://courses.example.org",
                id="main.E002",
            )
        )
    elif (
        base_url.scheme == "http" and not settings.DEBUG and base_url.hostname not in LOOPBACK_HOSTS
    ):
        found.append(
            CheckWarning(
                "OPENEDX_API_BASE_URL is not https: the service worker's token travels in clear.",
                hint="Use https, unless the network between is private.",
                id="main.W001",
            )
        )
    if settings.EDX_API_PAGE_SIZE < 1:
        found.append(
            Error("EDX_API_PAGE_SIZE is below 1.", hint="100 is the default.", id="main.E003")
        )
    return found


def check_celery(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Report a Celery that would wait for a broker nobody named."""
    if settings.CELERY_TASK_ALWAYS_EAGER or settings.CELERY_BROKER_URL:
        return []
    return [
        Error(
            "CELERY_TASK_ALWAYS_EAGER is off and CELERY_BROKER_URL is not set.",
            hint="Set CELERY_BROKER_URL, such as redis://localhost:6379/0.",
            id="main.E004",
        )
    ]
