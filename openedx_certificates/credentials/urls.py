"""The addresses of the credentials. They are fixed: each credential names them, for as long as it lives."""

from django.urls import path

from openedx_certificates.credentials import views

urlpatterns = [
    path(".well-known/did.json", views.did_document, name="did-document"),
    path("certificate/<uuid:uuid>/credential/", views.credential, name="credential"),
    path("credentials/status/<int:number>", views.status_list, name="credential-status-list"),
]
