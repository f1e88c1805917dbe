"""The periodic sweep: which runs are asked about now, and which may rest."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from courses.api.backoff import SWEEP_PERIOD
from courses.api.certificates import get_certificate_grade_eligible_runs
from courses.api.generation import generate_course_run_certificates
from courses.api.sweep_leases import NoPlaceToSweep, RunIsSwept, wait_for_others
from courses.models import CourseRun, CourseRunEnrollment

# A row is dated before its transaction commits, by a clock of another machine: what is a little
# older than a sweep may be news all the same.
MARGIN: Final = timedelta(minutes=10)


def get_runs_to_sweep() -> QuerySet[CourseRun]:
    """Return the eligible runs that don't rest, first the one whose last sweep is longest ago.

    A run rests whose sweeps have found nothing new for a while (`backoff.rest_after`), so that the
    cost follows the activity and not the catalogue. It is woken by what can earn a certificate
    without a word of Open edX: the date for them comes, the run or an enrollment in it is changed.
    One that closes for certificates before it has rested does not rest: nobody would ask again.
    """
    now = timezone.now()
    window = timedelta(days=settings.CERTIFICATE_CREATION_WINDOW_IN_DAYS)
    changed_enrollments = CourseRunEnrollment.all_objects.filter(
        run=OuterRef("pk"), updated_on__gt=OuterRef("sweep__started_on") - MARGIN
    )
    is_awake = (
        Q(sweep__next_sweep_on__isnull=True)
        | Q(sweep__next_sweep_on__lte=now)
        | Q(updated_on__gt=F("sweep__started_on") - MARGIN)
        | Q(
            certificate_available_date__gt=F("sweep__started_on"),
            certificate_available_date__lte=now,
        )
        # By the first periodic task after the rest.
        | Q(certificate_available_date__lte=F("sweep__next_sweep_on") + SWEEP_PERIOD - window)
        | Exists(changed_enrollments)
    )
    return (
        get_certificate_grade_eligible_runs(now)
        .filter(is_awake)
        .order_by(F("sweep__started_on").asc(nulls_first=True), "pk")
    )


def sweep_if_awake(run: int, since: datetime, *, may_wait: bool) -> None:
    """Sweep a run, unless it rests, was swept since, or is swept by somebody else.

    Args:
        run: its key.
        since: a sweep that began after this moment will do.
        may_wait: whether to wait for a place.

    Raises NoPlaceToSweep where it may not wait.
    """
    while True:
        found = get_runs_to_sweep().filter(pk=run).exclude(sweep__started_on__gte=since).first()
        if found is None:
            return
        try:
            generate_course_run_certificates(course_run=found, may_wait=False)
        except RunIsSwept:
            return
        except NoPlaceToSweep:
            if not may_wait:
                raise
            wait_for_others()
        else:
            return
