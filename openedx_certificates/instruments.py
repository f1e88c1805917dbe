"""What each process counts: the events that came, and the questions that Open edX was asked.

`main.metrics` shows the sums. Labels take none but the values named here: no caller can add one.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal

from openedx_certificates.logs import get_logger
from openedx_certificates.wire.exceptions import (
    OpenEdxError,
    OpenEdxNonsense,
    OpenEdxNotFound,
    OpenEdxRefused,
    OpenEdxThrottled,
    OpenEdxTimeout,
    OpenEdxUnreachable,
    UnusableGrade,
)

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram
except ImportError:
    # The metrics are an extra: without the library nothing is counted, and nothing else changes.
    class CollectorRegistry:  # type: ignore[no-redef]
        """Stands for a registry."""

    class Counter:  # type: ignore[no-redef]
        """Stands for a counter, and for a histogram."""

        def __init__(self, *_names: object, **_options: object) -> None:
            """Take what the library's own takes."""

        def labels(self, *_values: str) -> Any:
            return self

        def inc(self, _amount: float = 1) -> None:
            """Count nothing."""

        def observe(self, _amount: float) -> None:
            """Count nothing."""

    Histogram = Counter  # type: ignore[assignment, misc]

log = get_logger(__name__)

Webhook = Literal["certificate", "enrollment"]
Question = Literal["grade", "page"]

INSTRUMENTS: Final = CollectorRegistry()

_EVENTS: Final = Counter(
    "mitxonline_certificate_events_total",
    "Events that came to a webhook, by what was answered.",
    ["webhook", "outcome"],
    registry=INSTRUMENTS,
)
_EVENT_SECONDS: Final = Histogram(
    "mitxonline_certificate_event_seconds",
    "How long the sender of an event waited for the answer; the plugin waits 30 seconds.",
    ["webhook"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
    registry=INSTRUMENTS,
)
_QUESTION_SECONDS: Final = Histogram(
    "mitxonline_certificate_openedx_question_seconds",
    "How long Open edX took for one question, its retries included, whether it failed or not.",
    ["question"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
    registry=INSTRUMENTS,
)
_QUESTION_ERRORS: Final = Counter(
    "mitxonline_certificate_openedx_errors_total",
    "Questions that Open edX could not tell about, by the reason.",
    ["question", "error"],
    registry=INSTRUMENTS,
)
_LINES_DROPPED: Final = Counter(
    "mitxonline_certificate_log_lines_dropped_total",
    "Lines of the log that were dropped, since nobody read standard error.",
    ["level"],
    registry=INSTRUMENTS,
)
#: What a question can come to, besides an answer.
QUESTION_ERRORS: Final = tuple(
    error.code
    for error in (
        OpenEdxUnreachable,
        OpenEdxTimeout,
        OpenEdxRefused,
        OpenEdxThrottled,
        OpenEdxNotFound,
        OpenEdxNonsense,
        UnusableGrade,
    )
)


def count_event(webhook: Webhook, outcome: str, seconds: float) -> None:
    """Count an event that was answered after so many seconds. Never raises."""
    with _errors_logged_once():
        _EVENTS.labels(webhook, outcome).inc()
        _EVENT_SECONDS.labels(webhook).observe(seconds)


@contextmanager
def counted_question(question: Question) -> Iterator[None]:
    """Count the question asked in the block, how long it takes, and the OpenEdxError it raises.

    Args:
        question: whether one learner's grade is asked for, or a page of a run's.
    """
    begun = time.perf_counter()
    error_code = None
    try:
        yield
    except OpenEdxError as error:
        error_code = error.code
        raise
    finally:
        with _errors_logged_once():
            _QUESTION_SECONDS.labels(question).observe(time.perf_counter() - begun)
            if error_code is not None:
                _QUESTION_ERRORS.labels(question, error_code).inc()


def count_dropped_line(level: str) -> None:
    """Count a line of the log, of this level, that found no reader. Never raises."""
    with _errors_logged_once():
        _LINES_DROPPED.labels(level).inc()


def show_from_zero(outcomes: Mapping[Webhook, Iterable[str]]) -> None:
    """Show what has not been counted yet as 0: Prometheus sees a first one only as one more than 0.

    Args:
        outcomes: what events can come to, for each webhook.
    """
    with _errors_logged_once():
        for webhook, words in outcomes.items():
            _EVENT_SECONDS.labels(webhook)
            for outcome in words:
                # With nothing added it is written down, and the log told if it can't be.
                _EVENTS.labels(webhook, outcome).inc(0)
        questions: tuple[Question, ...] = ("grade", "page")
        for question in questions:
            _QUESTION_SECONDS.labels(question)
            for code in QUESTION_ERRORS:
                _QUESTION_ERRORS.labels(question, code)
        for level in ("debug", "info", "warning", "error", "critical"):
            _LINES_DROPPED.labels(level)


@contextmanager
def _errors_logged_once() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a full disk, say, must not cost the event as well
        _tell_once(type(error).__name__)


_told: Final[set[str]] = set()


def _tell_once(error: str) -> None:
    if error not in _told:
        # Before it is told: a line of the log that is dropped is counted, too.
        _told.add(error)
        log.error("metrics are not counted in this process", extra={"error": error})
