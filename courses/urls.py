"""The certificate's page."""

from django.urls import path

from courses.views import certificate_page, misspelt_certificate_page

urlpatterns = [
    path("<uuid:uuid>/", certificate_page, name="certificate"),
    path("<str:word>/", misspelt_certificate_page),
]
