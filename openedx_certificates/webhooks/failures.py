"""How often an address may be wrong: tokens that are tried out are answered 429.

Each process counts for itself, in Django's cache and in windows of a minute: no row is written for a
failure, and what is kept is bounded, however many addresses fail. A host can count other secrets here
too, such as passwords.
"""

import ipaddress
import math
import time
from contextlib import suppress
from typing import Final

from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from openedx_certificates.logs import get_logger

log = get_logger(__name__)

WINDOW_SECONDS: Final = 60
#: Tokens are long and random, so none is found by trying. Count one once it has failed, and no
#: sooner: a valid one is served whatever its address did before.
TOKEN: Final = "token"  # noqa: S105 - the name of a kind, no secret
# What one subscriber of IPv6 holds at the least; a single address would be one of 2^64.
_IPV6_PREFIX: Final = 64


def count_failure(request: HttpRequest, secret: str, limit: int) -> int | None:
    """Count a wrong secret; return None, or the seconds to wait if there were too many.

    The log tells once for each address and window, at WARNING.

    Args:
        request: with the address it came from.
        secret: its kind. Kinds are counted apart: a plugin with an old token locks no other caller out.
        limit: how many one address may send in a minute; 0 for any number.
    """
    if not limit:
        return None
    key, seconds_left = _window_of(request, secret)
    cache.add(key, 0, timeout=WINDOW_SECONDS)
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
                "secret": secret,
                # Then everybody behind the proxy is one address: NUM_PROXIES is to be set.
                "is_proxy_unknown": bool(
                    "x-forwarded-for" in request.headers and not api_settings.NUM_PROXIES
                ),
            },
        )
    return math.ceil(seconds_left)


def take_back(request: HttpRequest, secret: str) -> None:
    """Count one failure less: what was counted beforehand turned out to be right."""
    key, _seconds_left = _window_of(request, secret)
    # The window may have passed, or the count was dropped: if so many addresses fail that they are
    # not all kept, another thread can do so even in between.
    with suppress(ValueError):
        if cache.get(key, 0) > 0:
            cache.decr(key)


def find_network(request: HttpRequest) -> str:
    """Return the caller's address, of IPv6 the network it is in.

    X-Forwarded-For is believed as far back as proxies of our own have written it (Django REST
    framework's NUM_PROXIES), and what stands before that is whatever the caller made up.
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
        return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)


def _window_of(request: HttpRequest, secret: str) -> tuple[str, float]:
    """Return the cache's key of the window we are in, and the seconds until it ends."""
    number, passed = divmod(time.time(), WINDOW_SECONDS)
    return f"failed:{secret}:{find_network(request)}:{number:.0f}", WINDOW_SECONDS - passed
