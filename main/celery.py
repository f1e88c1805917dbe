"""The Celery application: `celery --app main.celery worker`, `celery --app main.celery beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "main.settings")

app = Celery("mitxonline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
