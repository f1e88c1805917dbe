"""Who sweeps a run, and how many runs are swept at once, by all processes of the site together."""

import time
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection, transaction
from django.utils import timezone

from courses.api.conflicts import is_contention
from courses.models import CourseRun, CourseRunSweep
from openedx.api import waiting

# Any number that nothing else in this database takes for an advisory lock.
_CLAIMING: Final = 4_711_300_001
# How soon somebody who waits for a run, or for a place to sweep it, looks again.
LOOK_SECONDS: Final = 0.2


class SweepBusy(Exception):
    """The run can't be swept now; later it can."""


class RunIsSwept(SweepBusy):
    """Somebody sweeps the run at the moment."""


class NoPlaceToSweep(SweepBusy):
    """As many runs are swept as may be at once, or somebody else is about to begin: ask again."""


class SweepOvertaken(Exception):
    """Whoever swept the run was taken for dead, and another sweeps it by now."""


class SweepLease:
    """The right to sweep a run, until it is given up or runs out."""

    def __init__(self, sweep: CourseRunSweep) -> None:
        #: Since when sweeps of the run have found nothing new.
        self.quiet_since = sweep.quiet_since
        self._held = CourseRunSweep.objects.filter(pk=sweep.pk, lease=sweep.lease)
        self._renewed = time.monotonic()

    def renew(self, *, at_once: bool = False) -> None:
        """Let the lease begin anew, from time to time: its holder lives.

        Args:
            at_once: now, whenever it was renewed last: what follows can't be undone.

        Raises SweepOvertaken where it has run out: the run or the place may be another's by now.
        """
        age = time.monotonic() - self._renewed
        if age < settings.CERTIFICATE_SWEEP_LEASE / 4 and not at_once:
            return
        self._renewed, now = time.monotonic(), timezone.now()
        if not self._held.filter(leased_until__gt=now).update(leased_until=_lease_end(now)):
            raise SweepOvertaken

    def give_up(self, **result: Any) -> None:
        """Let others have the run, and keep what came of the sweep; nothing where it was lost."""
        self._held.update(lease=None, leased_until=None, updated_on=timezone.now(), **result)


def claim_sweep(course_run: CourseRun) -> SweepLease:
    """Return the right to sweep the run, which nobody else has then.

    A sweep asks one question at a time, so CERTIFICATE_SWEEPS_AT_ONCE bounds how many questions of
    sweeps Open edX gets at once. What a sweep that died had is free when its lease has run out.

    Raises RunIsSwept and NoPlaceToSweep, and Django's database errors.
    """
    try:
        # Before the claim: it can wait for whoever has the run's row locked.
        CourseRunSweep.objects.get_or_create(course_run=course_run)
        with transaction.atomic():
            return _claim(course_run, timezone.now())
    except DatabaseFailure as error:
        if is_contention(error):
            raise NoPlaceToSweep from error
        raise


def wait_for_others() -> None:
    """Wait a moment for a run or a place to become free, and hold nothing meanwhile."""
    with waiting():
        # Whoever sweeps may be on another machine: nothing would tell us.
        time.sleep(LOOK_SECONDS)


def _claim(course_run: CourseRun, now: datetime) -> SweepLease:
    # Two who count at once would both find the last place free. Nobody waits in a row of others.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_CLAIMING])
        (is_my_turn,) = cursor.fetchone()
    if not is_my_turn:
        raise NoPlaceToSweep
    at_work = CourseRunSweep.objects.filter(lease__isnull=False, leased_until__gt=now)
    runs = set(at_work.values_list("course_run_id", flat=True))
    if course_run.pk in runs:
        raise RunIsSwept
    if len(runs) >= settings.CERTIFICATE_SWEEPS_AT_ONCE:
        raise NoPlaceToSweep
    free = CourseRunSweep.objects.select_for_update(skip_locked=True)
    sweep = free.filter(course_run=course_run).first()
    if sweep is None:
        raise NoPlaceToSweep
    sweep.lease, sweep.leased_until = uuid4(), _lease_end(now)
    sweep.save(update_fields=["lease", "leased_until", "updated_on"])
    return SweepLease(sweep)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.CERTIFICATE_SWEEP_LEASE)
