from importlib import import_module

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    """Certificates as signed credentials."""

    name = "openedx_certificates.credentials"
    label = "openedx_credentials"
    verbose_name = "Signed credentials"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Not before: they need the models.
        import_module("openedx_certificates.credentials.checks")
