"""The Celery application: `celery --app main.celery worker`, `celery --app main.celery beat`."""

import os
from typing import Any

import django
from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init
from django.core.exceptions import ImproperlyConfigured

from main import task_log
from main.checks import refuse_invalid_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "main.settings")

app = Celery("mitxonline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

task_log.connect()


@setup_logging.connect
def keep_logging_as_it_is(**_kwargs: Any) -> None:
    """Leave the logs to settings.LOGGING; a receiver of this signal is all that Celery asks for.

    It would set the root logger to WARNING, and the outcome of a sweep would not be told.
    """


@worker_init.connect
@beat_init.connect
def refuse_to_start(**_kwargs: Any) -> None:
    """End a worker or beat that can't work, as the web server does."""
    django.setup()
    try:
        refuse_invalid_settings()
    except ImproperlyConfigured as error:
        # Celery logs what a receiver raises, and goes on.
        raise SystemExit(str(error)) from error
