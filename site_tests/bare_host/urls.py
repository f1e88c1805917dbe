"""The addresses of the bare host: the app's, and the admin's."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("openedx_certificates.urls")),
]
