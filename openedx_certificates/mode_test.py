"""How much of the work is the app's: each mode, over a host that keeps its old view and its old sweep."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import RequestFactory
from django.views.decorators.csrf import csrf_exempt

from courses.api import create_local_enrollment
from courses.models import CourseRun, CourseRunCertificate
from courses.tasks import generate_course_certificates
from openedx_certificates.api import Mode, get_mode
from openedx_certificates.models import CertificateRequest, CourseRunSweep
from openedx_certificates.tasks import process_certificate_requests
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunGradeFactory,
)
from openedx_certificates.testing.scenes import Enrolls, has_certificate, request_of
from openedx_certificates.webhooks import answered_by_the_app
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

MODES = [mode.value for mode in Mode]
Knocks = Callable[[User, CourseRun], HttpResponse]


@answered_by_the_app
@csrf_exempt
def old_view(_request: HttpRequest) -> HttpResponse:
    """The host's own view, as it was."""
    return JsonResponse({"answered_by": "the old view"})


def old_sweep(learner: User, run: CourseRun) -> None:
    """The host's own sweep, which issues without a look at the app's tables."""
    CourseRunCertificateFactory.create(user=learner, course_run=run)


@pytest.fixture
def knocks(rf: RequestFactory, staff_token: str) -> Knocks:
    """Post an event to the address that the old view has always had."""

    def post(learner: User, run: CourseRun) -> HttpResponse:
        event = {"email": learner.email, "course_id": run.courseware_id}
        request = rf.post(
            "/api/openedx_webhook/certificate/",
            json.dumps(event),
            content_type="application/json",
            headers={"authorization": f"Bearer {staff_token}"},
        )
        response = old_view(request)
        if hasattr(response, "render"):
            response.render()
        return response

    return post


def reply(response: HttpResponse) -> tuple[int, dict[str, str]]:
    return response.status_code, json.loads(response.content)


@pytest.mark.parametrize("mode", MODES)
def test_the_host_can_ask_which_mode_it_is(mode: str, settings: Any):
    settings.OPENEDX_CERTIFICATES_MODE = mode

    assert get_mode() == mode


def test_a_host_that_says_nothing_keeps_all_the_work(settings: Any):
    del settings.OPENEDX_CERTIFICATES_MODE

    assert get_mode() is Mode.OFF


class TestTheWebhook:
    def test_off_leaves_it_to_the_old_view(
        self, knocks: Knocks, enrolled: Enrolls, run: CourseRun, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_MODE = "off"

        assert reply(knocks(enrolled(run), run)) == (200, {"answered_by": "the old view"})
        assert not CertificateRequest.objects.exists()

    def test_hold_promises_and_asks_nobody(
        self,
        knocks: Knocks,
        enrolled: Enrolls,
        run: CourseRun,
        openedx: SimulatedOpenEdx,
        settings: Any,
    ):
        settings.OPENEDX_CERTIFICATES_MODE = "hold"
        dana = enrolled(run)

        assert reply(knocks(dana, run)) == (202, {"certificate_status": "deferred"})
        process_certificate_requests()
        assert request_of(dana, run).is_open
        assert openedx.request_count == 0

    @pytest.mark.parametrize("mode", ["webhook", "all"])
    def test_later_modes_issue_the_certificate(
        self, mode: str, knocks: Knocks, enrolled: Enrolls, run: CourseRun, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_MODE = mode
        dana = enrolled(run)

        assert reply(knocks(dana, run)) == (200, {"certificate_status": "created"})
        assert has_certificate(dana, run)


@pytest.mark.parametrize("mode", MODES)
def test_the_sweep_is_the_apps_in_the_last_mode_alone(
    mode: str, enrolled: Enrolls, run: CourseRun, settings: Any
):
    settings.OPENEDX_CERTIFICATES_MODE = mode
    enrolled(run)

    generate_course_certificates()

    assert CourseRunSweep.objects.filter(course_run=run).exists() == (mode == "all")


@pytest.mark.parametrize("mode", MODES)
def test_a_payment_after_passing_is_held_unless_it_is_off(
    mode: str, user: User, run: CourseRun, settings: Any, django_capture_on_commit_callbacks: Any
):
    settings.OPENEDX_CERTIFICATES_MODE = mode
    CourseRunGradeFactory.create(user=user, course_run=run, passed=True)

    with django_capture_on_commit_callbacks(execute=True):
        CourseRunEnrollmentFactory.create(user=user, run=run)

    assert CertificateRequest.objects.filter(user=user).exists() == (mode != "off")


def test_while_it_is_off_a_mirrored_enrollment_holds_nothing_either(
    user: User, run: CourseRun, settings: Any, django_capture_on_commit_callbacks: Any
):
    settings.OPENEDX_CERTIFICATES_MODE = "off"
    CourseRunGradeFactory.create(user=user, course_run=run, passed=True)

    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            create_local_enrollment(user, run, mode="verified")

    assert not CertificateRequest.objects.exists()


class TestOverAndBack:
    def test_what_was_held_is_settled_by_what_the_old_sweep_issued_or_by_the_app(
        self, knocks: Knocks, enrolled: Enrolls, run: CourseRun, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_MODE = "hold"
        swept, left = enrolled(run), enrolled(run)
        for learner in (swept, left):
            knocks(learner, run)
        old_sweep(swept, run)

        settings.OPENEDX_CERTIFICATES_MODE = "webhook"
        process_certificate_requests()

        assert request_of(swept, run).status == "exists"
        assert request_of(left, run).status == "created"
        assert CourseRunCertificate.objects.count() == 2

    @pytest.mark.parametrize("back", ["hold", "off"])
    def test_going_back_keeps_what_is_held_until_the_app_works_again(
        self,
        back: str,
        knocks: Knocks,
        enrolled: Enrolls,
        run: CourseRun,
        openedx: SimulatedOpenEdx,
        settings: Any,
    ):
        settings.OPENEDX_CERTIFICATES_MODE = "all"
        dana = enrolled(run)
        openedx.set_fault("500")
        assert knocks(dana, run).status_code == 202
        openedx.clear_fault()

        settings.OPENEDX_CERTIFICATES_MODE = back
        CertificateRequest.objects.update(next_attempt_on=request_of(dana, run).created_on)
        process_certificate_requests()
        assert request_of(dana, run).is_open

        settings.OPENEDX_CERTIFICATES_MODE = "webhook"
        process_certificate_requests()
        assert request_of(dana, run).status == "created"

    def test_all_and_back_to_webhook_leaves_the_sweep_to_the_host(
        self, knocks: Knocks, enrolled: Enrolls, run: CourseRun, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_MODE = "all"
        first = enrolled(run)
        generate_course_certificates()
        swept_on = CourseRunSweep.objects.get(course_run=run).finished_on

        settings.OPENEDX_CERTIFICATES_MODE = "webhook"
        generate_course_certificates()

        assert has_certificate(first, run)
        assert CourseRunSweep.objects.get(course_run=run).finished_on == swept_on
        second = enrolled(run)
        assert reply(knocks(second, run))[1] == {"certificate_status": "created"}
