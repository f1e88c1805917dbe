"""A database that is away or locked, when a page of Django's or a library's asks it: a 503."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.contrib.sessions.middleware import SessionMiddleware
from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse

from openedx_certificates.conflicts import describe_failure, is_no_fault_of_ours

log = logging.getLogger(__name__)

# Seconds. The database may be back at any moment, and the next request finds it.
RETRY_AFTER: Final = {"Retry-After": "1"}


def reply_to_failure(error: DatabaseFailure) -> HttpResponse | None:
    """Return a 503 for people, None if the statement itself is wrong: that is a defect, and a 500."""
    if not is_no_fault_of_ours(error):
        return None
    log.error("database failed", extra=describe_failure(error))
    return HttpResponse(
        "The database did not answer. Please try again in a minute.\n",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        content_type="text/plain",
        headers=RETRY_AFTER,
    )


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
        """Return a 503 if the database did not answer, None for any other exception."""
        return reply_to_failure(exception) if isinstance(exception, DatabaseFailure) else None


class SessionsMiddleware(SessionMiddleware):
    """Django's own, which saves the session after the view: no other middleware sees that fail."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            return super().process_response(request, response)
        except DatabaseFailure as error:
            reply = reply_to_failure(error)
            if reply is None:
                raise
            return reply
