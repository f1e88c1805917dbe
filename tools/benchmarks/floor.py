"""Measures the webhook against the least that there can be, and how long its slowest replies take."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Final

import psutil
from tqdm import tqdm

from tools.benchmarks.replies import Replies
from tools.benchmarks.results import Situation
from tools.benchmarks.stage import OpenEdx, Stage
from tools.benchmarks.webhook import CONNECTIONS, COURSES, FEW, Site, forget

MANY_CONNECTIONS: Final = 64


class Sites(StrEnum):
    """What answers the events."""

    OURS = "ours"
    BACKGROUND = "ours, background mode"
    BAREST = "(c) the barest way"
    EMPTY = "(d) an empty view"


_APPLICATIONS: Final = {
    Sites.BAREST: "tools.benchmarks.barest:application",
    Sites.EMPTY: "tools.benchmarks.empty:application",
}


@dataclass(slots=True)
class Rounds:
    """The rounds of one situation."""

    rates: list[float] = field(default_factory=list)
    halves: list[float] = field(default_factory=list)
    #: How many times p50 the 99th percentile was.
    tails: list[float] = field(default_factory=list)
    #: Milliseconds of the server's processes, for each event.
    processor: list[float] = field(default_factory=list)

    def add(self, replies: Replies, seconds: float, processor: float) -> None:
        """Take in a round."""
        half, count = replies.percentile(50), len(replies.seconds)
        self.rates.append(count / seconds)
        self.halves.append(half)
        self.tails.append(replies.percentile(99) / half)
        self.processor.append(1000 * processor / count)

    @property
    def rate(self) -> float:
        """Replies a second, the median."""
        return median(self.rates)

    @property
    def half(self) -> float:
        """p50 in milliseconds, the median."""
        return median(self.halves)

    @property
    def tail(self) -> float:
        """p99 in times of p50, the median."""
        return median(self.tails)

    @property
    def processor_time(self) -> float:
        """Milliseconds for each event, the least: neighbours can only add to it."""
        return min(self.processor)


FloorResults = dict[tuple[Sites, Situation], Rounds]


class Floor:
    """Measures all sites by turns, each with a copy of the same database."""

    def __init__(self, stage: Stage, repeats: int, database: str, token: str) -> None:
        """Measure nothing yet.

        Args:
            stage: with the database.
            repeats: how many rounds of each situation are counted.
            database: of FEW users, to be copied; nobody uses it.
            token: of its webhook.
        """
        self.results: FloorResults = {}
        self._stage = stage
        self._repeats = repeats
        self._database = database
        self._token = token

    def measure(self) -> None:
        """Measure; the first round of each situation gets warm."""
        openedx = self._stage.start_openedx(self._stage.folder / COURSES)
        with self._sites(openedx) as sites:
            for number in tqdm(range(-1, self._repeats), desc="Webhook, the floor"):
                in_turn = list(sites.items())[:: 1 if number % 2 else -1]
                for kind, site in in_turn:
                    for situation in _situations(kind):
                        for _ in range(situation.rounds):
                            self._play_round(kind, site, openedx, situation, is_counted=number >= 0)
        self._stage.end(openedx.child)

    @contextmanager
    def _sites(self, openedx: OpenEdx) -> Iterator[dict[Sites, Site]]:
        sites = {}
        for kind in Sites:
            database = f"floor_{kind.name.lower()}"
            self._stage.create_database(database, self._database)
            web = self._stage.start_web(
                database,
                openedx.url,
                application=_APPLICATIONS.get(kind),
                CERTIFICATE_WEBHOOK_ASYNC=str(kind is Sites.BACKGROUND),
            )
            sites[kind] = Site(FEW, database, self._token, web)
        try:
            yield sites
        finally:
            for site in sites.values():
                self._stage.end(site.web.child)

    def _play_round(
        self, kind: Sites, site: Site, openedx: OpenEdx, situation: Situation, *, is_counted: bool
    ) -> None:
        if not situation.exists:
            forget(self._stage, site)
        openedx.set_delay(situation.delay)
        before = _processor_seconds(site)
        burst = site.send(situation)
        spent = _processor_seconds(site) - before
        openedx.set_delay(0)
        if is_counted:
            rounds = self.results.setdefault((kind, situation), Rounds())
            rounds.add(burst.replies, burst.seconds, spent)


def _situations(kind: Sites) -> Iterator[Situation]:
    """Yield what is measured of a site."""
    if kind is Sites.BACKGROUND:
        for connections in (CONNECTIONS[-1], MANY_CONNECTIONS):
            yield Situation(is_background=True, delay=0, connections=connections, exists=False)
        return
    many = (MANY_CONNECTIONS,) if kind is Sites.OURS else ()
    for connections in (*CONNECTIONS, *many):
        yield Situation(is_background=False, delay=0, connections=connections, exists=True)
        if kind is not Sites.EMPTY:
            yield Situation(is_background=False, delay=0, connections=connections, exists=False)
        if kind is Sites.OURS and connections > 1:
            yield Situation(is_background=False, delay=500, connections=connections, exists=False)


def _processor_seconds(site: Site) -> float:
    """Return the processor time that the site's server has taken so far, its processes together."""
    server = psutil.Process(site.web.child.process.pid)
    processes = [server, *server.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in processes)
