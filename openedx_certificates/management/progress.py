"""What the commands show of long work: a bar while it goes on, and a line at its end."""

from argparse import BooleanOptionalAction
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from django.core.management.base import CommandParser

from openedx_certificates.api import ProcessingSummary

try:
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm
except ImportError:
    # The bar is an extra: without the library none is shown.
    tqdm = None  # type: ignore[assignment, misc]


class Bar(Protocol):
    """What the commands do with a bar."""

    n: int
    total: int

    def update(self, n: int) -> object:
        """Go on by so many."""

    def set_postfix(self, *, refresh: bool | None = ..., **values: Any) -> object:
        """Show these values behind the bar."""


@dataclass
class NoBar:
    """Stands for a bar that is not shown."""

    total: int
    n: int = 0

    def update(self, n: int) -> None:
        self.n += n

    def set_postfix(self, *, refresh: bool | None = True, **values: Any) -> None:
        """Show nothing."""


def add_progress_argument(parser: CommandParser) -> None:
    """Add --progress and --no-progress."""
    parser.add_argument(
        "--progress",
        action=BooleanOptionalAction,
        default=None,
        help="Show a progress bar, or none; by default one is shown on a terminal.",
    )


@contextmanager
def progress_bar(total: int, unit: str, progress: bool | None) -> Iterator[Bar]:
    """Show a bar for the block, with the rate; what is logged meanwhile goes above it.

    Args:
        total: how many there will be, about.
        unit: of what.
        progress: the value of --progress.
    """
    if tqdm is None:
        yield NoBar(total)
        return
    disable = None if progress is None else not progress
    with tqdm(total=total, unit=f" {unit}", disable=disable, leave=True) as shown:
        bar: Any = shown
        if bar.disable:
            yield bar
            return
        with logging_redirect_tqdm():
            yield bar


@contextmanager
def requests_bar(
    total: int, progress: bool | None
) -> Iterator[Callable[[ProcessingSummary], None]]:
    """Show a bar for the block, which gets the function that moves it.

    Args:
        total: how many requests will be taken up, about.
        progress: the value of --progress.
    """
    with progress_bar(total, "requests", progress) as bar:

        def report(summary: ProcessingSummary) -> None:
            bar.set_postfix(
                created=summary.settled["created"], deferred=summary.deferred, refresh=False
            )
            bar.update(summary.taken_up - bar.n)

        yield report


def describe_pass(summary: ProcessingSummary, *, still_open: int) -> str:
    """Return the summary of a pass in one line.

    Args:
        summary: of the pass.
        still_open: how many requests are open after it.
    """
    line = (
        "{taken_up} request(s) taken up. "
        "Settled: {settled_created} created, {settled_exists} existing, {settled_revoked} revoked, "
        "{settled_not_eligible} not eligible, {settled_failed} failed. "
        "Not passed yet, asked again soon: {waiting}. Nobody could tell, tried again: {deferred}. "
        "Open now: {still_open}."
    ).format(**summary.as_dict(), still_open=still_open)
    if summary.is_paused:
        line += (
            " Open edX is down: the others wait for a probe to succeed; --all asks all the same."
        )
    return line
