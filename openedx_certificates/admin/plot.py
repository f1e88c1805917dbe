"""Bars that stack, one for each hour or day: numbers in, and the shapes that a template draws.

Lengths across are shares of the plot's width, so that it fits any screen and its words keep their
size; heights are pixels.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from openedx_certificates.figures import OUTCOMES, STEPS, Unit

HEIGHT: Final = 190
# Above the bars: the word at the highest line, and what thin parts take beyond their share.
TOP: Final = 20
# Below them: two lines of words.
BOTTOM: Final = 36
# Percent of the width, for the numbers beside the lines.
LEFT: Final = 12.0
# One failure among ten thousand must be seen.
THINNEST: Final = 3.0
MOST_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """What one outcome has of a bar."""

    outcome: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour or day."""

    begin: datetime
    #: When it is, in words.
    words: str
    #: The same if there is little room.
    few_words: str
    counts: Mapping[str, int]
    total: int
    x: str
    width: str
    middle: str
    parts: list[Part]
    #: What is written below it, and below that.
    label: str
    second_label: str
    #: Whether the label stays if there is little room.
    is_major: bool

    @property
    def named(self) -> list[tuple[str, str]]:
        """What there is, with the outcome's name."""
        return [
            (outcome_in_words(outcome), f"{count:,}")
            for outcome, count in self.counts.items()
            if count
        ]


@dataclass(frozen=True, slots=True)
class Line:
    """A line across, at a round number."""

    label: str
    y: str


@dataclass(frozen=True, slots=True)
class Plot:
    """The whole of it."""

    unit: Unit
    bars: list[Bar]
    lines: list[Line]
    totals: dict[str, int]
    left: str = f"{LEFT}%"
    height: int = TOP + HEIGHT + BOTTOM
    floor: int = TOP + HEIGHT

    @property
    def total(self) -> int:
        """How many there are in all bars."""
        return sum(self.totals.values())

    @property
    def since(self) -> datetime:
        """The left edge of the first bar."""
        return self.bars[0].begin

    @property
    def until(self) -> datetime:
        """The right edge of the last bar."""
        return self.bars[-1].begin + STEPS[self.unit]

    @property
    def highest(self) -> Bar:
        """The bar that has most, the latest of several."""
        return max(reversed(self.bars), key=lambda bar: bar.total)


def draw(unit: Unit, counted: Sequence[tuple[datetime, Mapping[str, int]]]) -> Plot:
    """Return the plot of what was counted.

    Args:
        unit: how long a bar lasts.
        counted: by the beginning of each bar, oldest first, how many there are of each outcome.
    """
    most = max(sum(counts.values()) for _, counts in counted)
    step = _find_step(most)
    top = step * max(1, math.ceil(most / step))
    lines = [
        Line(label=_round_number(value, step), y=_number(TOP + HEIGHT * (1 - value / top)))
        for value in range(0, top + 1, step)
    ]
    slot = (100 - LEFT) / len(counted)
    bars = [
        Bar(
            begin=begin,
            words=_describe(unit, begin),
            few_words=_describe_briefly(unit, begin),
            counts=counts,
            total=sum(counts.values()),
            x=_percent(LEFT + slot * (place + 0.14)),
            width=_percent(slot * 0.72),
            middle=_percent(LEFT + slot * (place + 0.5)),
            parts=list(_stack(counts, HEIGHT / top)),
            label=_label(unit, begin),
            second_label=_label_below(unit, begin, is_first=place == 0),
            is_major=unit == "day" or begin.hour % 6 == 0,
        )
        for place, (begin, counts) in enumerate(counted)
    ]
    totals = {outcome: sum(counts[outcome] for _, counts in counted) for outcome in OUTCOMES}
    return Plot(unit=unit, bars=bars, lines=lines, totals=totals)


def outcome_in_words(outcome: str) -> str:
    """Return how an outcome is called on the page."""
    return outcome.replace("_", " ")


def _stack(counts: Mapping[str, int], pixels_each: float) -> Iterator[Part]:
    bottom = float(TOP + HEIGHT)
    for outcome, count in counts.items():
        if count:
            height = max(count * pixels_each, THINNEST)
            bottom -= height
            yield Part(outcome, y=_number(bottom), height=_number(height))


def _find_step(most: int) -> int:
    """Return how far apart the lines are: 1, 2 or 5 with zeros behind, so that a few are enough."""
    step, factors = 1, itertools.cycle((2, 2.5, 2))
    while step * MOST_LINES < most:
        step = int(step * next(factors))
    return step


def _round_number(value: int, step: int) -> str:
    """Return a line's number, as short as it can be said: a phone has little room beside the plot."""
    return f"{value // 1000:,}k" if value and step % 1000 == 0 else f"{value:,}"


def _describe(unit: Unit, begin: datetime) -> str:
    hours = f", {begin:%H:%M} to {begin + STEPS[unit]:%H:%M}" if unit == "hour" else ""
    return f"{begin:%a} {begin.day} {begin:%b}{hours}"


def _describe_briefly(unit: Unit, begin: datetime) -> str:
    return f"{begin:%a %H:%M}" if unit == "hour" else _describe(unit, begin)


def _label(unit: Unit, begin: datetime) -> str:
    if unit == "day":
        return str(begin.day)
    return f"{begin:%H:%M}" if begin.hour % 3 == 0 else ""


def _label_below(unit: Unit, begin: datetime, *, is_first: bool) -> str:
    """Return the date below the hours, the month below the days, at their beginnings."""
    if unit == "day":
        return f"{begin:%b}" if is_first or begin.day == 1 else ""
    # No room beside the next day's, a few bars further on.
    has_room = is_first and begin.hour < 20
    return f"{begin.day} {begin:%b}" if has_room or begin.hour == 0 else ""


def _percent(number: float) -> str:
    return f"{_number(number)}%"


def _number(number: float) -> str:
    return f"{number:.2f}"
