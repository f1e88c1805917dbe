"""The page "Certificates today": its readers, what it says, and that each number leads to its list."""

import uuid
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from oauth2_provider.models import AccessToken

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.admin.today import FAILING_RUNS_SHOWN, Number
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunFactory,
    CourseRunSweepFactory,
    OpenEdxPauseFactory,
)
from openedx_certificates.testing.scenes import Clock
from users.models import User

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OUTCOMES = [
    ("created", ""),
    ("exists", ""),
    ("revoked", ""),
    ("not_eligible", "grade_not_passed"),
    ("not_eligible", "no_paid_enrollment"),
    ("failed", ""),
]

# Their lists are the host's admin, which may not know our filters.
LISTED_BY_THE_HOST = ["Certificates created", "Runs that are swept"]


@pytest.fixture
def now(clock: Clock) -> datetime:
    """Half past twelve, and stays so."""
    clock.move_to(NOON + timedelta(minutes=30))
    return NOON + timedelta(minutes=30)


def page(client: Client) -> Any:
    response = client.get(reverse("admin:openedx_certificates_today"))
    assert response.status_code == 200
    return response


def requests_page(client: Client) -> str:
    """Return the list of requests, or the refusal of it."""
    address = reverse("admin:openedx_certificates_certificaterequest_changelist")
    return client.get(address).content.decode()


def text(client: Client) -> str:
    """Return what stands on the page, on one line."""
    words: list[str] = []
    parser = HTMLParser()
    parser.handle_data = words.append  # type: ignore[method-assign]
    parser.feed(page(client).content.decode())
    return " ".join(" ".join(words).split()).replace(" .", ".")


def numbers(client: Client) -> dict[str, Number]:
    context = page(client).context
    found = [*context["numbers"], *context["sweep_numbers"], context["all_failing_runs"]]
    return {number.name: number for number in found}


def plot_numbers(client: Client) -> list[Number]:
    """Return what stands in the legends and the tables."""
    found: list[Number] = []
    for plot in page(client).context["plots"]:
        found += [plot["total"], *(number for _, number in plot["legend"])]
        for row in plot["rows"]:
            found += [row["total"], *row["numbers"]]
    return found


def count_listed(client: Client, link: str) -> int:
    response = client.get(link)
    # A filter that the list does not understand is answered with a redirect.
    assert response.status_code == 200, link
    return response.context["cl"].result_count


def settle(settled_on: datetime, status: str = "created", reason: str = "") -> CertificateRequest:
    return CertificateRequestFactory.create(status=status, reason=reason, settled_on=settled_on)


def have_token(user: User, ends_on: datetime) -> AccessToken:
    return AccessToken.objects.create(user=user, token=f"until {ends_on}", expires=ends_on)


def grant(user: User, *models: str) -> None:
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=[f"view_{model}" for model in models])
    )


@pytest.fixture
def busy(now: datetime) -> None:
    """Something of everything, and of everything another number."""
    ages = [timedelta(0), 29 * MINUTE, 31 * MINUTE, 23 * HOUR, 25 * HOUR, 6 * DAY, 13 * DAY]
    for count, (status, reason) in enumerate(OUTCOMES, start=2):
        for age in ages[:count]:
            settle(now - age, status, reason)
    settle(now - 14 * DAY)
    leased = {"lease": uuid.uuid4(), "leased_until": now + MINUTE}
    for count, fields in enumerate(
        [
            {"failing_since": now, "next_attempt_on": now + MINUTE},
            {"next_attempt_on": now},
            {"next_attempt_on": now - HOUR},
            {"next_attempt_on": now - HOUR, **leased},
        ],
        start=2,
    ):
        CertificateRequestFactory.create_batch(count, **fields)
    for count, fields in enumerate(
        [
            {"error": "timeout"},
            {"failed_learners": 1},
            {"error": "refused", "failed_learners": 1},
            {},
            {"error": "timeout", "failed_learners": 1, "course_run__live": False},
            {"course_run__live": False},
        ],
        start=2,
    ):
        CourseRunSweepFactory.create_batch(count, **{"started_on": now - HOUR, **fields})
    CourseRunCertificateFactory.create_batch(3)
    old = CourseRunCertificateFactory.create()
    CourseRunCertificate.all_objects.filter(pk=old.pk).update(created_on=now - 2 * DAY)
    CourseRunCertificateFactory.create(is_revoked=True)


class TestWhoSeesIt:
    def test_an_administrator_finds_it_above_the_list_of_requests(self, admin_client: Client):
        assert reverse("admin:openedx_certificates_today") in requests_page(admin_client)

    @pytest.mark.site("The admin's index is the site's.")
    def test_an_administrator_finds_it_in_the_index(self, admin_client: Client):
        index = admin_client.get(reverse("admin:index")).content.decode()

        assert f'href="{reverse("admin:openedx_certificates_today")}"' in index

    @pytest.mark.parametrize("others", [[], ["courserunsweep", "courseruncertificate"]])
    def test_without_the_permission_it_is_neither_shown_nor_linked(
        self, client: Client, staff_user: User, others: list[str]
    ):
        grant(staff_user, *others)
        client.force_login(staff_user)

        index = client.get(reverse("admin:index")).content.decode()

        assert reverse("admin:openedx_certificates_today") not in index
        assert reverse("admin:openedx_certificates_today") not in requests_page(client)
        assert client.get(reverse("admin:openedx_certificates_today")).status_code == 403

    def test_who_is_no_staff_has_to_log_in(self, client: Client, user: User):
        client.force_login(user)

        response = client.get(reverse("admin:openedx_certificates_today"))

        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))

    def test_who_may_see_requests_only_has_links_to_requests_only(
        self, client: Client, staff_user: User, busy: None
    ):
        grant(staff_user, "certificaterequest")
        client.force_login(staff_user)

        found = page(client)

        linked = {name for name, number in numbers(client).items() if number.link}
        assert linked == {"Open requests", "Oldest open request", "Failing", "Due now", "Overdue"}
        assert all(run["link"] is None for run in found.context["failing_runs"])
        assert reverse("admin:openedx_certificates_today") in requests_page(client)
        for number in numbers(client).values():
            if number.link:
                assert client.get(number.link).status_code == 200


class TestNumbers:
    def test_each_leads_to_a_list_of_as_many_rows(self, admin_client: Client, busy: None):
        found = numbers(admin_client)
        plotted = plot_numbers(admin_client)

        figures = {name: number.value for name, number in found.items()}
        assert figures == {
            "Certificates created": "4",
            "Open requests": "14",
            "Oldest open request": "0 s",
            "Failing": "2",
            "Due now": "7",
            "Overdue": "4",
            "Runs that are swept": str(CourseRun.objects.filter(live=True).count()),
            "Broke off": "6",
            "With failed learners": "7",
            "Last sweep finished": "59 min ago",
            "Failing runs": "9",
        }
        for name in ("Oldest open request", "Last sweep finished"):
            assert admin_client.get(found.pop(name).link).status_code == 200
        assert {number.value for number in plotted if number.link} >= {"2", "3", "4", "5", "7"}
        for number in [*found.values(), *plotted]:
            if number.link is None:
                assert number in plotted or number.name in LISTED_BY_THE_HOST
                continue
            assert f"{count_listed(admin_client, number.link):,}" == number.value, number

    @pytest.mark.site("Its lists of runs and certificates know the app's filters.")
    def test_our_hosts_lists_are_led_to_as_well(self, admin_client: Client):
        found = numbers(admin_client)

        assert all(found[name].link for name in LISTED_BY_THE_HOST)

    def test_all_zeros_lead_to_empty_lists(self, admin_client: Client):
        found = numbers(admin_client)

        assert found["Oldest open request"].value == "none"
        assert found["Last sweep finished"].value == "none yet"
        for number in found.values():
            if number.value == "0" and number.link:
                assert count_listed(admin_client, number.link) == 0
        assert not any(number.is_bad for number in found.values())

    def test_the_oldest_leads_to_the_request_itself(
        self, admin_client: Client, now: datetime, clock: Clock
    ):
        oldest = CertificateRequestFactory.create()
        clock.shift(3 * HOUR + 20 * MINUTE)
        CertificateRequestFactory.create()

        number = numbers(admin_client)["Oldest open request"]

        assert (number.value, number.hint) == ("3 h 20 min", "since 12:30")
        assert admin_client.get(number.link).context["original"] == oldest

    def test_the_last_sweep_leads_to_the_sweeps_latest_first(
        self, admin_client: Client, now: datetime
    ):
        old, new = (CourseRunSweepFactory.create(started_on=now - age) for age in (2 * HOUR, HOUR))
        oldest = CourseRunSweepFactory.create(started_on=now - DAY)

        link = numbers(admin_client)["Last sweep finished"].link

        assert list(admin_client.get(link).context["cl"].result_list) == [new, old, oldest]

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"failing_since": NOON, "next_attempt_on": NOON + DAY}, "Failing"),
            ({"next_attempt_on": NOON}, "Overdue"),
        ],
    )
    def test_what_somebody_must_look_at_says_so_in_words(
        self, admin_client: Client, now: datetime, fields: dict[str, Any], name: str
    ):
        CertificateRequestFactory.create(**fields)

        marked = [number.name for number in numbers(admin_client).values() if number.is_bad]

        assert marked == [name]
        assert page(admin_client).content.decode().count('alt="Worth a look:"') == 1

    def test_in_a_pause_it_asks_for_no_worker(self, admin_client: Client, now: datetime):
        assert "does a worker run?" in text(admin_client)

        OpenEdxPauseFactory.create()

        assert "they wait for the pause to end" in text(admin_client)


class TestPlots:
    def test_each_hour_has_its_own_and_the_last_is_this_one(
        self, admin_client: Client, now: datetime
    ):
        first = NOON - 23 * HOUR
        for moment in (first - INSTANT, first, NOON - INSTANT, NOON, now):
            settle(moment)

        bars = page(admin_client).context["plots"][0]["plot"].bars

        assert [bar.total for bar in bars] == [1, *[0] * 21, 1, 2]
        assert (bars[0].words, bars[-1].words) == (
            "Sun 1 Mar, 13:00 to 14:00",
            "Mon 2 Mar, 12:00 to 13:00",
        )

    def test_each_day_has_its_own_and_the_last_is_today(self, admin_client: Client, now: datetime):
        midnight = NOON - 12 * HOUR
        for moment in (midnight - 13 * DAY - INSTANT, midnight - 13 * DAY, midnight, now):
            settle(moment)

        bars = page(admin_client).context["plots"][1]["plot"].bars

        assert [bar.total for bar in bars] == [1, *[0] * 12, 2]
        assert (bars[0].words, bars[-1].words) == ("Tue 17 Feb", "Mon 2 Mar")

    def test_at_the_full_hour_a_new_bar_begins(self, admin_client: Client, clock: Clock):
        clock.move_to(NOON - INSTANT)
        settle(NOON - INSTANT)
        before = page(admin_client).context["plots"][0]["plot"].bars

        clock.move_to(NOON)
        after = page(admin_client).context["plots"][0]["plot"].bars

        assert [before[-1].total, after[-2].total, after[-1].total] == [1, 1, 0]
        assert len(before) == len(after) == 24

    def test_the_bars_are_told_in_words_too(self, admin_client: Client, now: datetime):
        for status in ("created", "created", "failed"):
            settle(now, status)

        found = page(admin_client).content.decode()

        assert "<title>Mon 2 Mar, 12:00 to 13:00: 2 created, 1 failed</title>" in found
        assert "3 requests. Most of them: Mon 2 Mar, 12:00 to 13:00." in found

    def test_without_any_it_says_so(self, admin_client: Client):
        assert text(admin_client).count("Nothing was settled in this time.") == 2


class TestOpenEdx:
    def test_nothing_ever_failed(self, admin_client: Client):
        assert "Open edX is up. No failure is known." in text(admin_client)

    def test_it_is_up_again(self, admin_client: Client, now: datetime, clock: Clock):
        OpenEdxPauseFactory.create(failures=0, since=None, next_probe_on=None)
        clock.shift(2 * HOUR)

        found = text(admin_client)

        assert "Open edX is up. Its last failures ended at 12:30, 2 h ago." in found

    @pytest.mark.parametrize(
        ("failures", "words"),
        [(1, "Open edX failed the last question"), (3, "Open edX failed the last 3 questions")],
    )
    def test_it_has_failed_but_not_often_enough_for_a_pause(
        self, admin_client: Client, now: datetime, clock: Clock, failures: int, words: str
    ):
        OpenEdxPauseFactory.create(
            failures=failures, since=None, next_probe_on=None, last_error_text="It was closed."
        )
        clock.shift(MINUTE)

        found = text(admin_client)

        assert (
            f"{words}. The last one at 12:30, 1 min ago. It was closed. When 10 in a row have"
            in found
        )

    def test_it_is_down(self, admin_client: Client, now: datetime):
        pause = OpenEdxPauseFactory.create(
            failures=1041,
            since=now - 26 * HOUR,
            next_probe_on=now + 75 * MINUTE / 60,
            last_error_text="It was closed.",
        )

        found = text(admin_client)

        assert (
            "Open edX is down, and questions are paused. Since 10:30 on Sun 1 Mar, 1 day ago. 1,041 questions in a row failed. It was closed. Next probe at 12:31:15, in 1 min."
            in found
        )
        link = page(admin_client).context["openedx"].link
        assert admin_client.get(link).context["original"] == pause

    @pytest.mark.parametrize("after", [0 * DAY, 400 * DAY], ids=["now", "by-a-wrong-clock"])
    def test_the_probe_is_due(self, admin_client: Client, now: datetime, after: timedelta):
        OpenEdxPauseFactory.create(next_probe_on=now + after)

        assert "The next probe is due: the worker makes it." in text(admin_client)


class TestToken:
    def test_it_lasts(self, admin_client: Client, staff_user: User, now: datetime):
        have_token(staff_user, now + 340 * DAY)

        found = text(admin_client)

        assert "A token opens the webhooks. Until 12:30 on 5 February 2027, for 340 days." in found

    @pytest.mark.site("The list of tokens is the host's choice.")
    def test_in_its_last_three_weeks_it_says_what_to_do(
        self, admin_client: Client, staff_user: User, now: datetime
    ):
        have_token(staff_user, now - DAY)
        last = have_token(staff_user, now + 21 * DAY)

        found = text(admin_client)

        assert "The last token of the webhooks ends in 21 days. After 12:30 on 23 March" in found
        assert "Add a new access token and give it to Open edX's plugin before." in found
        link = page(admin_client).context["token"].link
        assert list(admin_client.get(link).context["cl"].result_list) == [last]

    def test_when_the_last_has_ended_there_is_none(
        self, admin_client: Client, staff_user: User, now: datetime
    ):
        have_token(staff_user, now)

        assert "No token opens the webhooks. Every event is refused." in text(admin_client)

    def test_who_may_not_see_tokens_has_no_link_to_them(self, client: Client, staff_user: User):
        grant(staff_user, "certificaterequest")
        client.force_login(staff_user)

        assert page(client).context["token"].link is None


class TestFailingRuns:
    def test_each_is_there_with_its_error_and_its_time(self, admin_client: Client, now: datetime):
        sweep = CourseRunSweepFactory.create(
            error="timeout",
            error_text="Open edX did not answer in time. It came as far as page 48.",
            failed_learners=1017,
            started_on=now - 2 * HOUR,
            finished_on=now - HOUR,
        )

        found = text(admin_client)

        assert sweep.course_run.courseware_id in found
        assert "broke off: timeout, 1,017 learners failed Open edX did not answer in time." in found
        assert "11:30, 1 h ago" in found
        (run,) = page(admin_client).context["failing_runs"]
        assert admin_client.get(run["link"]).context["original"] == sweep

    def test_of_many_the_first_are_shown_and_all_are_counted(self, admin_client: Client):
        CourseRunSweepFactory.create_batch(FAILING_RUNS_SHOWN + 1, error="timeout")

        context = page(admin_client).context

        assert len(context["failing_runs"]) == FAILING_RUNS_SHOWN
        assert context["all_failing_runs"].value == str(FAILING_RUNS_SHOWN + 1)

    def test_without_any_it_says_so(self, admin_client: Client):
        CourseRunSweepFactory.create()

        assert "The last sweep of each run reached its end" in text(admin_client)


class TestCost:
    def test_it_takes_as_many_statements_however_many_rows_there_are(
        self, admin_client: Client, now: datetime, django_assert_max_num_queries
    ):
        page(admin_client)
        with django_assert_max_num_queries(12) as empty:
            page(admin_client)
        for model in (CourseRunFactory, CourseRunCertificateFactory, CertificateRequestFactory):
            model.create_batch(20)
        CourseRunSweepFactory.create_batch(20, error="timeout")
        for hours in range(40):
            settle(now - hours * HOUR)
        OpenEdxPauseFactory.create()

        with django_assert_max_num_queries(len(empty)):
            page(admin_client)

    def test_nothing_of_a_learner_is_on_it(self, admin_client: Client, now: datetime):
        request = CertificateRequestFactory.create(failing_since=now)

        found = page(admin_client).content.decode()

        assert request.user.email not in found
        assert request.user.username not in found
