"""The periodic work, for Celery."""

import logging
import time

from celery import shared_task

from courses.api import (
    generate_course_run_certificates,
    process_requests,
    prune_requests,
)

log = logging.getLogger(__name__)

# A worker that is told to end waits for its task: a long queue must not hold it up.
PASS_SECONDS = 60


@shared_task
def generate_course_certificates() -> None:
    """Sweep every eligible run: the net under the webhook. Repeatable; never raises for one run."""
    summary = generate_course_run_certificates()
    log.info("sweep of course certificates finished", extra=summary.as_dict())


@shared_task
def process_certificate_requests() -> None:
    """Take up the held requests that are due. Repeatable, also at the same time."""
    ends = time.monotonic() + PASS_SECONDS
    summary = process_requests(is_over=lambda: time.monotonic() >= ends)
    if summary.taken_up:
        log.info("pass over certificate requests finished", extra=summary.as_dict())


@shared_task
def prune_certificate_requests() -> None:
    """Delete the requests that were settled long ago. Repeatable."""
    log.info("certificate requests pruned", extra={"requests": prune_requests()})
