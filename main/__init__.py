"""The composition of the apps into one site. Nothing but the framework imports it."""

from main.celery import app as celery_app

__all__ = ["celery_app"]
