"""The periodic work, for Celery."""

import logging
import random
import time
from datetime import datetime
from typing import Final

from celery import Task, current_app, shared_task
from django.utils import timezone

from courses.api import (
    NoPlaceToSweep,
    get_runs_to_sweep,
    process_requests,
    prune_requests,
    sweep_if_awake,
)
from courses.api.conflicts import let_lost_connection_go

log = logging.getLogger(__name__)

# A worker that is told to end waits for its task: a long queue must not hold it up.
PASS_SECONDS: Final = 60
SWEEP_EXPIRES_SECONDS: Final = 3600
# A sweep for which there was no place tries again after this time, which doubles.
SWEEP_AGAIN_SECONDS: Final = 0.5
SWEEP_AGAIN_MAX_SECONDS: Final = 8.0


@shared_task
def generate_course_certificates() -> None:
    """Start a sweep of each eligible run that does not rest: the net under the webhook. Repeatable.

    Without Celery the runs are swept here, in turn.
    """
    now = timezone.now().isoformat()
    runs = list(get_runs_to_sweep().values_list("pk", flat=True))
    log.info("sweep of course certificates started", extra={"runs": len(runs)})
    for run in runs:
        if current_app.conf.task_always_eager:
            let_lost_connection_go()
            # What fails is logged, and the others go on.
            sweep_course_run.apply((run, now), throw=False)
        else:
            # What is not begun by then is the next periodic task's.
            sweep_course_run.apply_async((run, now), expires=SWEEP_EXPIRES_SECONDS)


@shared_task(bind=True, max_retries=None)
def sweep_course_run(self: Task, run: int, since: str) -> None:
    """Sweep one run, by its key, unless it rests, or was swept since this moment. Repeatable."""
    try:
        sweep_if_awake(run, datetime.fromisoformat(since), may_wait=self.request.is_eager)
    except NoPlaceToSweep as error:
        # A process that waited would be missing for the held requests.
        longest = min(SWEEP_AGAIN_SECONDS * 2**self.request.retries, SWEEP_AGAIN_MAX_SECONDS)
        countdown = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        raise self.retry(countdown=countdown) from error


@shared_task
def process_certificate_requests() -> None:
    """Take up the held requests that are due. Repeatable, also at the same time."""
    ends = time.monotonic() + PASS_SECONDS
    process_requests(is_over=lambda: time.monotonic() >= ends)


@shared_task
def prune_certificate_requests() -> None:
    """Delete the requests that were settled long ago. Repeatable."""
    log.info("certificate requests pruned", extra={"requests": prune_requests()})
