"""The page "Certificates today" in a browser: for everybody, on every width, in light and in dark."""

import itertools
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openedx_certificates.figures import OUTCOMES
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunSweepFactory,
    OpenEdxPauseFactory,
)
from tools.browser import Page
from tools.browser.accessibility import find_violations
from users.models import User

Shows = Callable[..., Any]
HOUR = timedelta(hours=1)
PHONE, DESKTOP = 375, 1280
# The least that WCAG's "reflow" asks for: a desktop at 400%.
NARROWEST = 320
ENDS = {
    **{outcome: (outcome, "") for outcome in ("created", "exists", "revoked", "failed")},
    **{reason: ("not_eligible", reason) for reason in ("grade_not_passed", "no_paid_enrollment")},
}


@pytest.fixture
def show(look_at: Callable[..., Any], client: Client, admin_user: User) -> Shows:
    """Open the page as an administrator."""
    client.force_login(admin_user)
    cookie = client.cookies["sessionid"].value

    def look(steps: Callable[[Page], Any], **window: Any) -> Any:
        return look_at(
            reverse("admin:openedx_certificates_today"), steps, session_cookie=cookie, **window
        )

    return look


def settle(counts: dict[str, int], *, hours_ago: int = 0) -> None:
    """Have so many requests settled, by outcome; in the database, since they can be thousands."""
    like = CertificateRequestFactory.create()
    for outcome, count in counts.items():
        status, reason = ENDS[outcome]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO openedx_certificates_certificaterequest (user_id, course_run_id, status, reason,
                    settled_on, created_on, updated_on, last_delivered_on, next_attempt_on)
                SELECT %s, %s, %s, %s, now, now, now, now, now
                FROM (SELECT %s::timestamptz AS now) AS one, generate_series(1, %s)
                """,
                [
                    *(like.user_id, like.course_run_id, status, reason),
                    *(timezone.now() - hours_ago * HOUR, count),
                ],
            )
    like.delete()


def have_nothing() -> None:
    pass


def have_a_busy_day() -> None:
    """All there can be, in large numbers and with the longest of words."""
    now = timezone.now()
    for hours_ago in range(24):
        settle(dict.fromkeys(OUTCOMES, 12), hours_ago=hours_ago)
    settle({"created": 11_000, "failed": 1}, hours_ago=30)
    CertificateRequestFactory.create(failing_since=now, next_attempt_on=now - HOUR)
    CourseRunSweepFactory.create(
        course_run__courseware_id="course-v1:" + "W" * 245,
        error="unusable_grade",
        error_text="W" * 20 + " word" * 47,
        failed_learners=1_000_000,
    )


def have_open_edx_down() -> None:
    now = timezone.now()
    OpenEdxPauseFactory.create(since=now - 3 * HOUR, failures=1041)
    CertificateRequestFactory.create(lease=uuid.uuid4(), leased_until=now + HOUR)


def have_open_edx_failing() -> None:
    # Short numbers make a narrow table with links near each other.
    settle({"created": 17, "failed": 1})
    OpenEdxPauseFactory.create(since=None, next_probe_on=None, failures=3)


def in_each(
    windows: Iterable[tuple[int, str]], look: Callable[[Page], Any]
) -> Callable[[Page], dict[tuple[int, str], Any]]:
    """Return the step that looks in windows so wide, with a preference for light or dark."""

    def step(page: Page) -> dict[tuple[int, str], Any]:
        seen = {}
        for width, theme in windows:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=theme)
            # The admin's links fade from one theme's colour to the other's.
            page.evaluate(
                "Promise.allSettled(document.getAnimations().map(fading => fading.finished))"
                ".then(() => null)"
            )
            seen[width, theme] = look(page)
        return seen

    return step


def find_faults(page: Page) -> tuple[list[str], int]:
    """Return what axe finds, and how far the page reaches beyond the window."""
    # What is folded away is a part of the page too.
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return find_violations(page), page.evaluate(beyond)


@pytest.mark.parametrize(
    "have",
    [have_nothing, have_a_busy_day, have_open_edx_down, have_open_edx_failing],
    ids=["empty", "busy", "down", "failing"],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    show: Shows, have: Callable[[], None]
):
    have()

    found = show(in_each([(PHONE, "dark"), (DESKTOP, "light")], find_faults))

    assert len(found) == 2
    assert {window: faults for window, faults in found.items() if faults != ([], 0)} == {}


def test_axe_would_find_a_fault_on_this_page(show: Shows):
    def plant(page: Page) -> list[str]:
        page.evaluate("document.querySelector('.today-numbers small').style.color = '#bbb'")
        return find_violations(page)

    (violation,) = show(plant)

    assert violation.startswith("color-contrast")


def test_without_scripts_it_shows_as_much(show: Shows):
    settle({"created": 3, "failed": 2})

    def count_parts(page: Page) -> int:
        return page.locator(".today-part").count()

    assert show(count_parts, has_scripts=False) == show(count_parts) == 4


def test_the_parts_stand_out_from_the_background(show: Shows):
    settle(dict.fromkeys(OUTCOMES, 1))

    found = show(in_each([(DESKTOP, "light"), (DESKTOP, "dark")], find_colours))

    assert len(found) == 2
    for colours in found.values():
        background = colours.pop("background")
        assert set(colours) == set(OUTCOMES)
        assert len(set(colours.values())) == len(OUTCOMES)
        for outcome, colour in colours.items():
            assert contrast(colour, background) >= 3, (outcome, background)


def test_with_ten_thousand_a_thin_part_is_seen_and_all_fits(show: Shows):
    settle({"created": 9_995, "exists": 1, "revoked": 1, "failed": 1})

    found = show(in_each([(width, "light") for width in (NARROWEST, PHONE, DESKTOP)], measure))

    for seen in found.values():
        assert seen["beyond"] == 0
        assert len(seen["plots"]) == 2
        for plot in seen["plots"]:
            assert len(plot["parts"]) == 4
            for part in plot["parts"]:
                assert part["height"] >= 3
                assert plot["top"] <= part["top"]
                assert plot["left"] <= part["left"] < part["right"] <= plot["right"]
            in_lines = sorted(plot["labels"], key=lambda label: (label["top"], label["left"]))
            for label, following in itertools.pairwise(in_lines):
                is_beside = label["top"] == following["top"]
                assert not is_beside or label["right"] <= following["left"], following
            assert all(plot["left"] <= label["left"] for label in plot["labels"])


def find_colours(page: Page) -> dict[str, tuple[int, ...]]:
    """Return how each outcome is painted, and the background."""
    found = page.evaluate(
        """() => ({
            background: getComputedStyle(document.body).backgroundColor,
            ...Object.fromEntries([...document.querySelectorAll('#today-hour ~ svg .today-part')].map(
                part => [part.classList[1].replace('today-', ''), getComputedStyle(part).fill]))
        })"""
    )
    return {
        name: tuple(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(","))
        for name, colour in found.items()
    }


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    shares = [value / 255 for value in colour]
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    ]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )


def measure(page: Page) -> dict[str, Any]:
    """Return the boxes of the plots, their parts and their labels."""
    return page.evaluate(
        """() => {
            const box = part => {
                const {left, right, top, height} = part.getBoundingClientRect();
                return {left, right, top, height};
            };
            const seen = part => getComputedStyle(part).display !== 'none';
            const root = document.documentElement;
            return {
                beyond: root.scrollWidth - root.clientWidth,
                plots: [...document.querySelectorAll('.today-bars')].map(plot => ({
                    ...box(plot),
                    parts: [...plot.querySelectorAll('.today-part')].map(box),
                    labels: [...plot.querySelectorAll('.today-label')].filter(seen).map(box),
                })),
            };
        }"""
    )
