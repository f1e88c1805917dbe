"""The addresses of the app: what Open edX's plugin calls, and its description for the staff."""

from django.apps import apps
from django.urls import path

from openedx_certificates.webhooks import edx_certificate_webhook
from openedx_certificates.webhooks.schema_views import WebhookDocsView, WebhookSchemaView

# The webhook has a second, unnamed address without the slash at the end: Django would send a caller
# that forgot it there by a redirect, and a POST arrives as a GET.
urlpatterns = [
    path("openedx_webhook/certificate", edx_certificate_webhook),
    path(
        "openedx_webhook/certificate/", edx_certificate_webhook, name="openedx-certificate-webhook"
    ),
    path("schema/webhooks/", WebhookSchemaView.as_view(), name="webhook-schema"),
]
if apps.is_installed("drf_spectacular_sidecar"):
    # Swagger UI's own files.
    urlpatterns.append(
        path("schema/webhooks/docs/", WebhookDocsView.as_view(), name="webhook-docs")
    )
