"""What was measured, as Markdown: the machine, the tables and the promises."""

import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from tools.benchmarks.floor import FloorResults, Sites
from tools.benchmarks.promises import Promise
from tools.benchmarks.results import (
    Contender,
    Rounds,
    Situation,
    Subject,
    SweepResults,
    Timings,
    WebhookResults,
)

BEGIN_MARK: Final = "<!-- measured: begin -->"
END_MARK: Final = "<!-- measured: end -->"
_PACKAGES: Final = ("Django", "psycopg", "requests", "granian", "celery")


def describe_surroundings(command: str, postgres: str) -> Iterator[str]:
    """Yield when, by which command, on which machine and with which versions it was measured."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    memory = psutil.virtual_memory().total / 2**30
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d} by `{command}`."
    yield ""
    yield f"- Machine: {os.cpu_count()} x {_processor()}, {memory:.0f} GiB, all programs on it."
    yield f"- Versions: Python {platform.python_version()}, PostgreSQL {postgres}, {packages}."


def describe_sweeps(results: SweepResults) -> Iterator[str]:
    """Yield the table of sweeps."""
    yield f"The simulated Open edX alone serves {results.limit:,.0f} learners a second, by pages."
    yield ""
    yield from _table_head(
        *("learners", "Open edX, ms a page", "pass", "who", "seconds", "learners/s"),
        *("statements a page", "peak MiB", "repeats"),
    )
    for subject, timings in sorted(results.timings.items(), key=_place):
        statements = results.statements.get(subject)
        yield _row(
            str(subject.scene),
            f"{subject.delay}",
            str(subject.number),
            str(subject.contender),
            f"{timings.typical_seconds:.2f}",
            f"{subject.scene.total / timings.typical_seconds:,.0f}",
            "" if statements is None else f"{statements / subject.scene.pages:.1f}",
            # The workers' own memory is not looked at.
            "" if subject.contender is Contender.WORKERS else f"{timings.typical_memory:.0f}",
            "once" if len(timings.seconds) == 1 else f"{len(timings.seconds)}",
        )


def describe_webhook(results: WebhookResults) -> Iterator[str]:
    """Yield the table of webhooks: for each situation the sites side by side."""
    sizes = sorted({users for rounds in results.rounds.values() for users in rounds})
    columns = [
        f"{what}, {users:,} users" for users in sizes for what in ("req/s", "p50 / p95 / p99 ms")
    ]
    yield from _table_head("mode", "Open edX, ms", "reply", "at once", "events", *columns)
    for situation, rounds in sorted(results.rounds.items(), key=_place_of_situation):
        status, word = situation.reply
        yield _row(
            "background" if situation.is_background else "default",
            f"{situation.delay}",
            f"{status} {word}",
            f"{situation.connections}",
            f"{len(rounds[sizes[0]].rates)} x {situation.events}",
            *(cell for users in sizes for cell in _cells(rounds[users])),
        )


def describe_floor(results: FloorResults) -> Iterator[str]:
    """Yield the table of the webhook beside its floor."""
    yield from _table_head(
        *("who", "Open edX, ms", "reply", "at once", "req/s", "p50 ms", "p99, times of p50"),
        "processor, ms an event",
    )
    for (site, situation), rounds in sorted(results.items(), key=_place_beside_the_floor):
        yield _row(
            str(site),
            f"{situation.delay}",
            situation.reply[1],
            f"{situation.connections}",
            f"{rounds.rate:.0f}",
            f"{rounds.half:.1f}",
            f"{rounds.tail:.1f}",
            f"{rounds.processor_time:.1f}",
        )


def describe_promises(promises: Iterable[Promise]) -> Iterator[str]:
    """Yield the table of promises."""
    yield from _table_head("promise", "measured", "allowed", "kept")
    for promise in promises:
        kept = "yes" if promise.is_kept else "NO"
        yield _row(promise.text, promise.measured, promise.allowed, kept)


def write_between_marks(path: Path, text: str) -> None:
    """Put the text in place of what is between the two marks of a file.

    Raises ValueError if a mark is missing.
    """
    before, begin, rest = path.read_text().partition(BEGIN_MARK)
    _, end, after = rest.partition(END_MARK)
    if not (begin and end):
        raise ValueError(f"{path} lacks {BEGIN_MARK} or {END_MARK}.")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def _table_head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield _row(*("---" for _ in names))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(rounds: Rounds) -> tuple[str, str]:
    percentiles = (f"{rounds.replies.percentile(percent):.1f}" for percent in (50, 95, 99))
    return f"{rounds.typical_rate:.0f}", " / ".join(percentiles)


def _place(item: tuple[Subject, Timings]) -> tuple[int, int, int, str]:
    subject, _ = item
    contender = list(Contender).index(subject.contender)
    return (
        subject.scene.runs * 10**9 + subject.scene.learners,
        subject.delay,
        contender,
        subject.number,
    )


def _place_of_situation(item: tuple[Situation, object]) -> tuple[bool, int, bool, int]:
    situation, _ = item
    return situation.is_background, situation.delay, situation.exists, situation.connections


def _place_beside_the_floor(
    item: tuple[tuple[Sites, Situation], object],
) -> tuple[bool, int, int, int]:
    (site, situation), _ = item
    order = (situation.delay, situation.connections, list(Sites).index(site))
    return not situation.exists, *order


def _processor() -> str:
    """Return the processor's name, as Linux knows it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
