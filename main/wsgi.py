"""The WSGI application that granian serves: `granian --interface wsgi main.wsgi:application`."""

import os
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "main.settings")

_django = get_wsgi_application()

# manage.py asks the checks before each command; a server that is started without it must too.
if serious := [check for check in run_checks() if check.is_serious()]:
    raise ImproperlyConfigured("\n".join(map(str, serious)))


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Hand the request to Django, with the two headers that Django can't cope with mended."""
    _drop_unreadable_parameters(environ)
    _measure_body_of_unknown_length(environ)
    return _django(environ, start_response)


def _drop_unreadable_parameters(environ: "WSGIEnvironment") -> None:
    """Leave of Content-Type what Django can read.

    It reads the parameters before any of its error handling: an unknown encoding in one
    (`charset*=nonsense''x`) would be a 500 to whoever sends it.
    """
    content_type = environ.get("CONTENT_TYPE", "")
    try:
        parse_header_parameters(content_type)
    except (LookupError, ValueError):
        environ["CONTENT_TYPE"] = content_type.partition(";")[0]


def _measure_body_of_unknown_length(environ: "WSGIEnvironment") -> None:
    """Read a body that comes in chunks, as far as Django would, which takes it for an empty one."""
    if environ.get("CONTENT_LENGTH") or not environ.get("HTTP_TRANSFER_ENCODING"):
        return
    body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = BytesIO(body)
