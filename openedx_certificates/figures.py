"""The figures that people and monitors watch: one statement each, which an index serves.

An outcome is how a request was settled, with the reason if the learner was not eligible.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from django.db.models import Case, Count, Max, Min, Q, QuerySet, Sum, When
from django.db.models.functions import Now, Trunc

from openedx_certificates import host
from openedx_certificates.held.queue import Reason, Status, get_open_requests, is_due, is_free
from openedx_certificates.models import CertificateRequest, CourseRunSweep

Unit = Literal["hour", "day"]
STEPS: Final[dict[Unit, timedelta]] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

#: How a request can end, and which requests those are.
OUTCOMES: Final[dict[str, Q]] = {
    **{
        status.value: Q(status=status) for status in (Status.CREATED, Status.EXISTS, Status.REVOKED)
    },
    **{
        reason.value: Q(status=Status.NOT_ELIGIBLE, reason=reason)
        for reason in (Reason.NOT_PASSED, Reason.NO_PAID_ENROLLMENT)
    },
    Status.FAILED.value: Q(status=Status.FAILED),
}
_COUNTS: Final = {outcome: Count("pk", filter=which) for outcome, which in OUTCOMES.items()}

#: A worker looks for what is due each ten seconds: what waits for so long has found none.
OVERDUE_AFTER: Final = timedelta(minutes=5)

IS_FAILING: Final = Q(status=Status.OPEN, failing_since__isnull=False)
BROKE_OFF: Final = ~Q(error="")
HAD_FAILED_LEARNERS: Final = Q(failed_learners__gt=0)
NEEDS_A_LOOK: Final = BROKE_OFF | HAD_FAILED_LEARNERS


@dataclass(frozen=True, slots=True)
class OpenRequests:
    """What is held at this moment."""

    count: int
    #: When the one was made that has been held for longest; None without any.
    oldest_on: datetime | None
    #: How many of them Open edX could not tell about when it was last asked.
    failing: int
    #: How many could be taken up now: their time has come, and no worker has them.
    due: int
    #: How many have been due for OVERDUE_AFTER and longer.
    overdue: int


@dataclass(frozen=True, slots=True)
class SweepFigures:
    """What the last sweeps of the runs came to that are still swept."""

    runs: int
    broke_off: int
    with_failed_learners: int
    #: Of which one of the two holds, or both.
    failing: int
    last_finished_on: datetime | None
    #: By the last sweep of each run.
    certificates_created: int


def read_open_requests() -> OpenRequests:
    """Return what is held now."""
    return OpenRequests(
        **get_open_requests().aggregate(
            count=Count("pk"),
            oldest_on=Min("created_on"),
            failing=Count("pk", filter=IS_FAILING),
            due=Count("pk", filter=can_be_taken_up()),
            overdue=Count("pk", filter=is_overdue()),
        )
    )


def find_oldest_open() -> CertificateRequest | None:
    """Return the request that has been held for longest, None without any."""
    return get_open_requests().order_by("created_on", "pk").first()


def can_be_taken_up() -> Q:
    """Return which requests a worker could take up now: open, due, and in no worker's hands."""
    return Q(status=Status.OPEN) & is_due() & is_free()


def is_overdue() -> Q:
    """Return which requests a worker could have taken up OVERDUE_AFTER ago."""
    return Q(status=Status.OPEN, next_attempt_on__lte=Now() - OVERDUE_AFTER) & is_free()


def count_settled(since: datetime) -> dict[str, int]:
    """Return how many requests were settled from then on, by outcome; each outcome is there."""
    return CertificateRequest.objects.filter(settled_on__gte=since).aggregate(**_COUNTS)


def count_settled_by(
    unit: Unit, since: datetime, now: datetime
) -> list[tuple[datetime, dict[str, int]]]:
    """Return how many were settled in each hour or day (UTC), by outcome.

    Oldest first, with a line for each, and each outcome in it.

    Args:
        unit: of what there is a line.
        since: the moment that the first hour or day has in it; the whole of it is counted.
        now: the moment that the last one has in it.
    """
    first = floor(since, unit)
    rows = (
        CertificateRequest.objects.filter(settled_on__gte=first)
        .annotate(begin=Trunc("settled_on", unit, tzinfo=UTC))
        .values_list("begin")
        .annotate(**_COUNTS)
    )
    counted = {begin: dict(zip(OUTCOMES, counts, strict=True)) for begin, *counts in rows}
    lines = []
    while first <= now:
        lines.append((first, counted.get(first) or dict.fromkeys(OUTCOMES, 0)))
        first += STEPS[unit]
    return lines


def floor(moment: datetime, unit: Unit) -> datetime:
    """Return when the hour or day (UTC) began that the moment is in."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if unit == "hour" else hour.replace(hour=0)


def read_sweep_figures(now: datetime) -> SweepFigures:
    """Return how the last sweeps went of the runs that are still swept."""
    figures = host.get_eligible_runs(now).aggregate(
        runs=Count("pk"),
        broke_off=Count("pk", filter=_of_sweep(BROKE_OFF)),
        with_failed_learners=Count("pk", filter=_of_sweep(HAD_FAILED_LEARNERS)),
        failing=Count("pk", filter=_of_sweep(NEEDS_A_LOOK)),
        last_finished_on=Max("sweep__finished_on"),
        certificates_created=Sum("sweep__certificates_created", default=0),
    )
    return SweepFigures(**figures)


def get_failing_sweeps(now: datetime) -> QuerySet[CourseRunSweep]:
    """Return the last sweeps that need a look, of runs that are still swept.

    First those that broke off, then by how many learners failed, the latest first.
    """
    swept = host.get_eligible_runs(now)
    return (
        CourseRunSweep.objects.filter(NEEDS_A_LOOK, course_run__in=swept)
        .select_related("course_run")
        .order_by(Case(When(error="", then=1), default=0), "-failed_learners", "-finished_on", "pk")
    )


def count_certificates(since: datetime) -> int:
    """Return how many certificates were created from then on, whatever became of them."""
    return host.certificates().filter(created_on__gte=since).count()


def _of_sweep(which: Q) -> Q:
    """Return the condition on a sweep as one on the sweep's run."""
    return Q(pk__in=CourseRunSweep.objects.filter(which).values("course_run"))
