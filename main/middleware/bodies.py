"""A body that never ends holds one of the server's threads, and not all of them."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars

#: The webhooks look at the token before the body, and have turns of their own.
WEBHOOKS: Final = "/api/openedx_webhook/"
#: How many requests that can have a body a process works on at once. It must stay well below granian's
#: `--blocking-threads`, which are 256.
FORMS_MAX: Final = 64
_WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS")


class BodiesMiddleware:
    """Answers 503 if the process works on FORMS_MAX requests that can have a body, such as forms.

    Django reads a form before it knows its sender, and waits for it as long as it takes: so that
    strangers can't take all threads, some are left for the events.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._places = threading.BoundedSemaphore(FORMS_MAX)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in _WITHOUT_BODY or request.path_info.startswith(WEBHOOKS):
            return self._get_response(request)
        if not self._places.acquire(blocking=False):
            # For the request's line in the log, which has no route.
            bind_contextvars(refused_by="forms")
            return HttpResponse(
                "Too many forms are being sent at this moment. Please send yours again.",
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                content_type="text/plain",
                headers={"Retry-After": "5"},
            )
        try:
            return self._get_response(request)
        finally:
            self._places.release()
