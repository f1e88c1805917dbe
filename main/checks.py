"""System checks, numbered: what is set, and cannot work or is not safe."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, run_checks
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

# The plugin's own time-out: ol_openedx_events_handler waits this many seconds for our answer.
PLUGIN_PATIENCE_SECONDS = 30
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
# Renewed after a quarter of it, and at least every five seconds that Open edX is waited for; a page
# is worked through in less than the rest.
SWEEP_LEASE_LEAST_SECONDS = 30
LEAST = {
    # Without a place to sweep nothing is ever swept.
    "CERTIFICATE_SWEEPS_AT_ONCE": 1,
    "CERTIFICATE_SWEEP_REST_MAX_IN_HOURS": 0,
    "CERTIFICATE_DELETIONS_MAX": 0,
    "CERTIFICATE_DELETIONS_MAX_PERCENT": 0,
    "CERTIFICATE_REQUEST_RETENTION_IN_DAYS": 1,
    # With none at all every event is left to a worker.
    "CERTIFICATE_WEBHOOK_WAITING_MAX": 0,
    "OPENEDX_PAUSE_AFTER_FAILURES": 1,
    "FAILED_TOKENS_MAX": 0,
    "FAILED_LOGINS_MAX": 0,
    "FAILED_AUTHENTICATIONS_WINDOW": 1,
    "TRUSTED_PROXIES": 0,
}


def refuse_what_can_not_work() -> None:
    """Raise ImproperlyConfigured, naming all of it, where a check finds an error.

    manage.py asks the checks before each command; a program that is started without it must too.
    """
    if serious := [check for check in run_checks() if check.is_serious()]:
        raise ImproperlyConfigured("\n".join(map(str, serious)))


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


def check_requests(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    """Report what would lose a held request, or ask twice for one."""
    found: list[CheckMessage] = []
    if settings.CERTIFICATE_REQUEST_LEASE <= settings.EDX_API_CLIENT_TIMEOUT:
        found.append(
            Error(
                f"CERTIFICATE_REQUEST_LEASE is {settings.CERTIFICATE_REQUEST_LEASE:g} seconds: it "
                "runs out while Open edX is asked, and another asks the same.",
                hint="Set it well above EDX_API_CLIENT_TIMEOUT; 120 is the default.",
                id="main.E005",
            )
        )
    if any(delay < 0 for delay in settings.CERTIFICATE_REQUEST_NOT_PASSED_DELAYS):
        found.append(
            Error(
                "CERTIFICATE_REQUEST_NOT_PASSED_DELAYS has a negative delay.",
                hint="Seconds with commas between; 10,60,600 is the default.",
                id="main.E006",
            )
        )
    if settings.CERTIFICATE_SWEEP_LEASE < SWEEP_LEASE_LEAST_SECONDS:
        found.append(
            Error(
                f"CERTIFICATE_SWEEP_LEASE is {settings.CERTIFICATE_SWEEP_LEASE:g} seconds: it can "
                "run out while its holder works, and two sweep the same run.",
                hint=f"At least {SWEEP_LEASE_LEAST_SECONDS}; 120 is the default.",
                id="main.E008",
            )
        )
    for name, least in LEAST.items():
        if getattr(settings, name) < least:
            found.append(Error(f"{name} is below {least}.", id="main.E007"))
    return found


def check_scopes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
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
