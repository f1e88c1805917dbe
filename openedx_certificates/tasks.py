"""The periodic work, for Celery. What the app's MODE leaves to the host is not done here."""

import time
from datetime import datetime
from typing import Any, Final

from celery import current_app, shared_task, signature
from celery.schedules import crontab

from openedx_certificates.attempts.passes import process_requests
from openedx_certificates.clock import database_now
from openedx_certificates.conflicts import reconnect_if_closed
from openedx_certificates.held.replays import prune_requests
from openedx_certificates.logs import get_logger
from openedx_certificates.settings import app_settings
from openedx_certificates.sweeps.periodic import get_runs_to_sweep, sweep_unless_swept_since

log = get_logger(__name__)

# A worker that is told to end waits for its task: a long queue must not hold it up.
PASS_SECONDS: Final = 60


def sweep_eligible_runs() -> None:
    """Start a sweep of each eligible run: the net under the webhook. Repeatable.

    For the host's own periodic task. That task should wait in the queue of the sweeps that it starts:
    if several of it have waited for a worker, all are over before the first run is swept, and each run
    is swept once. Without Celery the runs are swept here, in turn.
    """
    if not app_settings.sweeps:
        log.info("the sweep is the host's", extra={"mode": str(app_settings.mode)})
        return
    now = database_now().isoformat()
    options: dict[str, Any] = {}
    if app_settings.SWEEP_QUEUE:
        options["queue"] = app_settings.SWEEP_QUEUE
    runs = list(get_runs_to_sweep().values_list("pk", flat=True))
    log.info("sweep of course certificates started", extra={"runs": len(runs)})
    for run in runs:
        if current_app.conf.task_always_eager:
            reconnect_if_closed()
            # What fails is logged, and the others go on.
            sweep_course_run.apply((run, now), throw=False)
        else:
            # Without an expiry, which a worker's clock would judge: a run that was swept since
            # costs a statement.
            sweep_course_run.apply_async((run, now), **options)


@shared_task
def sweep_course_run(run: int, since: str) -> None:
    """Sweep one run, by its key, unless it was swept since this moment. Repeatable."""
    if app_settings.sweeps:
        sweep_unless_swept_since(run, datetime.fromisoformat(since))


@shared_task
def process_certificate_requests() -> None:
    """Take up the held requests that are due. Repeatable, also at the same time."""
    if not app_settings.works_on_events:
        return
    ends = time.monotonic() + PASS_SECONDS
    process_requests(is_over=lambda: time.monotonic() >= ends)


@shared_task
def prune_certificate_requests() -> None:
    """Delete the requests that were settled long ago. Repeatable."""
    log.info("certificate requests pruned", extra={"requests": prune_requests()})


# The host needs no entries of its own. By name: a task itself would finish Celery's application now.
for _task, _schedule in (
    ("process_certificate_requests", 10.0),
    ("prune_certificate_requests", crontab(minute="30", hour="3")),
):
    current_app.add_periodic_task(
        _schedule, signature(f"{__name__}.{_task}"), name=_task.replace("_", "-")
    )
