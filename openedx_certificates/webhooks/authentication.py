"""The callers that are let in: bearers of an OAuth2 token, sent in the Authorization header."""

from typing import Any

from django.http import HttpRequest
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from openedx_certificates.logs import get_logger
from openedx_certificates.settings import app_settings
from openedx_certificates.webhooks.failures import TOKEN, count_failure

log = get_logger(__name__)


class BearerTokenAuthentication(OAuth2Authentication):
    """django-oauth-toolkit's check of a token, shown the headers alone.

    Left to itself the toolkit also takes a token from the query string, which every
    access log keeps, or from a form's body; and it does not ask whether the token's user is active.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return (user, token), None without a token; raise AuthenticationFailed for a bad one.

        Raises Throttled instead if too many bad ones came from the caller's address. A good one
        is taken all the same: Open edX can sit behind one address with an attacker.
        Raises PermissionDenied, whatever the token, if the request came by plain HTTP and the site
        wants HTTPS.
        """
        # Not by a redirect, as all other pages: a POST follows it as a GET, and the event is lost.
        if app_settings.REQUIRE_HTTPS and not request.is_secure():
            log.warning("webhook called by plain HTTP")
            raise PermissionDenied("This site takes events by HTTPS only; please send it to https.")
        if not request.META.get("HTTP_AUTHORIZATION", "").strip():
            return None
        try:
            return self._look_up(request)
        except AuthenticationFailed:
            wait = count_failure(request, TOKEN, app_settings.FAILED_TOKENS_MAX)
            if wait is not None:
                raise Throttled(wait) from None
            raise

    def _look_up(self, request: Request) -> tuple[Any, Any]:
        authenticated = super().authenticate(_without_query_and_body(request))
        if authenticated is None:
            raise AuthenticationFailed("The token is unknown, expired or malformed.")
        user, _token = authenticated
        if user is None or not user.is_active:
            raise AuthenticationFailed("The token has no active user.")
        return authenticated


def _without_query_and_body(request: Request) -> HttpRequest:
    bare = HttpRequest()
    bare.method = request.method
    bare.path = bare.path_info = request.path
    bare.META = {**request.META, "QUERY_STRING": ""}
    return bare
