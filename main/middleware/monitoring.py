"""Machines are answered first."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

URLS: Final = "main.monitoring_urls"
# What is asked otherwise goes its way without a look at those addresses.
_BEGINNINGS: Final = ("/healthz/", "/metrics")


class MonitoringMiddleware:
    """Answers what machines ask before any other middleware looks at what they sent.

    They ask by IP address and by plain HTTP, past the proxy: there is no name of ours in it to be
    found in ALLOWED_HOSTS, and nothing to be sent on to HTTPS. Nor is a session looked up for them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(_BEGINNINGS):
            return self._get_response(request)
        try:
            match = resolve(request.path_info, URLS)
        except Resolver404:
            return self._get_response(request)
        # As Django does it; the log names the route.
        request.resolver_match = match
        response: HttpResponse = match.func(request)
        return response
