"""The held requests and the sweeps."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

# Renewed after a quarter of it, and at least every five seconds that Open edX is waited for; a page
# is worked through in less than the rest.
SWEEP_LEASE_LEAST_SECONDS: Final = 30
# What the page "Certificates today" looks back on.
SHOWN_DAYS: Final = 14


def check_requests(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - as Django calls it
    """Report what would lose a held request, or ask twice for one."""
    return list(_look())


def _look() -> Iterator[CheckMessage]:
    if settings.CERTIFICATE_REQUEST_LEASE <= settings.EDX_API_CLIENT_TIMEOUT:
        yield Error(
            f"CERTIFICATE_REQUEST_LEASE is {settings.CERTIFICATE_REQUEST_LEASE:g} seconds: it "
            "runs out while Open edX is asked, and another asks the same.",
            hint="Set it well above EDX_API_CLIENT_TIMEOUT; 120 is the default.",
            id="main.E005",
        )
    if any(delay < 0 for delay in settings.CERTIFICATE_REQUEST_NOT_PASSED_DELAYS):
        yield Error(
            "CERTIFICATE_REQUEST_NOT_PASSED_DELAYS has a negative delay.",
            hint="Seconds with commas between; 10,60,600 is the default.",
            id="main.E006",
        )
    if settings.CERTIFICATE_SWEEP_LEASE < SWEEP_LEASE_LEAST_SECONDS:
        yield Error(
            f"CERTIFICATE_SWEEP_LEASE is {settings.CERTIFICATE_SWEEP_LEASE:g} seconds: it can "
            "run out while its holder works, and two sweep the same run.",
            hint=f"At least {SWEEP_LEASE_LEAST_SECONDS}; 120 is the default.",
            id="main.E008",
        )
    if 0 < settings.CERTIFICATE_REQUEST_RETENTION_IN_DAYS < SHOWN_DAYS:
        yield CheckWarning(
            "CERTIFICATE_REQUEST_RETENTION_IN_DAYS is below the "
            f"{SHOWN_DAYS} days that the page “Certificates today” shows.",
            hint="90 is the default.",
            id="main.W003",
        )
