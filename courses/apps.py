from importlib import import_module

from django.apps import AppConfig


class CoursesConfig(AppConfig):
    name = "courses"

    def ready(self) -> None:
        # Not before: the receivers need the models.
        import_module("courses.receivers")
