"""The admin of sweeps: the last one of a run on the run's page, and those that broke off in a list."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openedx_certificates.models import CourseRunSweep
from openedx_certificates.testing.factories import CourseRunFactory, CourseRunSweepFactory

pytestmark = pytest.mark.django_db

LIST = "admin:openedx_certificates_courserunsweep_changelist"


def page_of_run(client: Client, sweep: CourseRunSweep) -> str:
    url = reverse("admin:courses_courserun_change", args=[sweep.course_run_id])
    return client.get(url).content.decode().replace("\xa0", " ")


def listed(client: Client, **query: str) -> list[CourseRunSweep]:
    return list(client.get(reverse(LIST), query).context["cl"].result_list)


@pytest.mark.site("The page of a run is the host's admin.")
def test_the_runs_page_tells_of_the_last_sweep(admin_client: Client):
    started = timezone.now() - timedelta(hours=2, seconds=5)
    sweep = CourseRunSweepFactory.create(
        started_on=started,
        finished_on=started + timedelta(minutes=3, seconds=7),
        learners=4711,
        certificates_created=321,
        failed_learners=17,
        refused_grades=2,
        error="timeout",
        error_text="Open edX did not answer in time. It came as far as page 48.",
    )

    page = page_of_run(admin_client, sweep)

    for text in ("2 hours ago", "3 min 7 s", "4711", "321", "17 (2 grades refused)"):
        assert text in page
    assert "broke off: timeout" in page
    assert "as far as page 48" in page


@pytest.mark.site("The page of a run is the host's admin.")
@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.24, "0.2 s"), (12.4, "12 s"), (60, "1 min 0 s"), (7260, "2 h 1 min")]
)
def test_how_long_it_took_is_told_in_words(admin_client: Client, seconds: float, shown: str):
    started = timezone.now() - timedelta(hours=3)
    sweep = CourseRunSweepFactory.create(
        started_on=started, finished_on=started + timedelta(seconds=seconds)
    )

    assert shown in page_of_run(admin_client, sweep)


@pytest.mark.site("The page of a run is the host's admin.")
@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        (None, "due"),
        (timedelta(seconds=60), "at work"),
        (timedelta(seconds=-1), "the one at work has died"),
        (timedelta(days=400), "the one at work has died"),
    ],
    ids=["due", "at work", "died", "by-a-wrong-clock"],
)
def test_what_comes_next(admin_client: Client, ends: timedelta | None, shown: str):
    lease = ends and {"lease": uuid.uuid4(), "leased_until": timezone.now() + ends}
    sweep = CourseRunSweepFactory.create(**lease or {})

    assert f">{shown}<" in page_of_run(admin_client, sweep)


@pytest.mark.site("The page of a run is the host's admin.")
def test_a_run_that_is_not_swept_any_more_says_so(admin_client: Client):
    sweep = CourseRunSweepFactory.create(course_run__live=False)

    assert "none: the run is closed or not live" in page_of_run(admin_client, sweep)


@pytest.mark.site("The page of a run is the host's admin.")
def test_a_run_that_was_never_swept_says_so(admin_client: Client):
    sweep = CourseRunSweepFactory.create(started_on=None, finished_on=None)

    assert "none yet" in page_of_run(admin_client, sweep)
    assert listed(admin_client, result="well") == []

    run = CourseRunFactory.create()
    assert (
        admin_client.get(reverse("admin:courses_courserun_change", args=[run.pk])).status_code
        == 200
    )


def test_the_list_shows_those_that_somebody_must_look_at(admin_client: Client):
    broke_off = CourseRunSweepFactory.create(error="refused")
    failed = CourseRunSweepFactory.create(failed_learners=1)
    well = CourseRunSweepFactory.create()

    assert listed(admin_client, result="broke_off") == [broke_off]
    assert listed(admin_client, result="learners") == [failed]
    assert listed(admin_client, result="well") == [well]
    assert len(listed(admin_client)) == 3
    assert listed(admin_client, q=well.course_run.courseware_id[3:]) == [well]
