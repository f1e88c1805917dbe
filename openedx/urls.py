"""The addresses that Open edX's plugin calls: the app's, and the mirror of enrollments."""

from django.urls import include, path

from openedx.views import edx_enrollment_webhook

urlpatterns = [
    path("", include("openedx_certificates.urls")),
    # Without the slash at the end as well, for the reason that the app gives.
    path("openedx_webhook/enrollment", edx_enrollment_webhook),
    path("openedx_webhook/enrollment/", edx_enrollment_webhook, name="openedx-enrollment-webhook"),
]
