"""The addresses that machines ask: load balancers, and Prometheus."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from main.health import live, ready
from main.metrics import metrics

View = Callable[[HttpRequest], HttpResponse]

ADDRESSES: Final[dict[str, View]] = {
    "/healthz/live": live,
    "/healthz/ready": ready,
    "/metrics": metrics,
}


class AnswerMachinesFirst:
    """Answers machines before any other middleware looks at what they sent.

    They ask by IP address and by plain HTTP, past the proxy: there is no name of ours in it to be
    found in ALLOWED_HOSTS, and nothing to be sent on to HTTPS. Nor is a session looked up, or a line
    logged, every few seconds.
    """

    def __init__(self, get_response: View) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = ADDRESSES.get(request.path_info.rstrip("/"))
        if view is None:
            return self._get_response(request)
        response = view(request)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response
