"""The figures of the held requests, the pause and the sweeps, as metrics.

Read from the database when they are asked for: every process tells the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from openedx_certificates.clock import database_now
from openedx_certificates.figures import (
    OVERDUE_AFTER,
    OpenRequests,
    SweepFigures,
    count_settled,
    read_open_requests,
    read_sweep_figures,
)
from openedx_certificates.held.pause import get_pause
from openedx_certificates.models import OpenEdxPause
from openedx_certificates.webhooks.tokens import find_last_end

_PREFIX = "mitxonline_certificate"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the database says at one moment."""

    read_on: datetime
    requests: OpenRequests
    #: By outcome, of the last 24 hours.
    settled: dict[str, int]
    pause: OpenEdxPause
    sweeps: SweepFigures
    #: Until when a token opens the webhooks; None if none does now.
    last_token_ends_on: datetime | None

    @classmethod
    def read(cls) -> Self:
        """Read them, by six statements. Raises Django's database errors."""
        now = database_now()
        return cls(
            read_on=now,
            requests=read_open_requests(),
            settled=count_settled(now - _DAY),
            pause=get_pause(),
            sweeps=read_sweep_figures(now),
            last_token_ends_on=find_last_end(),
        )


def describe(figures: Figures | None) -> Iterator[Metric]:
    """Yield the figures as metrics; if there are none, only that the database did not answer."""
    yield _gauge("database_up", "1 where the database answered, else 0.", figures is not None)
    if figures is None:
        return
    yield from _describe_requests(figures)
    yield from _describe_pause(figures.pause)
    yield from _describe_sweeps(figures.sweeps)
    ends_on = figures.last_token_ends_on
    yield _gauge(
        "webhook_token_seconds_left",
        "Until the last token ends that opens the webhooks; 0 without any.",
        (ends_on - figures.read_on).total_seconds() if ends_on else 0.0,
    )


def _describe_requests(figures: Figures) -> Iterator[Metric]:
    requests = figures.requests
    held_for = figures.read_on - requests.oldest_on if requests.oldest_on else timedelta()
    yield _gauge("open_requests", "Requests that are held and not settled.", requests.count)
    yield _gauge(
        "open_requests_due", "Open requests that a worker could take up now.", requests.due
    )
    yield _gauge(
        "open_requests_overdue",
        f"Open requests that a worker could have taken up {OVERDUE_AFTER.seconds // 60} minutes ago.",
        requests.overdue,
    )
    yield _gauge(
        "open_requests_failing",
        "Open requests that Open edX could not tell about when it was last asked.",
        requests.failing,
    )
    yield _gauge(
        "oldest_open_request_age_seconds",
        "How long the oldest open request has been held; 0 without any.",
        max(held_for.total_seconds(), 0.0),
    )
    settled = GaugeMetricFamily(
        f"{_PREFIX}_requests_settled_last_day",
        "Requests settled in the last 24 hours, by outcome.",
        labels=["outcome"],
    )
    for outcome, number in figures.settled.items():
        settled.add_metric([outcome], number)
    yield settled


def _describe_pause(pause: OpenEdxPause) -> Iterator[Metric]:
    yield _gauge(
        "openedx_paused",
        "1 while Open edX is down and asked by a probe alone, else 0.",
        pause.is_on,
    )
    if pause.since is not None:
        yield _gauge(
            "openedx_paused_since_timestamp_seconds",
            "When the pause began, in seconds since 1970; absent without one.",
            pause.since.timestamp(),
        )
    yield _gauge(
        "openedx_failures_in_a_row",
        "Questions that failed in a row because Open edX is down.",
        pause.failures,
    )


def _describe_sweeps(sweeps: SweepFigures) -> Iterator[Metric]:
    yield _gauge("sweep_runs", "Course runs that are swept.", sweeps.runs)
    yield _gauge(
        "sweep_runs_broken_off",
        "Of the swept runs, those whose last sweep broke off.",
        sweeps.broke_off,
    )
    yield _gauge(
        "sweep_runs_with_failed_learners",
        "Of the swept runs, those with learners whose grade the database did not take.",
        sweeps.with_failed_learners,
    )
    yield _gauge(
        "sweep_certificates_created",
        "Certificates that the last sweep of each swept run found missing, and created.",
        sweeps.certificates_created,
    )
    if sweeps.last_finished_on is not None:
        yield _gauge(
            "sweep_last_finished_timestamp_seconds",
            "When a sweep of a run ended last, in seconds since 1970; absent before the first.",
            sweeps.last_finished_on.timestamp(),
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=float(value))
