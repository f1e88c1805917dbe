"""Why a question got no answer: the failures of `requests` and urllib3, told in our words."""

import errno
import socket
import ssl
from collections.abc import Sequence
from typing import Final

import requests
import urllib3.exceptions

from openedx_certificates.wire.exceptions import (
    CannotAsk,
    OpenEdxError,
    OpenEdxTimeout,
    OpenEdxUnreachable,
)

# What this machine or this process has run out of, whichever server is called.
_OUR_ERRNOS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def explain(error: Exception) -> OpenEdxError | CannotAsk:
    """Return what the failure means for the caller.

    Its text names the class of the exception at the root of the failure and, of TLS and of the
    operating system, their own words for it. It has no address, token or value of a learner.

    Args:
        error: as it came out of `requests`.
    """
    chain = _find_chain(error)
    if isinstance(chain[-1], socket.gaierror) and (lack := _find_lack_of_sockets()):
        # The C library can say that the name is not known when it could open no socket to ask.
        chain.append(lack)
    cause = _describe(chain)
    if any(isinstance(each, OSError) and each.errno in _OUR_ERRNOS for each in chain):
        return CannotAsk(f"Open edX was not asked, for want of what it takes here ({cause}).")
    if _is_bundle_unread(chain):
        return CannotAsk(
            f"Open edX was not asked: our bundle of trusted certificates can't be read ({cause})."
        )
    if any(isinstance(each, TimeoutError | requests.Timeout) for each in chain):
        return OpenEdxTimeout("Open edX did not answer in time.")
    if isinstance(chain[-1], socket.gaierror):
        return OpenEdxUnreachable(f"The name of Open edX's host can't be resolved ({cause}).")
    return OpenEdxUnreachable(f"The connection to Open edX failed ({cause}).")


def _find_lack_of_sockets() -> OSError | None:
    try:
        socket.socket().close()
    except OSError as error:
        return error
    return None


def _find_chain(error: BaseException) -> list[BaseException]:
    """Return the error and what is behind it, the root last."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None:
        chain.append(following)
        context = None if following.__suppress_context__ else following.__context__
        # urllib3 hands some on as an argument of another, which was then never raised.
        behind = (*following.args, following.__cause__, context)
        following = next(
            (each for each in behind if isinstance(each, BaseException) and each not in chain),
            None,
        )
    return chain


def _is_bundle_unread(chain: Sequence[BaseException]) -> bool:
    error, root = chain[0], chain[-1]
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        # As `requests` tells of one that is missing; all that fails on the way it wraps.
        return True
    if not any(isinstance(each, urllib3.exceptions.SSLError) for each in chain):
        return False
    # As urllib3 tells of one without permission, and of one that holds no certificates. What
    # OpenSSL says of a handshake comes from its part "SSL".
    if isinstance(root, ssl.SSLError):
        return root.library == "X509"
    return isinstance(root, OSError)


def _describe(chain: Sequence[BaseException]) -> str:
    # A plain OSError without a number has a text alone, which may hold anything.
    told = [each for each in chain if type(each) is not OSError or each.errno is not None]
    cause = (told or chain)[-1]
    words = ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        # Behind the comma it names our host.
        words = getattr(cause, "verify_message", "").partition(",")[0]
    elif isinstance(cause, ssl.SSLError):
        words = (cause.reason or "").replace("_", " ").lower()
    elif isinstance(cause, OSError):
        words = cause.strerror or ""
    return ": ".join(filter(None, [type(cause).__name__, words]))
