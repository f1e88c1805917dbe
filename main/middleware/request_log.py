"""One line in the log for each request, and the id that ties all lines of a request together."""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.utils.functional import LazyObject
from structlog.contextvars import bind_contextvars, clear_contextvars, unbind_contextvars

log = logging.getLogger(__name__)

HEADER: Final = "X-Request-ID"
_GOOD_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# Asked for every few seconds, by machines.
_QUIET = ("healthz/", "metrics", "static/")
# A caller refused here is no stray one: it may be Open edX, and an event that is lost.
_MATTERS = "api/"


class RequestLogMiddleware:
    """Gives each request an id, answers it in X-Request-ID, and logs how the request ended.

    The line has nothing that a caller wrote: no query string, address, browser or exception's text.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        got_request_exception.connect(self._note_exception)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self._bind_id(request)
        response = self._get_response(request)
        self._tell(request, response)
        return response

    def _bind_id(self, request: HttpRequest) -> None:
        """Bind the request's id: the caller's, such as a proxy's, if it looks like one."""
        # Of a thread that served another before.
        clear_contextvars()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _GOOD_ID.fullmatch(given) else str(uuid4())
        bind_contextvars(request_id=request_id)
        request.log_id = request_id  # type: ignore[attr-defined]
        request.log_started_at = time.perf_counter()  # type: ignore[attr-defined]

    def _tell(self, request: HttpRequest, response: HttpResponse) -> None:
        response[HEADER] = request.log_id  # type: ignore[attr-defined]
        error: Exception | None = getattr(request, "log_exception", None)
        route = _find_route(request)
        seconds = time.perf_counter() - request.log_started_at  # type: ignore[attr-defined]
        log.log(
            _choose_level(route, response.status_code, error),
            "request_finished",
            exc_info=error,
            extra={
                "method": request.method if request.method in _METHODS else "OTHER",
                "route": route,
                "status": response.status_code,
                "duration_ms": round(1000 * seconds, 1),
                "caller_id": _find_caller(request),
            },
        )
        # By name: to look for all that is bound takes long, and the next request does.
        unbind_contextvars("request_id", "refused_by")

    def _note_exception(self, request: HttpRequest, **_more: object) -> None:
        request.log_exception = sys.exc_info()[1]  # type: ignore[attr-defined]


def _choose_level(route: str | None, status: int, error: Exception | None) -> int:
    if route is not None and route.startswith(_QUIET) and error is None:
        return logging.DEBUG
    if status >= 500:
        return logging.ERROR
    if status >= 400 and route is not None and route.startswith(_MATTERS):
        return logging.WARNING
    return logging.INFO


def _find_route(request: HttpRequest) -> str | None:
    """Return the pattern the path fits, None if it fits none: the path is the caller's word."""
    if request.resolver_match is not None:
        return request.resolver_match.route
    return "static/" if request.path.startswith(settings.STATIC_URL) else None


def _find_caller(request: HttpRequest) -> int | None:
    """Return the id of the request's user, if it was looked up already; it is not looked up for this."""
    user: object = getattr(request, "user", None)
    if isinstance(user, LazyObject):
        user = getattr(request, "_cached_user", None)
    return getattr(user, "pk", None)
