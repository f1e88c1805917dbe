"""The periodic sweep: which runs are asked about, and in which order."""

from datetime import datetime

from django.db.models import F, QuerySet
from django.utils import timezone

from courses.api.certificates import get_certificate_grade_eligible_runs
from courses.api.generation import generate_course_run_certificates
from courses.api.sweep_leases import RunIsSwept
from courses.models import CourseRun


def get_runs_to_sweep() -> QuerySet[CourseRun]:
    """Return the eligible runs, first the one whose last sweep is longest ago."""
    return get_certificate_grade_eligible_runs(timezone.now()).order_by(
        F("sweep__started_on").asc(nulls_first=True), "pk"
    )


def sweep_unless_swept_since(run: int, since: datetime) -> None:
    """Sweep an eligible run, unless it was swept since, or is swept at this moment.

    Args:
        run: its key.
        since: a sweep that began at this moment or later will do.
    """
    found = get_runs_to_sweep().filter(pk=run).exclude(sweep__started_on__gte=since).first()
    if found is None:
        return
    try:
        generate_course_run_certificates(course_run=found, may_wait=False)
    except RunIsSwept:
        # Left to the one that is at work.
        return
