from django.apps import AppConfig
from django.core.checks import Tags, register

from main.checks import ALL, check_database


class MainConfig(AppConfig):
    """Composes the apps; its checks look at settings that only make sense together."""

    name = "main"

    def ready(self) -> None:
        for check in ALL:
            register(check, Tags.compatibility)
        register(check_database, Tags.database)
