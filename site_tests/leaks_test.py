"""No token, e-mail address or grade reaches the log, whatever happens and at whichever level.

Each scene plays with every logger open at DEBUG that can be opened. What it wrote is searched for
all that tells who somebody is or how they did, and for all that opens a door.
"""

import logging
from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from openedx_certificates.models import CertificateRequest
from site_tests.leak_stage import COURSE_ID, SCENES, Scene, Site, site_with_secrets
from site_tests.leak_webhooks import create
from site_tests.leak_work import sweep
from site_tests.log_reading import Log, find_leaks
from tools.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(openedx: SimulatedOpenEdx, settings: Settings, client: Client) -> Iterator[Site]:
    with site_with_secrets(openedx, settings, client) as site:
        yield site


@pytest.mark.parametrize("play", SCENES.values(), ids=SCENES)
def test_nothing_that_must_stay_between_us_is_told(play: Scene, site: Site, log: Log):
    play(site)

    assert log.lines
    assert find_leaks(log.text, site.secrets) == []


def test_what_is_told_is_who_by_id_and_what_came_of_it(site: Site, log: Log):
    create(site)
    site.openedx.set_fault("500")
    site.tell_of(site.erin)
    site.openedx.clear_fault()
    sweep(site)

    answered = log.of("certificate webhook answered")
    assert [(line["user_id"], line["course_id"], line["outcome"]) for line in answered] == [
        (site.dana.pk, COURSE_ID, "created"),
        (site.erin.pk, COURSE_ID, "deferred"),
    ]
    assert [line["status"] for line in log.of("request_finished")] == [200, 202]
    assert log.of("certificate request deferred")[0]["error"] == "unreachable"
    (outcome,) = log.of("sweep of course run finished")
    assert (outcome["course_id"], outcome["pages"], outcome["learners"]) == (COURSE_ID, 1, 2)
    assert (outcome["certificates_created"], outcome["error"]) == (1, None)


def test_a_leak_would_be_found(site: Site, log: Log):
    site.client.force_login(site.staff)
    planted = [
        form
        for secret in site.secrets
        for form in (secret, secret.upper(), secret.replace("@", "%40").replace("+", "%2B"))
    ]

    for secret in planted:
        logging.getLogger("courses.some_module").debug("a step", extra={"of": f"x={secret};"})

    assert len(site.secrets) > 30
    assert len(find_leaks(log.text, site.secrets)) == len(log.lines) == len(planted)


@pytest.mark.parametrize("library", ["django.db.backends", "urllib3"])
def test_a_library_that_were_open_at_debug_would_be_a_leak(library: str, site: Site, log: Log):
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        create(site)
    finally:
        logger.setLevel(level)

    assert find_leaks(log.text, site.secrets)
    assert CertificateRequest.objects.get().user == site.dana
