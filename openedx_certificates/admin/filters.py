"""Filters of the admin's lists: what the numbers of "Certificates today" lead to, and some more."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from openedx_certificates.clock import database_now
from openedx_certificates.figures import (
    IS_FAILING,
    OUTCOMES,
    OVERDUE_AFTER,
    can_be_taken_up,
    is_overdue,
)
from openedx_certificates.held.queue import is_free
from openedx_certificates.models import CertificateRequest
from openedx_certificates.wire.exceptions import OpenEdxError

LATELY: Final = {
    "Last hour": timedelta(hours=1),
    "Last 24 hours": timedelta(days=1),
    "Last 14 days": timedelta(days=14),
}


class OneOf(admin.SimpleListFilter):
    """A filter of which each choice is a condition; what is no choice of it filters nothing."""

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        """Return the choices: how each is called, and which rows it stands for."""
        raise NotImplementedError

    def lookups(self, *_args: Any) -> list[tuple[str, str]]:
        return [(value, name) for value, (name, _) in self.choices_with_conditions().items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - as Django calls it
        chosen = self.choices_with_conditions().get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


class StateFilter(OneOf):
    """By how a request stands: open, or its outcome with the reason."""

    title = "state"
    parameter_name = "state"

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        states = {"open": Q(status=CertificateRequest.Status.OPEN), **OUTCOMES}
        return {state: (state.replace("_", " "), which) for state, which in states.items()}


class WorkFilter(OneOf):
    """By what an open request waits for."""

    title = "work to do"
    parameter_name = "work"

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        is_open = Q(status=CertificateRequest.Status.OPEN)
        return {
            "failing": ("failing", IS_FAILING),
            "due": ("due", can_be_taken_up()),
            "overdue": (f"due for over {OVERDUE_AFTER.seconds // 60} minutes", is_overdue()),
            "at_work": ("at work", is_open & ~is_free()),
        }


class LastErrorFilter(OneOf):
    """By the last failure, in one word."""

    title = "last error"
    parameter_name = "last_error"

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        # The words there can be: to look for those there are would read the whole table.
        codes = {
            *CertificateRequest.OwnFailure.values,
            *(error.code for error in _subclasses(OpenEdxError)),
        }
        return {code: (code.replace("_", " "), Q(last_error=code)) for code in sorted(codes)}


class LatelyFilter(admin.DateFieldListFilter):
    """By the hours and days that are looked at; a link can ask for any others, and they are shown."""

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: Any,
        model_admin: Any,
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        now = database_now()
        # To the minute, as they stand in the address: what is chosen can be told by that.
        links: list[tuple[str, Any]] = [("Any time", {})]
        for name, length in LATELY.items():
            links.append((name, span_to_params(field_path, now - length)))
        own = dict(self.date_params)
        if own not in [chosen for _, chosen in links]:
            links.append((self._describe(own), own))
        self.links = tuple(links)

    def _describe(self, params: dict[str, Any]) -> str:
        """Return what a link has asked for, in words."""
        words = {self.lookup_kwarg_since: "from", self.lookup_kwarg_until: "to before"}
        try:
            parts = [
                f"{words[name]} {datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M}"
                for name, value in params.items()
            ]
        except (KeyError, ValueError, OverflowError):
            # Something typed by hand: the list has its own answer to what is no moment.
            return "As chosen"
        return f"{' '.join(parts).capitalize()} UTC"


def span_to_params(field: str, since: datetime, until: datetime | None = None) -> dict[str, str]:
    """Return the parameters of a list's address for the rows from `since` to before `until`."""
    moments = {f"{field}__gte": since, f"{field}__lt": until}
    return {
        name: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
        for name, moment in moments.items()
        if moment
    }


def _subclasses(error: type[OpenEdxError]) -> Iterator[type[OpenEdxError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
