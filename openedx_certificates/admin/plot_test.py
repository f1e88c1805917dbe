"""The plot's shapes: round lines, bars in their places, and nothing too thin to be seen."""

from datetime import UTC, datetime, timedelta

import pytest

from openedx_certificates.admin.plot import HEIGHT, THINNEST, TOP, Plot, draw
from openedx_certificates.figures import OUTCOMES

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
NONE = dict.fromkeys(OUTCOMES, 0)


def plot_hours(*counts: dict[str, int], since: datetime = MIDNIGHT) -> Plot:
    """Draw hours with these outcomes."""
    return draw(
        "hour",
        [(since + place * timedelta(hours=1), {**NONE, **of}) for place, of in enumerate(counts)],
    )


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (4, ["0", "1", "2", "3", "4"]),
        (5, ["0", "2", "4", "6"]),
        (17, ["0", "5", "10", "15", "20"]),
        (231, ["0", "100", "200", "300"]),
        (1_800, ["0", "500", "1,000", "1,500", "2,000"]),
        (3_000, ["0", "1k", "2k", "3k"]),
        (10_000, ["0", "5k", "10k"]),
        (11_001, ["0", "5k", "10k", "15k"]),
        (40_000_000, ["0", "10,000k", "20,000k", "30,000k", "40,000k"]),
    ],
)
def test_the_lines_are_few_and_at_round_numbers(most: int, labels: list[str]):
    plot = plot_hours({"created": most})

    assert [line.label for line in plot.lines] == labels
    assert float(plot.lines[0].y) == TOP + HEIGHT
    assert float(plot.lines[-1].y) == TOP


def test_the_parts_stand_on_each_other_as_high_as_they_are_many():
    (bar,) = plot_hours({"created": 10, "exists": 6, "failed": 4}).bars

    heights = [float(part.height) for part in bar.parts]
    assert [part.outcome for part in bar.parts] == ["created", "exists", "failed"]
    assert heights == [HEIGHT * share for share in (0.5, 0.3, 0.2)]
    bottoms = [float(part.y) + float(part.height) for part in bar.parts]
    assert bottoms == [TOP + HEIGHT, TOP + HEIGHT * 0.5, TOP + HEIGHT * 0.2]


def test_one_among_ten_thousand_is_high_enough_to_be_seen():
    (bar,) = plot_hours({"created": 10_000, "failed": 1}).bars

    assert float(bar.parts[-1].height) == THINNEST


def test_all_outcomes_on_top_of_a_full_bar_stay_in_the_picture():
    (bar,) = plot_hours({**dict.fromkeys(OUTCOMES, 1), "created": 19_995}).bars

    assert len(bar.parts) == len(OUTCOMES)
    assert float(bar.parts[-1].y) >= 0


def test_the_bars_stand_side_by_side_within_the_width():
    bars = plot_hours(*[{}] * 24).bars

    edges = [
        edge
        for bar in bars
        for left in [float(bar.x.rstrip("%"))]
        for edge in (left, left + float(bar.width.rstrip("%")))
    ]
    assert edges == sorted(edges)
    assert edges[-1] <= 100


def test_it_knows_its_totals_its_span_and_its_highest_bar():
    plot = plot_hours({"created": 2}, {"created": 1, "failed": 2}, {"exists": 3}, {})

    assert plot.totals == {**NONE, "created": 3, "failed": 2, "exists": 3}
    assert plot.total == 8
    assert (plot.since, plot.until) == (MIDNIGHT, MIDNIGHT + timedelta(hours=4))
    assert plot.highest == plot.bars[2]


def test_each_third_hour_is_labelled_and_the_date_where_it_begins():
    bars = plot_hours(*[{}] * 24, since=MIDNIGHT + timedelta(hours=16)).bars

    assert [bar.label for bar in bars if bar.label] == [
        *("18:00", "21:00", "00:00", "03:00", "06:00", "09:00", "12:00", "15:00")
    ]
    assert [bar.label for bar in bars if bar.label and bar.is_major] == [
        *("18:00", "00:00", "06:00", "12:00")
    ]
    assert [(bar.begin.hour, bar.second_label) for bar in bars if bar.second_label] == [
        (16, "1 Mar"),
        (0, "2 Mar"),
    ]


def test_the_first_hours_date_is_left_out_where_the_next_days_is_too_near():
    bars = plot_hours(*[{}] * 24, since=MIDNIGHT + timedelta(hours=20)).bars

    assert [bar.second_label for bar in bars if bar.second_label] == ["2 Mar"]


def test_days_are_labelled_with_the_month_where_it_begins():
    counted = [(MIDNIGHT + timedelta(days=place), NONE) for place in range(-3, 2)]

    bars = draw("day", counted).bars

    assert [(bar.label, bar.second_label) for bar in bars] == [
        *(("26", "Feb"), ("27", ""), ("28", ""), ("1", "Mar"), ("2", ""))
    ]
    assert all(bar.is_major for bar in bars)
