"""The addresses of the app: the webhooks' description, for the staff.

The webhook has none here. Its address is the host's own, and leads to the host's view, which asks the
app by `webhooks.answered_by_the_app`: a second route would take the events away from the host's old
view while the mode is `off`.
"""

from django.apps import apps
from django.urls import path

from openedx_certificates.webhooks.schema_views import WebhookDocsView, WebhookSchemaView

urlpatterns = [path("schema/webhooks/", WebhookSchemaView.as_view(), name="webhook-schema")]
if apps.is_installed("drf_spectacular_sidecar"):
    # Swagger UI's own files.
    urlpatterns.append(
        path("schema/webhooks/docs/", WebhookDocsView.as_view(), name="webhook-docs")
    )
