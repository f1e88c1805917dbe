"""The addresses that Open edX's plugin calls, and the app's own."""

from django.urls import include, path

from openedx.views import edx_certificate_webhook, edx_enrollment_webhook

# Each webhook has a second, unnamed address without the slash at the end: Django would send a caller
# that forgot it there by a redirect, and a POST arrives as a GET. Patterns are tried in order: the
# webhooks come first.
urlpatterns = [
    path(
        "openedx_webhook/certificate/", edx_certificate_webhook, name="openedx-certificate-webhook"
    ),
    path("openedx_webhook/enrollment/", edx_enrollment_webhook, name="openedx-enrollment-webhook"),
    path("openedx_webhook/certificate", edx_certificate_webhook),
    path("openedx_webhook/enrollment", edx_enrollment_webhook),
    path("", include("openedx_certificates.urls")),
]
