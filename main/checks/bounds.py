"""Numbers that make no sense below or above another."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

_CENTURY_DAYS: Final = 36_500
#: The least and the most of each, None for no bound.
BOUNDS: Final[dict[str, tuple[float, float | None]]] = {
    "CERTIFICATE_CREATION_WINDOW_IN_DAYS": (0, _CENTURY_DAYS),
    "DATABASE_POOL_SIZE": (1, None),
    "FAILED_LOGINS_MAX": (0, None),
    "SECURE_HSTS_SECONDS": (0, None),
    "TRUSTED_PROXIES": (0, None),
}


def check_bounds(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - as Django calls it
    """Report each number that is out of its bounds."""
    return list(_look())


def _look() -> Iterator[CheckMessage]:
    for name, (least, most) in BOUNDS.items():
        value = getattr(settings, name)
        if value < least:
            yield Error(f"{name} is below {least}.", id="main.E007")
        elif most is not None and value > most:
            yield Error(f"{name} is above {most}.", id="main.E007")
