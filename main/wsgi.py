"""The WSGI application that granian serves: `granian --interface wsgi main.wsgi:application`."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from main.checks import refuse_invalid_settings
from main.middleware.bodies import WEBHOOKS
from openedx_certificates.waiting.patience import patience_of
from openedx_certificates.waiting.turns import webhook_turn

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "main.settings")

_django = get_wsgi_application()
# How long a page waits for a connection to the database; its statements may take what they take.
CONNECTION_SECONDS: Final = 1.8

refuse_invalid_settings()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Hand the request to Django, with the headers that Django can't cope with mended.

    Webhooks take turns, so that a crowd of them leaves room for the rest of the site; a caller without
    token is refused for next to nothing, and needs none.
    """
    _drop_parameters(environ)
    _drop_encoded_parameters_of_accept(environ)
    _bound_body_of_unknown_length(environ)
    if environ.get("HTTP_AUTHORIZATION") and environ["PATH_INFO"].startswith(WEBHOOKS):
        with webhook_turn():
            return _django(environ, start_response)
    with patience_of(CONNECTION_SECONDS, bounds_statements=False):
        return _django(environ, start_response)


def _drop_parameters(environ: "WSGIEnvironment") -> None:
    """Leave of Content-Type the media type, and the boundary that a form of several parts needs.

    Django reads the other parameters before any of its error handling, and an odd `charset`
    (`rot13`, `unicode_escape''%5Cud800`) would be a 500. We take UTF-8 alone.
    """
    media_type, *parameters = environ.get("CONTENT_TYPE", "").split(";")
    boundary = [
        parameter for parameter in parameters if parameter.strip().lower().startswith("boundary=")
    ]
    environ["CONTENT_TYPE"] = ";".join([media_type.strip(), *boundary[:1]])


def _drop_encoded_parameters_of_accept(environ: "WSGIEnvironment") -> None:
    """Leave of Accept what is plain: no media type needs a parameter in pieces or in an encoding.

    Python's parser of those (RFC 2231) stumbles over `q*0=1;q*=x` and `q*=undefined''%41`, and each
    view that asks for the preferred type would be a 500.
    """
    accept = environ.get("HTTP_ACCEPT", "")
    if ";" in accept:
        environ["HTTP_ACCEPT"] = ",".join(_without_encoded(word) for word in accept.split(","))


def _without_encoded(media_range: str) -> str:
    media_type, *parameters = media_range.split(";")
    plain = [parameter for parameter in parameters if "*" not in parameter.partition("=")[0]]
    return ";".join([media_type, *plain])


def _bound_body_of_unknown_length(environ: "WSGIEnvironment") -> None:
    """Let a body be read that comes in chunks, or by HTTP/2; Django would take it for an empty one.

    Nothing is read here: a caller with a body that never ends must be refused first, if it is to be.
    """
    is_http_2 = environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2")
    if not environ.get("CONTENT_LENGTH") and (is_http_2 or environ.get("HTTP_TRANSFER_ENCODING")):
        environ["CONTENT_LENGTH"] = str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
