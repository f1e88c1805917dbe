"""Who may knock: bearers of an OAuth2 token, sent in the Authorization header."""

from typing import Any

from django.http import HttpRequest
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class BearerTokenAuthentication(OAuth2Authentication):
    """django-oauth-toolkit's check of a token, shown the headers alone.

    Left to itself the toolkit also takes a token from the query string, where it ends up in every
    access log, or from a form's body; and it does not ask whether the token's user is active.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return (user, token), None without a token; raise AuthenticationFailed for a bad one."""
        if not request.META.get("HTTP_AUTHORIZATION", "").strip():
            return None
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
