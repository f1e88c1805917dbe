"""The WSGI application that granian serves: `granian --interface wsgi main.wsgi:application`."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "main.settings")

_django = get_wsgi_application()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Hand the request to Django, with a Content-Type that it can read.

    Django reads the header's parameters before any of its error handling: an unknown encoding in
    one (`charset*=nonsense''x`), or ten thousand characters, would be a 500 to whoever sends them.
    """
    content_type = environ.get("CONTENT_TYPE", "")
    try:
        parse_header_parameters(content_type)
    except (LookupError, ValueError):
        environ["CONTENT_TYPE"] = content_type.partition(";")[0][:255]
    return _django(environ, start_response)
