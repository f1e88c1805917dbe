"""The periodic sweep: which runs are asked about, and in which order."""

from datetime import datetime

from django.db.models import Case, OrderBy, When

from openedx_certificates import host
from openedx_certificates.clock import database_now
from openedx_certificates.sweeps.generation import generate_course_run_certificates
from openedx_certificates.sweeps.leases import RunIsSwept


def get_runs_to_sweep() -> host.Rows:
    """Return the eligible runs, the longest unswept first."""
    now = database_now()
    # A sweep of the future was dated by a wrong clock, and counts as none.
    last = Case(When(sweep__started_on__lte=now, then="sweep__started_on"))
    return host.get_eligible_runs(now).order_by(OrderBy(last, nulls_first=True), "pk")


def sweep_unless_swept_since(run: int, since: datetime) -> None:
    """Sweep an eligible run, unless it was swept since, or is swept at this moment.

    Args:
        run: its key.
        since: a sweep that began at this moment or later will do.
    """
    now = database_now()
    found = (
        host.get_eligible_runs(now)
        .filter(pk=run)
        .exclude(sweep__started_on__range=(since, now))
        .first()
    )
    if found is None:
        return
    try:
        generate_course_run_certificates(course_run=found, may_wait=False)
    except RunIsSwept:
        # Left to the one that is at work.
        return
