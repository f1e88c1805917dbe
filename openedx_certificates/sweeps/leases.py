"""The right to sweep a run: one sweep at a time has it, until its lease runs out."""

import time
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from django.db.models import Q
from django.db.models.functions import Now

from openedx_certificates import host
from openedx_certificates.clock import has_come
from openedx_certificates.models import CourseRunSweep
from openedx_certificates.settings import app_settings
from openedx_certificates.waiting.holding import hold_nothing

# How soon a caller that waits for a run looks again.
LOOK_SECONDS: Final = 0.2


class RunIsSwept(Exception):
    """The run is being swept by another process."""


class SweepOvertaken(Exception):
    """The holder of the lease was taken for dead, and the run may be another's by now."""


class SweepLease:
    """The right to sweep a run, until it is given up or runs out."""

    def __init__(self, course_run: host.CourseRun, lease: UUID) -> None:
        self._held = CourseRunSweep.objects.filter(course_run=course_run, lease=lease)
        self._renewed = time.monotonic()

    def renew(self, *, at_once: bool = False) -> None:
        """Let the lease begin again, from time to time: its holder lives.

        Args:
            at_once: now, whenever it was renewed last: what follows can't be undone.

        Raises SweepOvertaken if the lease has run out.
        """
        age = time.monotonic() - self._renewed
        if age < app_settings.SWEEP_LEASE / 4 and not at_once:
            return
        self._renewed = time.monotonic()
        held = self._held.filter(leased_until__gt=Now())
        if not held.update(leased_until=Now() + _lease_length()):
            raise SweepOvertaken

    def give_up(self, **result: Any) -> None:
        """Let others have the run, and keep what came of the sweep; nothing if the lease was lost."""
        self._held.update(lease=None, leased_until=None, updated_on=Now(), **result)


def claim_sweep(course_run: host.CourseRun) -> SweepLease:
    """Return the right to sweep the run, which no other has then.

    The run of a sweep that died is free when its lease has run out.

    Raises RunIsSwept, and Django's database errors.
    """
    CourseRunSweep.objects.get_or_create(course_run=course_run)
    lease = uuid4()
    free = CourseRunSweep.objects.filter(
        Q(lease__isnull=True) | has_come("leased_until", within=longest_sweep_lease()),
        course_run=course_run,
    )
    # One statement: of two claims the second waits for the first, and finds the run taken.
    if not free.update(lease=lease, leased_until=Now() + _lease_length(), updated_on=Now()):
        raise RunIsSwept
    return SweepLease(course_run, lease)


def wait_for_others() -> None:
    """Wait a moment for a run to become free, and hold no connection meanwhile."""
    with hold_nothing():
        # The sweep may be on another machine: nothing would tell us.
        time.sleep(LOOK_SECONDS)


def longest_sweep_lease() -> timedelta:
    """Return how far away the end of a lease can be: a lease's length, and as much for what is odd."""
    return 2 * _lease_length()


def _lease_length() -> timedelta:
    return timedelta(seconds=app_settings.SWEEP_LEASE)
