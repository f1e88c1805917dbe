"""The site itself: its names, its database, its metrics."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from main.metric_files import is_usable

# Not to be guessed, if it is made by chance.
METRICS_TOKEN_LEAST_LENGTH: Final = 16
# With a dot before it, all its sub-domains; in brackets, an address of IPv6.
_NAME = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")

_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def check_site(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - as Django calls it
    """Report names under which the site can't be reached, and what keeps it from being watched."""
    return [*_look_at_names(), *_look_at_address(), *_look_at_metrics()]


def _look_at_names() -> Iterator[CheckMessage]:
    for name in settings.ALLOWED_HOSTS:
        if not _NAME.fullmatch(name):
            yield Error(
                f"ALLOWED_HOSTS holds {name!r}, which is not the name of a host.",
                hint="Without https:// before it, and without a port or a path behind it.",
                id="main.E012",
            )
    if settings.DEBUG:
        return
    if not settings.ALLOWED_HOSTS:
        yield CheckWarning(
            "ALLOWED_HOSTS is not set: a web server would answer everybody with 400.",
            hint="Set it to the site's names, with commas between. A worker needs none.",
            id="main.W006",
        )
    elif "*" in settings.ALLOWED_HOSTS:
        yield CheckWarning(
            "ALLOWED_HOSTS takes every name: a caller chooses the one that links are made with.",
            hint="Set it to the site's names; /healthz and /metrics answer under any.",
            id="main.W007",
        )


def _look_at_address() -> Iterator[CheckMessage]:
    if settings.SITE_BASE_URL and not _ORIGIN.fullmatch(settings.SITE_BASE_URL):
        yield Error(
            f"SITE_BASE_URL is {settings.SITE_BASE_URL!r}, which is not where a site begins.",
            hint="Such as https://mitxonline.example.org, without a path.",
            id="main.E016",
        )


def _is_sendable(token: str) -> bool:
    """Whether a token can stand in an Authorization header as it is."""
    return token.isascii() and token.isprintable() and " " not in token


def _look_at_metrics() -> Iterator[CheckMessage]:
    token = settings.METRICS_TOKEN
    if token and not (_is_sendable(token) and len(token) >= METRICS_TOKEN_LEAST_LENGTH):
        yield Error(
            f"METRICS_TOKEN is shorter than {METRICS_TOKEN_LEAST_LENGTH} characters, or holds one "
            "that no token has.",
            hint="python -c 'import secrets; print(secrets.token_urlsafe(32))' makes a good one.",
            id="main.E013",
        )
    if settings.METRICS_DIR and not is_usable(settings.METRICS_DIR):
        # No error: counting is not worth a program that does not start.
        yield CheckWarning(
            "METRICS_DIR is not a folder that this process can write to: nothing is counted.",
            hint="Make it before the programs start, for the user they run as.",
            id="main.W008",
        )
