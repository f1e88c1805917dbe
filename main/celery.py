"""The Celery application: `celery --app main.celery worker`, `celery --app main.celery beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "main.settings")

app = Celery("mitxonline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging_as_it_is(**_kwargs: Any) -> None:
    """Leave the logs to settings.LOGGING; a receiver of this signal is all that Celery asks for.

    It would set the root logger to WARNING, and the outcome of a sweep would be told to nobody.
    """
