"""Celery and its broker."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from kombu.transport import resolve_transport

# They are reached without an address.
_OF_ONE_MACHINE = ("filesystem", "memory")


def check_broker(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - as Django calls it
    """Report a Celery that waits for a broker that is not set, or can't be asked."""
    return list(_look())


def _look() -> Iterator[CheckMessage]:
    if not settings.CELERY_BROKER_URL:
        if not settings.CELERY_TASK_ALWAYS_EAGER:
            yield Error(
                "CELERY_TASK_ALWAYS_EAGER is off and CELERY_BROKER_URL is not set.",
                hint="Set CELERY_BROKER_URL, such as redis://localhost:6379/0.",
                id="main.E004",
            )
        return
    # Several with semicolons between: if one does not answer, Celery asks the next.
    if not all(map(_is_an_address, settings.CELERY_BROKER_URL.split(";"))):
        # Not shown: it can hold a password.
        yield Error(
            "CELERY_BROKER_URL is not the address of a broker that can be asked from here.",
            hint="Set it to something like redis://localhost:6379/0.",
            id="main.E015",
        )
    elif settings.CELERY_TASK_ALWAYS_EAGER:
        yield CheckWarning(
            "CELERY_TASK_ALWAYS_EAGER is on: the broker at CELERY_BROKER_URL is not used.",
            hint="Leave out one of the two.",
            id="main.W002",
        )


def _is_an_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        _ = address.port
        resolve_transport(address.scheme)
    except (ImportError, KeyError, ValueError):
        return False
    return bool(address.scheme) and bool(address.hostname or address.scheme in _OF_ONE_MACHINE)
