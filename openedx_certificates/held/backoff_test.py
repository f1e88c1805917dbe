"""When Open edX is asked again: the rules, without a database and without waiting."""

from datetime import UTC, datetime, timedelta

import pytest

from openedx_certificates.held.backoff import (
    delay_after_failure,
    delay_after_not_passed,
    delay_until_probe,
    is_time_to_give_up,
)
from openedx_certificates.wire.exceptions import (
    NoEdxUsername,
    OpenEdxError,
    OpenEdxNonsense,
    OpenEdxNotFound,
    OpenEdxRefused,
    OpenEdxThrottled,
    OpenEdxTimeout,
    OpenEdxUnreachable,
    UnusableGrade,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DRAWS = 200
SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)


def drawn(error: OpenEdxError | None, failing_for: timedelta) -> list[timedelta]:
    return sorted(delay_after_failure(error, failing_for) for _ in range(DRAWS))


class TestAfterAFailure:
    @pytest.mark.parametrize(
        "error",
        [
            OpenEdxUnreachable("5xx"),
            OpenEdxTimeout("slow"),
            OpenEdxThrottled("429"),
            OpenEdxNonsense("html"),
            OpenEdxNotFound("404", error_code=None),
            UnusableGrade("none"),
            None,
        ],
        ids=lambda error: type(error).__name__,
    )
    @pytest.mark.parametrize(
        ("failing_for", "longest"),
        [
            (0 * SECOND, 5 * SECOND),
            (4 * SECOND, 5 * SECOND),
            (40 * SECOND, 40 * SECOND),
            (59 * MINUTE, 59 * MINUTE),
            (2 * HOUR, HOUR),
            (90 * DAY, HOUR),
        ],
        ids=str,
    )
    def test_it_waits_as_long_again_as_it_has_been_failing_from_5_seconds_to_an_hour(
        self, error: OpenEdxError | None, failing_for: timedelta, longest: timedelta
    ):
        delays = drawn(error, failing_for)

        assert longest / 2 <= delays[0]
        assert delays[-1] <= longest

    def test_what_failed_together_does_not_come_back_together(self):
        delays = drawn(OpenEdxUnreachable("5xx"), HOUR)

        assert delays[-1] - delays[0] > HOUR / 4
        assert len(set(delays)) > DRAWS / 2

    @pytest.mark.parametrize(
        "error", [OpenEdxRefused("401"), NoEdxUsername("none")], ids=lambda error: error.code
    )
    @pytest.mark.parametrize(
        ("failing_for", "longest"),
        [(0 * SECOND, 10 * MINUTE), (20 * MINUTE, 20 * MINUTE), (2 * DAY, HOUR)],
        ids=str,
    )
    def test_what_waits_for_a_person_is_asked_slowly_from_the_first_time_on(
        self, error: OpenEdxError, failing_for: timedelta, longest: timedelta
    ):
        delays = drawn(error, failing_for)

        assert longest / 2 <= delays[0]
        assert delays[-1] <= longest

    @pytest.mark.parametrize(
        ("asked_for", "delay"),
        [
            (600.0, 10 * MINUTE),
            (7200.0, 2 * HOUR),
            (86_400.0, DAY),
            (10.0**7, DAY),
            (1e300, DAY),
            (float("inf"), DAY),
        ],
    )
    def test_it_waits_as_long_as_open_edx_asks_for_but_a_day_at_most(
        self, asked_for: float, delay: timedelta
    ):
        throttled = OpenEdxThrottled("429", retry_after=asked_for)

        assert delay_after_failure(throttled, 0 * SECOND) == delay

    @pytest.mark.parametrize("asked_for", [0.0, 1.0])
    def test_it_does_not_hurry_because_open_edx_asks_for_little(self, asked_for: float):
        throttled = OpenEdxThrottled("429", retry_after=asked_for)

        assert drawn(throttled, 10 * MINUTE)[0] >= 5 * MINUTE


class TestAfterNotPassed:
    def test_it_waits_three_times_longer_and_longer_and_then_takes_the_answer(self):
        delays = [delay_after_not_passed(answers) for answers in (1, 2, 3, 4, 5)]

        assert delays == [10 * SECOND, MINUTE, 10 * MINUTE, None, None]

    def test_without_delays_the_first_answer_is_the_last(self, settings):
        settings.OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS = []

        assert delay_after_not_passed(1) is None


class TestGivingUp:
    @pytest.mark.parametrize(
        ("failing_for", "delivered_ago", "is_over"),
        [
            (3 * DAY - SECOND, 30 * DAY, False),
            (3 * DAY, 3 * DAY, True),
            (3 * DAY, 3 * DAY - SECOND, False),
            (30 * DAY, 0 * DAY, False),
            (0 * DAY, 30 * DAY, False),
            (30 * DAY, 30 * DAY, True),
        ],
        ids=str,
    )
    def test_it_is_given_up_three_days_after_the_first_failure_and_after_the_last_event(
        self, failing_for: timedelta, delivered_ago: timedelta, is_over: bool
    ):
        assert is_time_to_give_up(NOW, NOW - failing_for, NOW - delivered_ago) is is_over


class TestUntilTheNextProbe:
    @pytest.mark.parametrize(
        ("lasted", "delay"),
        [
            (0 * SECOND, 10 * SECOND),
            (9 * SECOND, 10 * SECOND),
            (40 * SECOND, 40 * SECOND),
            (5 * MINUTE, 5 * MINUTE),
            (2 * DAY, 5 * MINUTE),
        ],
        ids=str,
    )
    def test_it_is_as_long_again_as_the_pause_has_lasted_from_10_seconds_to_5_minutes(
        self, lasted: timedelta, delay: timedelta
    ):
        assert delay_until_probe(NOW, NOW - lasted) == delay
