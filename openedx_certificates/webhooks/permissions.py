"""What a token must be good for, besides belonging to a member of staff."""

from oauth2_provider.contrib.rest_framework import TokenHasScope
from rest_framework.request import Request
from rest_framework.views import APIView

from openedx_certificates.settings import app_settings


class HasRequiredScopes(TokenHasScope):
    """Asks a token for every scope of OPENEDX_WEBHOOK_REQUIRED_SCOPES; for none if it is empty."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return not self.get_scopes(request, view) or super().has_permission(request, view)

    def get_scopes(self, request: Request, view: APIView) -> list[str]:  # noqa: ARG002 - as the framework calls it
        return app_settings.REQUIRED_SCOPES
