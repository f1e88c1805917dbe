from django.apps import AppConfig
from django.core.checks import Tags, register

from main.checks import check_celery, check_openedx, check_requests, check_scopes


class MainConfig(AppConfig):
    """Composes the apps; its checks look at settings that only make sense together."""

    name = "main"

    def ready(self) -> None:
        register(check_openedx, Tags.compatibility)
        register(check_celery, Tags.compatibility)
        register(check_requests, Tags.compatibility)
        register(check_scopes, Tags.compatibility)
