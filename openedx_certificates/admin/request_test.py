"""The admin of the held requests: what it tells at a glance, and its two actions."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from courses.models import CourseRun
from openedx_certificates.api import process_requests
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import CertificateRequestFactory, OpenEdxPauseFactory
from openedx_certificates.testing.scenes import Enrolls, has_certificate
from users.models import User

pytestmark = pytest.mark.django_db

LIST = "admin:openedx_certificates_certificaterequest_changelist"
Status = CertificateRequest.Status


def settled(status: Status, **fields: object) -> CertificateRequest:
    return CertificateRequestFactory.create(status=status, settled_on=timezone.now(), **fields)


def hold(run: CourseRun, status: Status, number: int) -> list[int]:
    """Make so many learners with a request, and return the requests' keys."""
    learners = User.objects.bulk_create(
        User(username=f"many-{n}", email=f"many-{n}@example.com") for n in range(number)
    )
    settled_on = None if status == Status.OPEN else timezone.now()
    requests = CertificateRequest.objects.bulk_create(
        CertificateRequest(user=learner, course_run=run, status=status, settled_on=settled_on)
        for learner in learners
    )
    return [request.pk for request in requests]


def listed(client: Client, **query: str) -> list[CertificateRequest]:
    return list(client.get(reverse(LIST), query).context["cl"].result_list)


def act(client: Client, action: str, *requests: CertificateRequest) -> list[str]:
    """Run an action of the list, and return what it tells."""
    selected = {"action": action, "_selected_action": [request.pk for request in requests]}
    response = client.post(reverse(LIST), selected, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


class TestList:
    def test_it_tells_how_a_request_stands(self, admin_client: Client):
        now = timezone.now()
        failing = CertificateRequestFactory.create(
            attempts=17,
            last_error="timeout",
            next_attempt_on=now + timedelta(minutes=31, seconds=5),
        )
        CertificateRequest.objects.filter(pk=failing.pk).update(
            created_on=now - timedelta(days=2, seconds=5)
        )

        page = admin_client.get(reverse(LIST)).content.decode().replace("\xa0", " ")

        for text in (failing.user.email, "open", "2 days", "17", "in 31 min", "timeout"):
            assert f">{text}<" in page

    @pytest.mark.parametrize(
        ("moment", "after", "shown"),
        [
            ("next_attempt_on", timedelta(0), "due"),
            ("next_attempt_on", timedelta(minutes=31, seconds=5), "in 31 min"),
            ("next_attempt_on", timedelta(days=400), "due"),
            ("leased_until", timedelta(minutes=1), "at work"),
            ("leased_until", timedelta(minutes=-1), "due"),
            ("leased_until", timedelta(days=400), "due"),
            ("settled_on", timedelta(0), "-"),
        ],
    )
    def test_it_tells_when_it_is_tried_next(
        self, admin_client: Client, moment: str, after: timedelta, shown: str
    ):
        others = {
            "leased_until": {"lease": uuid.uuid4()},
            "settled_on": {"status": Status.CREATED},
        }
        CertificateRequestFactory.create(
            **{moment: timezone.now() + after}, **others.get(moment, {})
        )

        page = admin_client.get(reverse(LIST)).content.decode()

        assert f'<td class="field-next_attempt">{shown}</td>' in page

    def test_it_tells_why_a_learner_was_not_eligible(self, admin_client: Client):
        settled(Status.NOT_ELIGIBLE, reason="no_paid_enrollment")

        page = admin_client.get(reverse(LIST)).content.decode()

        assert "not eligible: no paid enrollment" in page

    def test_it_is_filtered_by_status_and_by_last_error(self, admin_client: Client):
        refused = CertificateRequestFactory.create(last_error="refused")
        failed = settled(Status.FAILED, last_error="timeout")

        assert listed(admin_client, status__exact="failed") == [failed]
        assert listed(admin_client, last_error="refused") == [refused]
        assert set(listed(admin_client)) == {refused, failed}

    def test_the_filter_offers_every_failure_there_can_be(self, admin_client: Client):
        page = admin_client.get(reverse(LIST)).content.decode()

        for code in (
            "unreachable",
            "timeout",
            "throttled",
            "no_edx_username",
            "database",
            "paused",
        ):
            assert f"?last_error={code}" in page


class TestReplayNow:
    def test_a_failed_request_is_taken_up_by_the_next_pass_in_spite_of_a_pause(
        self, admin_client: Client, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        failed = settled(Status.FAILED, user=dana, course_run=run)
        OpenEdxPauseFactory.create()

        messages = act(admin_client, "replay_now", failed)
        process_requests()

        assert "1 request(s) are due now" in messages[0]
        assert has_certificate(dana, run)
        failed.refresh_from_db()
        assert failed.status == Status.CREATED
        assert LogEntry.objects.get().get_change_message() == "Replayed."

    def test_two_of_one_learner_and_run_are_one(self, admin_client: Client, run: CourseRun):
        failed = settled(Status.FAILED, course_run=run)
        waiting = CertificateRequestFactory.create(user=failed.user, course_run=run)

        (message,) = act(admin_client, "replay_now", failed, waiting)

        assert "1 request(s) are due now" in message
        assert LogEntry.objects.get().object_id == str(waiting.pk)
        failed.refresh_from_db()
        assert failed.status == Status.FAILED

    def test_one_that_is_worked_on_is_left_alone(self, admin_client: Client):
        at_work = CertificateRequestFactory.create(
            lease=uuid.uuid4(), leased_until=timezone.now() + timedelta(minutes=1)
        )

        (message,) = act(admin_client, "replay_now", at_work)

        assert message == "0 request(s) are due now. Left alone: 1 that somebody works on."
        at_work.refresh_from_db()
        assert at_work.deliveries == 1


class TestAllAcrossPages:
    @pytest.mark.parametrize(
        ("action", "status", "told"),
        [
            ("replay_now", Status.FAILED, "1,500 request(s) are due now."),
            ("settle_as_failed", Status.OPEN, "1,500 open request(s) were settled as failed."),
        ],
    )
    def test_so_many_are_done_in_as_many_statements_as_two(
        self, admin_client: Client, run: CourseRun, action: str, status: Status, told: str
    ):
        # More than the fields that Django takes of a form.
        many = hold(run, status, 1_500)

        with CaptureQueriesContext(connection) as of_two:
            admin_client.post(reverse(LIST), {"action": action, "_selected_action": many[:2]})
        CertificateRequest.objects.filter(pk__in=many[:2]).update(
            status=status, settled_on=None if status == Status.OPEN else timezone.now()
        )
        LogEntry.objects.all().delete()
        everything = {"action": action, "_selected_action": many[:2], "select_across": "1"}
        with CaptureQueriesContext(connection) as of_all:
            reply = admin_client.post(reverse(LIST), everything)

        assert told in [str(message) for message in get_messages(reply.wsgi_request)][-1]
        assert not CertificateRequest.objects.filter(status=status).exists()
        assert LogEntry.objects.count() == 1_500
        assert len(of_all) <= len(of_two)


class TestSettleAsFailed:
    def test_what_is_open_is_settled_and_what_is_settled_stays(self, admin_client: Client):
        waiting = CertificateRequestFactory.create()
        created = settled(Status.CREATED)

        (message,) = act(admin_client, "settle_as_failed", waiting, created)

        assert message == "1 open request(s) were settled as failed."
        waiting.refresh_from_db()
        created.refresh_from_db()
        assert waiting.status == Status.FAILED
        assert waiting.settled_on is not None
        assert created.status == Status.CREATED


@pytest.mark.parametrize("action", ["replay_now", "settle_as_failed"])
def test_who_may_only_look_has_no_actions(client: Client, staff_user: User, action: str):
    may_view = Permission.objects.get(codename="view_certificaterequest")
    staff_user.user_permissions.add(may_view)
    client.force_login(staff_user)
    request = CertificateRequestFactory.create()

    act(client, action, request)

    request.refresh_from_db()
    assert (request.status, request.deliveries) == (Status.OPEN, 1)
