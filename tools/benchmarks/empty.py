"""What the webhook is measured against: (d), the site with a webhook that does nothing.

The server, Django, the site's middleware and Django REST framework take this long before any of ours.
"""

from main.wsgi import application

# isort: split
# Django is set up by now.
from django.urls import path
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    parser_classes,
    permission_classes,
    renderer_classes,
)
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from main.urls import urlpatterns

__all__ = ["application"]


@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
@parser_classes([JSONParser])
@renderer_classes([JSONRenderer])
def do_nothing(request: Request) -> Response:
    """Answer whatever comes."""
    return Response({"certificate_status": "exists" if request.data else ""})


urlpatterns.insert(0, path("api/openedx_webhook/certificate/", do_nothing))
