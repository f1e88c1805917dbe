"""The callers that are let in: bearers of an OAuth2 token, sent in the Authorization header."""

from functools import cache
from typing import Any

from django.db.models import Manager
from django.http import HttpRequest
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from openedx_certificates.logs import get_logger
from openedx_certificates.settings import app_settings
from openedx_certificates.webhooks.failures import TOKEN, count_failure
from openedx_certificates.webhooks.tokens import AccessToken, find_token

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
        bare = _without_query_and_body(request)
        core = _make_core(
            oauth2_settings.OAUTH2_VALIDATOR_CLASS,
            oauth2_settings.OAUTH2_SERVER_CLASS,
            oauth2_settings.OAUTH2_BACKEND_CLASS,
        )
        is_valid, found = core.verify_request(bare, scopes=[])
        if not is_valid:
            raise AuthenticationFailed("The token is unknown, expired or malformed.")
        if found.user is None or not found.user.is_active:
            raise AuthenticationFailed("The token has no active user.")
        return found.user, found.access_token


class _FindsTokens:
    """Has the toolkit judge a token by its own rules, and not read all columns of three tables for it."""

    def _load_access_token(self, token: str) -> Any:
        return find_token(token)


@cache
def _make_core(validator_class: type[Any], server_class: type[Any], core_class: type[Any]) -> Any:
    """Return what the toolkit's `get_oauthlib_core` makes for each request: it keeps nothing.

    A host's validator that finds tokens in a way of its own is left as it is.
    """
    # A toolkit without such a method looks tokens up by another, and ours is never called.
    own, toolkits = (
        getattr(each, "_load_access_token", None) for each in (validator_class, OAuth2Validator)
    )
    if own is toolkits and type(AccessToken.objects) is Manager:
        validator_class = type(validator_class.__name__, (_FindsTokens, validator_class), {})
    return core_class(server_class(validator_class(), **oauth2_settings.server_kwargs))


def _without_query_and_body(request: Request) -> HttpRequest:
    bare = HttpRequest()
    bare.method = request.method
    bare.path = bare.path_info = request.path
    bare.META = {**request.META, "QUERY_STRING": ""}
    return bare
