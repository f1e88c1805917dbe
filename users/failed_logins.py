"""How often an address may be wrong: tokens and passwords that are tried out are answered 429.

Each process counts for itself, in Django's cache and in windows of time: no row is written for a
failure, and what is kept is bounded, however many addresses fail.
"""

import ipaddress
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from http import HTTPStatus

from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework.throttling import BaseThrottle

log = logging.getLogger(__name__)

LOGIN_PAGE = "admin:login"
# It looks at the secret whatever the method; the others do so for POST alone.
INTROSPECTION = "oauth2_provider:introspect"
# Where a password or a client's secret opens something, and the status that says it did.
PASSWORD_DOORS = {
    LOGIN_PAGE: HTTPStatus.FOUND,
    "oauth2_provider:token": HTTPStatus.OK,
    "oauth2_provider:revoke-token": HTTPStatus.OK,
    INTROSPECTION: HTTPStatus.OK,
}
# What one subscriber of IPv6 holds at the least; a single address would be one of 2^64.
IPV6_PREFIX = 64


class Secret(StrEnum):
    """What was wrong, counted apart: a plugin with an old token locks nobody out of the admin."""

    #: Long and random, so nobody finds one by trying. Count it once it has failed, and no sooner:
    #: a valid one is served whatever its address did before.
    TOKEN = "token"  # noqa: S105 - the name of a kind, no secret
    #: Chosen by people. Count it before it is looked at.
    PASSWORD = "password"  # noqa: S105 - the name of a kind, no secret


def count_failure(request: HttpRequest, secret: Secret) -> int | None:
    """Count a wrong secret, and return None or the seconds to wait where there were too many.

    The log tells once for each address and window, at WARNING.
    """
    limit = _limit_of(secret)
    if not limit:
        return None
    key, seconds_left = _window_of(request, secret)
    cache.add(key, 0, timeout=settings.FAILED_AUTHENTICATIONS_WINDOW)
    try:
        count = cache.incr(key)
    except ValueError:
        # Dropped in between: so many addresses fail that they are not all kept.
        return None
    if count <= limit:
        return None
    if count == limit + 1:
        log.warning(
            "too many failed authentications",
            extra={
                "network": find_network(request),
                "secret": str(secret),
                # Then everybody behind the proxy is one address: TRUSTED_PROXIES is to be set.
                "is_proxy_unknown": bool(
                    "x-forwarded-for" in request.headers and not settings.TRUSTED_PROXIES
                ),
            },
        )
    return math.ceil(seconds_left)


def take_back(request: HttpRequest, secret: Secret) -> None:
    """Count one failure less: what was counted beforehand turned out to be right."""
    if _limit_of(secret):
        key, _seconds_left = _window_of(request, secret)
        # The window may have passed, or the count was dropped: where so many addresses fail that
        # they are not all kept, another thread can do so even in between.
        with suppress(ValueError):
            if cache.get(key, 0) > 0:
                cache.decr(key)


def find_network(request: HttpRequest) -> str:
    """Return the caller's address, of IPv6 the network it is in.

    X-Forwarded-For is believed as far back as TRUSTED_PROXIES of our own have written it, and what
    stands before that is whatever the caller made up.
    """
    # It looks at the headers alone.
    ident = BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]
    try:
        address = ipaddress.ip_address(ident)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))
    return str(address)


class PasswordsMiddleware:
    """Answers 429 at the doors that take a password, before it is checked, right or wrong.

    Each is counted as it comes and taken back where it was right: many sent at once are not all
    checked before the first of them has failed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if getattr(request, "_status_of_success", None) == response.status_code:
            take_back(request, Secret.PASSWORD)
        return response

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """Refuse the caller, or let the view decide."""
        match = request.resolver_match
        if match is None or match.view_name not in PASSWORD_DOORS:
            return None
        if request.method != "POST" and match.view_name != INTROSPECTION:
            return None
        wait = count_failure(request, Secret.PASSWORD)
        if wait is None:
            setattr(request, "_status_of_success", PASSWORD_DOORS[match.view_name])  # noqa: B010 - mypy knows no such attribute of a request
            return None
        return _too_many(request, wait, is_page=match.view_name == LOGIN_PAGE)


def _too_many(request: HttpRequest, wait: int, *, is_page: bool) -> HttpResponse:
    status = HTTPStatus.TOO_MANY_REQUESTS
    if is_page:
        context = {**admin.site.each_context(request), "wait": wait}
        response = render(request, "users/too_many_failures.html", context, status=status)
    else:
        detail = f"Too many failed authentications. Try again in {wait} seconds."
        response = JsonResponse({"detail": detail}, status=status)
    response["Retry-After"] = str(wait)
    return response


def _limit_of(secret: Secret) -> int:
    return {Secret.TOKEN: settings.FAILED_TOKENS_MAX, Secret.PASSWORD: settings.FAILED_LOGINS_MAX}[
        secret
    ]


def _window_of(request: HttpRequest, secret: Secret) -> tuple[str, float]:
    """Return the cache's key of the window we are in, and the seconds until it ends."""
    length = settings.FAILED_AUTHENTICATIONS_WINDOW
    number, passed = divmod(time.time(), length)
    return f"failed:{secret}:{find_network(request)}:{number:.0f}", length - passed
