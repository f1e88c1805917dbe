"""The headers of every reply, beside those that Django sets."""

from collections.abc import Callable

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

HEADERS = {
    # No page here uses any of it; what slips into one must not either.
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Django's own middleware adds these too, but not to what machines are answered before it.
    "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
    "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Replies tell of learners. What may be kept says so itself, as static files do.
    "Cache-Control": "no-store",
}


class HeadersMiddleware:
    """Adds the headers that a reply does not have yet."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class PolicyMiddleware(CSPMiddleware):
    """django-csp's own, which would put together the policy of the settings again for each reply.

    Of the settings it knows the directives alone, and no policy that only reports.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self._policy = build_policy()

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        # Its decorators leave their word on the reply, and a nonce on the request. In development,
        # Django's page of an error has no policy.
        words = " ".join((*vars(request), *vars(response)))
        if settings.DEBUG or "_csp_" in words:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self._policy)
        return response
