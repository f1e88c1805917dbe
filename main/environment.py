"""The environment, read by the kind of each variable."""

import math
from collections.abc import Mapping
from typing import Any, Final

import environ
from celery.schedules import ParseException, crontab
from django.core.exceptions import ImproperlyConfigured

_FALSE: Final = ("", "0", "f", "false", "n", "no", "off")
_POSTGRESQL: Final = ("postgres://", "postgresql://", "psql://", "pgsql://")


class Environment(environ.Env):
    """Reads variables, and names the one with a value not of its kind; never the value itself.

    Its methods raise ImproperlyConfigured.
    """

    def get_value(
        self,
        var: str,
        cast: Any = None,
        default: Any = environ.Env.NOTSET,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if cast is float:
            # The library drops what it does not know: `1e3` would be 13, and `2min` 2.
            cast = _number
        try:
            value = super().get_value(var, cast, default, *args, **kwargs)
        except ValueError:
            raise ImproperlyConfigured(f"{var} is not {_describe(cast)}.") from None
        if not self._is_of_kind(var, value):
            raise ImproperlyConfigured(f"{var} is not {_describe(cast)}.")
        return value

    def _is_of_kind(self, var: str, value: object) -> bool:
        # Whatever is no word for true would be taken for false.
        if value is False and var in self.ENVIRON:
            return self.ENVIRON[var].strip().lower() in _FALSE
        # Python takes `nan` and `inf` for numbers, and no bound holds them.
        numbers = value if isinstance(value, list) else [value]
        return all(math.isfinite(number) for number in numbers if isinstance(number, float))

    def db_url_config(self, url: str, engine: str | None = None) -> dict[str, Any]:
        # What the library can't read it shows in a warning, the password included.
        if not url.startswith(_POSTGRESQL):
            raise ImproperlyConfigured("DATABASE_URL does not begin with postgres://.")
        try:
            config: dict[str, Any] = super().db_url_config(url, engine)
        except ValueError:
            raise ImproperlyConfigured(
                "DATABASE_URL has no good port: is each character that means something in a URL "
                "percent-encoded in the user's name and password?"
            ) from None
        return config


def read_crontab(variables: Mapping[str, str], **fields: str) -> crontab:
    """Return the schedule; raise ImproperlyConfigured, naming the variable that is no part of one.

    Args:
        variables: by crontab's own names of the fields, the variable each is read from.
        **fields: all fields that are not `*`.
    """
    for field, name in variables.items():
        try:
            crontab(**{field: fields[field]})
        except (ParseException, ValueError):
            raise ImproperlyConfigured(
                f"{name} is no part of a crontab, such as * or 0-6."
            ) from None
    return crontab(**fields)


def _number(text: str) -> float:
    return float(text)


_KINDS: Final = [(bool, "True or False"), (int, "a whole number"), (_number, "a number")]


def _describe(cast: Any) -> str:
    for kind, words in _KINDS:
        if cast is kind:
            return words
    return "a list of numbers with commas between"
