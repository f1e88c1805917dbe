"""The doors that Open edX's plugin knocks at."""

from django.urls import path

from openedx.views import edx_certificate_webhook, edx_enrollment_webhook

urlpatterns = [
    path(
        "openedx_webhook/certificate/",
        edx_certificate_webhook,
        name="openedx-certificate-webhook",
    ),
    path(
        "openedx_webhook/enrollment/",
        edx_enrollment_webhook,
        name="openedx-enrollment-webhook",
    ),
]
