from importlib import import_module

from django.apps import AppConfig


class OpenEdxCertificatesConfig(AppConfig):
    """Course run certificates, issued when Open edX says that a learner has passed."""

    name = "openedx_certificates"
    verbose_name = "Open edX certificates"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Not before: they need the models.
        import_module("openedx_certificates.receivers")
        import_module("openedx_certificates.checks")
