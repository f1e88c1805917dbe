"""The one table from an error to the reply it becomes."""

from typing import Any, Final

from django.db import DataError
from django.db import Error as DatabaseFailure
from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from openedx_certificates.conflicts import describe_failure
from openedx_certificates.logs import get_logger
from openedx_certificates.webhooks.exceptions import EventTooLarge, InvalidEvent, NotKnownHere

log = get_logger(__name__)

# Seconds, by header: the database of a site that fails over is back within moments.
RETRY_AFTER: Final = {"Retry-After": "1"}

# Replies with the one key `error`; what Django REST framework refuses itself says `detail`.
ERROR_STATUS: dict[type[Exception], int] = {
    InvalidEvent: status.HTTP_400_BAD_REQUEST,
    NotKnownHere: status.HTTP_404_NOT_FOUND,
    EventTooLarge: status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
}


def reply_to_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return the JSON reply for an exception a view raised, None if it is not an expected one."""
    if isinstance(exc, DataError):
        # Such as a character that the database's encoding does not have: it is the same every time.
        log.warning("the database does not take a value", extra=describe_failure(exc))
        return Response(
            {"error": "A field holds what the database can't store."},
            status=status.HTTP_400_BAD_REQUEST,
        )
    if isinstance(exc, DatabaseFailure):
        log.error("database failed", extra=describe_failure(exc))
        return Response(
            {"error": "The database did not answer; please send the request again."},
            status=status.HTTP_503_SERVICE_UNAVAILABLE,
            headers=RETRY_AFTER,
        )
    for error, code in ERROR_STATUS.items():
        if isinstance(exc, error):
            return Response({"error": str(exc)}, status=code)
    return exception_handler(exc, context)
