"""The periodic work, for Celery."""

import logging

from celery import shared_task

from courses.api import generate_course_run_certificates

log = logging.getLogger(__name__)


@shared_task
def generate_course_certificates() -> None:
    """Sweep every eligible run: the net under the webhook. Repeatable; never raises for one run."""
    summary = generate_course_run_certificates()
    log.info("sweep of course certificates finished", extra=summary.as_dict())
