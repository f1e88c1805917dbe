"""Who sweeps a run, and how many runs are swept at once, by all processes of the site together."""

import time
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from courses.models import CourseRun, CourseRunSweep

# Any number that nothing else in this database takes for an advisory lock.
_CLAIMING: Final = 4_711_300_001


class SweepBusy(Exception):
    """The run can't be swept now; later it can."""


class RunIsSwept(SweepBusy):
    """Somebody sweeps the run at the moment."""


class NoPlaceToSweep(SweepBusy):
    """As many runs are swept as may be at once."""


class SweepOvertaken(Exception):
    """Whoever swept the run was taken for dead, and another sweeps it by now."""


class SweepLease:
    """The right to sweep a run, until it is given up or runs out."""

    def __init__(self, sweep: CourseRunSweep) -> None:
        #: Since when sweeps of the run have found nothing new.
        self.quiet_since = sweep.quiet_since
        self._held = CourseRunSweep.objects.filter(pk=sweep.pk, lease=sweep.lease)
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Let the lease begin anew, from time to time: its holder lives.

        Raises SweepOvertaken where it ran out and another has the run.
        """
        if time.monotonic() - self._renewed < settings.CERTIFICATE_SWEEP_LEASE / 4:
            return
        self._renewed = time.monotonic()
        if not self._held.update(leased_until=_lease_end(timezone.now())):
            raise SweepOvertaken

    def give_up(self, **result: Any) -> None:
        """Let others have the run, and keep what came of the sweep; nothing where it was lost."""
        self._held.update(lease=None, leased_until=None, updated_on=timezone.now(), **result)


def claim_sweep(course_run: CourseRun) -> SweepLease:
    """Return the right to sweep the run, which nobody else has then.

    A sweep asks one question at a time, so CERTIFICATE_SWEEPS_AT_ONCE bounds how many questions of
    sweeps Open edX gets at once. What a sweep that died had is free when its lease has run out.

    Raises RunIsSwept and NoPlaceToSweep.
    """
    now = timezone.now()
    at_work = CourseRunSweep.objects.filter(lease__isnull=False, leased_until__gt=now)
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two who count at once would both find the last place free.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIMING])
        runs = set(at_work.values_list("course_run_id", flat=True))
        if course_run.pk in runs:
            raise RunIsSwept
        if len(runs) >= settings.CERTIFICATE_SWEEPS_AT_ONCE:
            raise NoPlaceToSweep
        CourseRunSweep.objects.bulk_create(
            [CourseRunSweep(course_run=course_run)], ignore_conflicts=True
        )
        sweep = CourseRunSweep.objects.get(course_run=course_run)
        sweep.lease, sweep.leased_until = uuid4(), _lease_end(now)
        sweep.save(update_fields=["lease", "leased_until", "updated_on"])
    return SweepLease(sweep)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.CERTIFICATE_SWEEP_LEASE)
