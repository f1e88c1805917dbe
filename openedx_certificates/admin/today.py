""" "Certificates today": what the page says of the requests, of Open edX and of the sweeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from openedx_certificates import host
from openedx_certificates.admin.filters import span_to_params
from openedx_certificates.admin.lengths import length_in_words
from openedx_certificates.admin.links import Links
from openedx_certificates.admin.plot import Plot, draw, outcome_in_words
from openedx_certificates.clock import database_now, is_to_come
from openedx_certificates.figures import (
    OVERDUE_AFTER,
    STEPS,
    OpenRequests,
    SweepFigures,
    count_certificates,
    count_settled_by,
    find_oldest_open,
    get_failing_sweeps,
    read_open_requests,
    read_sweep_figures,
)
from openedx_certificates.held.pause import LONGEST_WAIT_FOR_PROBE, get_pause
from openedx_certificates.models import CertificateRequest, CourseRunSweep, OpenEdxPause
from openedx_certificates.settings import app_settings
from openedx_certificates.webhooks.tokens import ENDS_SOON, AccessToken, find_last_end

HOURS: Final = 24
DAYS: Final = 14
FAILING_RUNS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Number:
    """A figure with the list behind it."""

    name: str
    value: str
    #: None if the reader may not see the list.
    link: str | None
    hint: str = ""
    #: Whether it needs a look.
    is_bad: bool = False

    @property
    def is_in_words(self) -> bool:
        """Whether it takes more room than a plain number."""
        return not self.value.replace(",", "").isdigit()


@dataclass(frozen=True, slots=True)
class Statement:
    """How something stands, in words; the icon says the same."""

    icon: str
    headline: str
    details: list[str]
    link: str | None


def read_today(links: Links) -> dict[str, Any]:
    """Return what the page's template shows: as it is now, in a fixed number of statements."""
    now = database_now()
    hours = draw("hour", count_settled_by("hour", now - (HOURS - 1) * STEPS["hour"], now))
    days = draw("day", count_settled_by("day", now - (DAYS - 1) * STEPS["day"], now))
    pause, sweeps = get_pause(), read_sweep_figures(now)
    requests = describe_requests(
        read_open_requests(), find_oldest_open(), now, links, is_paused=pause.is_on
    )
    return {
        "now": now,
        "openedx": describe_openedx(pause, now, links),
        "token": describe_token(find_last_end(), now, links),
        "numbers": [describe_certificates(hours, links), *requests],
        "plots": [
            describe_plot(f"Settled in the last {HOURS} hours", hours, links),
            describe_plot(f"Settled in the last {DAYS} days", days, links),
        ],
        "sweep_numbers": describe_sweeps(sweeps, now, links),
        "failing_runs": [
            describe_failing_run(sweep, now, links)
            for sweep in get_failing_sweeps(now)[:FAILING_RUNS_SHOWN]
        ],
        "all_failing_runs": Number(
            "Failing runs",
            f"{sweeps.failing:,}",
            links.to_list(CourseRunSweep, result="failing", next="due"),
        ),
    }


def describe_openedx(pause: OpenEdxPause, now: datetime, links: Links) -> Statement:
    """Return how Open edX is doing, as far as our questions have told."""
    is_kept = not pause._state.adding
    link = links.to_row(pause) if is_kept else None
    if pause.is_on:
        details = [f"{pause.failures:,} questions in a row failed.", pause.last_error_text]
        if pause.since is not None:
            details.insert(0, f"Since {_moment(pause.since, now, with_age=True)}.")
        if pause.next_probe_on and is_to_come(
            pause.next_probe_on, now, within=LONGEST_WAIT_FOR_PROBE
        ):
            at, wait = f"{pause.next_probe_on:%H:%M:%S}", length_in_words(pause.next_probe_on - now)
            details.append(f"Next probe at {at}, in {wait}.")
        else:
            details.append("The next probe is due: the worker makes it.")
        details.append("Held requests wait until a probe is answered; sweeps ask all the same.")
        return Statement("no", "Open edX is down, and questions are paused", details, link)
    if pause.failures:
        limit = app_settings.PAUSE_AFTER_FAILURES
        details = [
            f"The last one at {_moment(pause.updated_on, now, with_age=True)}.",
            pause.last_error_text,
            f"When {limit:,} in a row have failed, questions are paused.",
        ]
        questions = "question" if pause.failures == 1 else f"{pause.failures:,} questions"
        return Statement("alert", f"Open edX failed the last {questions}", details, link)
    if not is_kept:
        return Statement("yes", "Open edX is up", ["No failure is known."], link)
    ended = f"Its last failures ended at {_moment(pause.updated_on, now, with_age=True)}."
    return Statement("yes", "Open edX is up", [ended], link)


def describe_token(ends_on: datetime | None, now: datetime, links: Links) -> Statement:
    """Return until when a token opens the webhooks, and what is to be done about it."""
    link = links.to_list(AccessToken, usable="yes")
    if ends_on is None:
        details = [
            "Every event is refused.",
            "Add an access token and give it to Open edX's plugin.",
        ]
        return Statement("no", "No token opens the webhooks", details, link)
    left = length_in_words(ends_on - now)
    day = f"{ends_on:%H:%M} on {ends_on.day} {ends_on:%B %Y}"
    if ends_on - now <= ENDS_SOON:
        details = [
            f"After {day} every event is refused.",
            "Add a new access token and give it to Open edX's plugin before.",
        ]
        return Statement("alert", f"The last token of the webhooks ends in {left}", details, link)
    return Statement("yes", "A token opens the webhooks", [f"Until {day}, for {left}."], link)


def describe_certificates(hours: Plot, links: Links) -> Number:
    """Return how many certificates came in the hours of the plot, by events, sweeps and by hand."""
    return Number(
        "Certificates created",
        f"{count_certificates(hours.since):,}",
        links.to_list(host.certificate_model(), **span_to_params("created_on", hours.since)),
        f"since {hours.since:%a %H:%M}, by events, sweeps and by hand",
    )


def describe_requests(
    figures: OpenRequests,
    oldest: CertificateRequest | None,
    now: datetime,
    links: Links,
    *,
    is_paused: bool,
) -> list[Number]:
    """Return what is held at the moment."""

    def number(name: str, count: int, hint: str, *, is_bad: bool = False, **which: str) -> Number:
        link = links.to_list(CertificateRequest, **which)
        return Number(name, f"{count:,}", link, hint, is_bad and count > 0)

    minutes = OVERDUE_AFTER.seconds // 60
    why = "they wait for the pause to end" if is_paused else "does a worker run?"
    return [
        number("Open requests", figures.count, "held until they are settled", state="open"),
        Number("Oldest open request", "none", None)
        if oldest is None
        else Number(
            "Oldest open request",
            length_in_words(now - oldest.created_on),
            links.to_row(oldest),
            f"since {_moment(oldest.created_on, now)}",
        ),
        number("Failing", figures.failing, "Open edX could not tell", is_bad=True, work="failing"),
        number("Due now", figures.due, "the next pass takes them up", work="due"),
        number(
            "Overdue",
            figures.overdue,
            f"due for over {minutes} minutes: {why}",
            is_bad=True,
            work="overdue",
        ),
    ]


def describe_sweeps(figures: SweepFigures, now: datetime, links: Links) -> list[Number]:
    """Return how the last sweeps went of the runs that are still swept."""

    def number(name: str, count: int, hint: str, *, is_bad: bool = False, **which: str) -> Number:
        link = links.to_list(CourseRunSweep, **which)
        return Number(name, f"{count:,}", link, hint, is_bad and count > 0)

    finished_on = figures.last_finished_on
    return [
        Number(
            "Runs that are swept",
            f"{figures.runs:,}",
            links.to_list(host.course_runs().model, swept="yes"),
            "live, and not closed for certificates",
        ),
        number(
            "Broke off",
            figures.broke_off,
            "the last sweep did not reach its end",
            is_bad=True,
            result="broke_off",
            next="due",
        ),
        number(
            "With failed learners",
            figures.with_failed_learners,
            "the database did not take all",
            is_bad=True,
            result="learners",
            next="due",
        ),
        Number(
            "Last sweep finished",
            "none yet" if finished_on is None else f"{length_in_words(now - finished_on)} ago",
            links.to_list(CourseRunSweep, next="due", o="-1"),
            "" if finished_on is None else f"at {_moment(finished_on, now)}",
        ),
    ]


def describe_failing_run(sweep: CourseRunSweep, now: datetime, links: Links) -> dict[str, Any]:
    """Return a run with a last sweep that needs a look."""
    learners = "learner" if sweep.failed_learners == 1 else "learners"
    what = [
        f"broke off: {sweep.error.replace('_', ' ')}" if sweep.error else "",
        f"{sweep.failed_learners:,} {learners} failed" if sweep.failed_learners else "",
    ]
    return {
        "course_id": sweep.course_run.courseware_id,
        "link": links.to_row(sweep),
        "what": ", ".join(filter(None, what)),
        "text": sweep.error_text,
        "when": "" if sweep.finished_on is None else _moment(sweep.finished_on, now, with_age=True),
    }


def describe_plot(title: str, plot: Plot, links: Links) -> dict[str, Any]:
    """Return a plot with the list behind each of its numbers."""

    def number(name: str, count: int, since: datetime, until: datetime, **which: str) -> Number:
        params = {**which, **span_to_params("settled_on", since, until)}
        link = links.to_list(CertificateRequest, **params) if count else None
        return Number(name, f"{count:,}", link, is_bad=name == "failed" and count > 0)

    def numbers(counts: Mapping[str, int], since: datetime, until: datetime) -> list[Number]:
        return [
            number(outcome_in_words(outcome), count, since, until, state=outcome)
            for outcome, count in counts.items()
        ]

    length = STEPS[plot.unit]
    return {
        "title": title,
        "plot": plot,
        "legend": list(zip(plot.totals, numbers(plot.totals, plot.since, plot.until), strict=True)),
        "total": number("all", plot.total, plot.since, plot.until),
        "rows": [
            {
                "words": bar.few_words,
                "numbers": numbers(bar.counts, bar.begin, bar.begin + length),
                "total": number("all", bar.total, bar.begin, bar.begin + length),
            }
            for bar in reversed(plot.bars)
        ],
    }


def _moment(moment: datetime, now: datetime, *, with_age: bool = False) -> str:
    """Return the moment, with the date if that is not today's; the page says that it is UTC."""
    words = f"{moment:%H:%M}"
    if moment.date() != now.date():
        words = f"{words} on {moment:%a} {moment.day} {moment:%b}"
    return f"{words}, {length_in_words(now - moment)} ago" if with_age else words
