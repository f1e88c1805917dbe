"""One line in the log for each request, and the id that ties all lines of a request together."""

import logging
import re
import time
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import LazyObject
from django_structlog.middlewares import RequestMiddleware
from structlog.contextvars import bind_contextvars, clear_contextvars, unbind_contextvars

log = logging.getLogger(__name__)

HEADER: Final = "X-Request-ID"
_GOOD_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# Asked for every few seconds, by machines.
_QUIET = ("healthz/", "metrics", "static/")
# Who is refused here is no stray caller: it may be Open edX, and an event that is lost.
_MATTERS = "api/"


class RequestLogMiddleware(RequestMiddleware):
    """Gives each request an id, answers it in X-Request-ID, and logs how the request ended.

    django-structlog's, but for its lines: those have the query string, the caller's address and
    browser, and the text of an exception. Ours has nothing that a caller wrote, and there is one.
    """

    def prepare(self, request: HttpRequest) -> None:
        """Bind the request's id: the caller's, such as a proxy's, if it looks like one."""
        # Of a thread that served another before.
        clear_contextvars()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _GOOD_ID.fullmatch(given) else str(uuid4())
        bind_contextvars(request_id=request_id)
        request.log_id = request_id  # type: ignore[attr-defined]
        request.log_started_at = time.perf_counter()  # type: ignore[attr-defined]

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Log the outcome."""
        response[HEADER] = request.log_id  # type: ignore[attr-defined]
        error: Exception | None = getattr(request, "_raised_exception", None)
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

    def _process_exception(self, request: HttpRequest, exception: Exception) -> None:
        request._raised_exception = exception  # type: ignore[attr-defined]


def _choose_level(route: str | None, status: int, error: Exception | None) -> int:
    if route is not None and route.startswith(_QUIET) and error is None:
        return logging.DEBUG
    if status >= 500:
        return logging.ERROR
    if status >= 400 and route is not None and route.startswith(_MATTERS):
        return logging.WARNING
    return logging.INFO


def _find_route(request: HttpRequest) -> str | None:
    """Return the pattern the path fits, None where it fits none: the path is the caller's word."""
    if request.resolver_match is not None:
        return request.resolver_match.route
    return "static/" if request.path.startswith(settings.STATIC_URL) else None


def _find_caller(request: HttpRequest) -> int | None:
    """Return the id of the user whom the request was found to be of; nobody is looked up for it."""
    user: object = getattr(request, "user", None)
    if isinstance(user, LazyObject):
        user = getattr(request, "_cached_user", None)
    return getattr(user, "pk", None)
