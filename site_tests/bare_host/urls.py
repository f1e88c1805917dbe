"""The addresses of the bare host: the app's, the admin's, and the webhook's own, as it always was."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from openedx_certificates.webhooks import answered_by_the_app


@answered_by_the_app
@csrf_exempt
def old_view(_request: HttpRequest) -> JsonResponse:
    """Answer as the host did before there was the app."""
    return JsonResponse({"answered_by": "the old view"})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("openedx_certificates.urls")),
    path("api/openedx_webhook/certificate/", old_view),
]
