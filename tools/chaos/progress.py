"""How far it has come: a bar on a terminal, a line now and then elsewhere."""

import time
from typing import Final, Self

from tqdm import tqdm

from tools.chaos.clock import Clock
from tools.chaos.database import Open
from tools.chaos.plan import Plan
from tools.chaos.programs import Programs
from tools.chaos.senders import Senders
from tools.demo.terminal import can_show_a_bar, say

LINE_EACH_SECONDS: Final = 20.0


class Bar:
    """The seconds that have passed, and what happened in them."""

    def __init__(self, plan: Plan, clock: Clock, senders: Senders, programs: Programs) -> None:
        self._clock = clock
        self._senders = senders
        self._programs = programs
        self._has_bar = can_show_a_bar()
        self._total = plan.options.seconds
        self._bar = tqdm(
            total=self._total,
            unit=" s",
            disable=not self._has_bar,
            bar_format="{desc} {bar} {n:.0f}/{total:.0f} s {postfix}",
        )
        self._next_line = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, found: Open | None) -> None:
        """Show how far it has come."""
        seconds = min(self._clock.now(), self._total)
        state = (
            f"{self._senders.sent.events} events, {self._programs.kills.total()} kills, "
            f"{'?' if found is None else found.count} open"
        )
        if self._has_bar:
            self._bar.n = seconds
            self._bar.set_postfix_str(state, refresh=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EACH_SECONDS
            say(f"{seconds:6.0f} s  {state}")
