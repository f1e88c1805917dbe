"""A database that is away or locked, where a page of Django's or a library's asks it: a 503."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from courses.api.conflicts import describe_failure

log = logging.getLogger(__name__)

# What the database's state explains; a statement that is wrong is a defect of ours, and a 500.
AWAY_OR_LOCKED = (OperationalError, InterfaceError)


class DatabaseFailuresMiddleware:
    """Answers 503 to the admin and to OAuth2's clients; our own views have replies of their own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(
        self,
        request: HttpRequest,  # noqa: ARG002 - as Django calls it
        exception: Exception,
    ) -> HttpResponse | None:
        """Return a 503 where the database did not answer, None for any other exception."""
        if not isinstance(exception, AWAY_OR_LOCKED):
            return None
        log.error("database failed", extra=describe_failure(exception))
        return HttpResponse(
            "The database did not answer. Please try again in a minute.\n",
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            content_type="text/plain",
        )
