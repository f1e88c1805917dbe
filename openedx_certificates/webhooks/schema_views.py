"""The schema of the webhooks, and the page that shows it; for the staff."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import status
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAdminUser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from openedx_certificates.webhooks.authentication import BearerTokenAuthentication
from openedx_certificates.webhooks.schema import TITLE, WebhookSchemaGenerator

try:
    from csp.decorators import csp_update
except ImportError:
    # A host without django-csp has no policy that the page would break.
    def csp_update(*_policy: Any) -> Any:  # type: ignore[misc]
        """Leave the view as it is."""
        return lambda view: view


class StaffView(APIView):
    """Lets in staff alone, by the admin's login or by a token, and is in no schema itself.

    A caller that is not let in gets the login page if it is a browser, else a 401 or 403 in JSON.
    """

    schema = None
    http_method_names = ["get", "head"]
    authentication_classes = [BearerTokenAuthentication, SessionAuthentication]
    permission_classes = [IsAdminUser]

    def perform_content_negotiation(
        self,
        request: Request,
        force: bool = False,  # noqa: ARG002 - Django REST framework's signature
    ) -> tuple[BaseRenderer, str]:
        # It comes before the look at the caller, and a 401 says more than a 406.
        return super().perform_content_negotiation(request, force=True)

    def handle_exception(self, exc: Exception) -> Any:
        response = super().handle_exception(exc)
        refused = {status.HTTP_401_UNAUTHORIZED, status.HTTP_403_FORBIDDEN}
        preferred = self.request.get_preferred_type(["application/json", "text/html"])
        if response.status_code in refused and preferred == "text/html":
            return redirect_to_login(self.request.get_full_path())
        # Neither YAML nor a template: an error is read by a program.
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return response


class WebhookSchemaView(StaffView, SpectacularAPIView):
    """The schema, in YAML or JSON."""

    generator_class = WebhookSchemaGenerator


# Swagger UI's icons are `data:` images in its style sheet.
@method_decorator(csp_update({"img-src": ["'self'", "data:"]}), name="dispatch")
class WebhookDocsView(StaffView, SpectacularSwaggerSplitView):
    """Swagger UI, out of the site's own static files."""

    url_name = "webhook-schema"
    title = TITLE
    template_name = "openedx_certificates/webhook_docs.html"
