"""A body that never ends holds one of the server's threads, and not all of them."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse

#: The webhooks look at the token before the body, and have turns of their own.
WEBHOOKS: Final = "/api/openedx_webhook/"
#: Of a process's 256 threads: forms at the same time, signed in or not.
FORMS_MAX: Final = 64
_WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS")


class BodiesMiddleware:
    """Answers 503 while FORMS_MAX callers of this process are sending something to a page.

    Django reads a form before it knows who sends it, and waits for it as long as it takes: so that
    strangers can't take all threads, some are left for the events.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._places = threading.BoundedSemaphore(FORMS_MAX)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in _WITHOUT_BODY or request.path_info.startswith(WEBHOOKS):
            return self._get_response(request)
        if not self._places.acquire(blocking=False):
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
