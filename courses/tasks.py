"""The periodic work, for Celery."""

import logging
import time
from datetime import datetime
from typing import Final

from celery import current_app, shared_task

from courses.api import (
    get_runs_to_sweep,
    process_requests,
    prune_requests,
    sweep_unless_swept_since,
)
from courses.api.clock import database_now
from courses.api.conflicts import let_lost_connection_go

log = logging.getLogger(__name__)

# A worker that is told to end waits for its task: a long queue must not hold it up.
PASS_SECONDS: Final = 60


@shared_task
def generate_course_certificates() -> None:
    """Start a sweep of each eligible run: the net under the webhook. Repeatable.

    Without Celery the runs are swept here, in turn.
    """
    now = database_now().isoformat()
    runs = list(get_runs_to_sweep().values_list("pk", flat=True))
    log.info("sweep of course certificates started", extra={"runs": len(runs)})
    for run in runs:
        if current_app.conf.task_always_eager:
            let_lost_connection_go()
            # What fails is logged, and the others go on.
            sweep_course_run.apply((run, now), throw=False)
        else:
            # Without an expiry, which a worker's clock would judge: a run that was swept since
            # costs a statement.
            sweep_course_run.apply_async((run, now))


@shared_task
def sweep_course_run(run: int, since: str) -> None:
    """Sweep one run, by its key, unless it was swept since this moment. Repeatable."""
    sweep_unless_swept_since(run, datetime.fromisoformat(since))


@shared_task
def process_certificate_requests() -> None:
    """Take up the held requests that are due. Repeatable, also at the same time."""
    ends = time.monotonic() + PASS_SECONDS
    process_requests(is_over=lambda: time.monotonic() >= ends)


@shared_task
def prune_certificate_requests() -> None:
    """Delete the requests that were settled long ago. Repeatable."""
    log.info("certificate requests pruned", extra={"requests": prune_requests()})
