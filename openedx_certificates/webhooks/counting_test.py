"""What is counted of events and questions, read as /metrics shows it."""

import logging
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from courses.models import CourseRun
from openedx_certificates.instruments import INSTRUMENTS, QUESTION_ERRORS, count_event
from openedx_certificates.testing.clients import make_client
from openedx_certificates.testing.factories import CourseRunCertificateFactory
from openedx_certificates.testing.webhooks import (
    Knock,
    MakeToken,
    Tell,
    database_failing_at,
    event_of,
    passes,
)
from openedx_certificates.webhooks.counting import OUTCOMES
from openedx_certificates.wire.exceptions import OpenEdxError
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

CERTIFICATE = "openedx-certificate-webhook"
ENROLLMENT = "openedx-enrollment-webhook"
COURSE_ID = "course-v1:MITx+6.00x+1T2026"

pytest.importorskip("prometheus_client", reason="The extra [metrics] is not installed.")

Series = tuple[str, ...]


class Counts:
    """What was counted since it was made: series, by name and label values, to numbers."""

    def __init__(self) -> None:
        self._before = self._read()

    def find(self, name: str) -> dict[Series, float]:
        """Return what grew of a metric, and by how much."""
        name = f"mitxonline_certificate_{name}"
        return {
            labels: value - self._before.get((series, labels), 0)
            for (series, labels), value in self._read().items()
            if series == name and value != self._before.get((series, labels), 0)
        }

    @staticmethod
    def _read() -> dict[tuple[str, Series], float]:
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for metric in INSTRUMENTS.collect()
            for sample in metric.samples
        }


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.mark.django_db
class TestEvents:
    @pytest.mark.parametrize("webhook", ["certificate", "enrollment"])
    @pytest.mark.parametrize(
        ("body", "token", "content_type", "outcome"),
        [
            pytest.param({}, None, "application/json", "unauthorized", id="no token"),
            pytest.param({}, "wrong", "application/json", "unauthorized", id="a wrong token"),
            pytest.param({}, "learners", "application/json", "forbidden", id="a learner's token"),
            pytest.param({}, "staff", "application/json", "invalid", id="fields are missing"),
            pytest.param(b"{", "staff", "application/json", "invalid", id="not JSON at all"),
            pytest.param({}, "staff", "text/plain", "not_json", id="another media type"),
            pytest.param(b"1" * 66_000, "staff", "application/json", "too_large", id="too large"),
            pytest.param(
                {"email": "who@example.com", "course_id": COURSE_ID},
                "staff",
                "application/json",
                "not_known",
                id="an unknown user",
            ),
        ],
    )
    def test_what_is_refused_is_counted_by_the_reason(
        self,
        counts: Counts,
        knock: Knock,
        make_token: MakeToken,
        staff_token: str,
        user: User,
        webhook: str,
        body: Any,
        token: str | None,
        content_type: str,
        outcome: str,
    ):
        tokens = {"staff": staff_token, "learners": make_token(user)}

        knock(
            f"openedx-{webhook}-webhook",
            body,
            token=token and tokens.get(token, token),
            content_type=content_type,
        )

        assert counts.find("events_total") == {(webhook, outcome): 1}
        assert counts.find("event_seconds_count") == {(webhook,): 1}

    def test_another_method_is_counted(self, counts: Counts, client: Client, staff_token: str):
        client.get(reverse(CERTIFICATE), headers={"authorization": f"Bearer {staff_token}"})

        assert counts.find("events_total") == {("certificate", "method_not_allowed"): 1}

    @pytest.mark.parametrize(
        ("grade", "outcome"),
        [
            pytest.param({}, "created", id="passed"),
            pytest.param({"passed": False, "percent": 0.2}, "grade_not_passed", id="not passed"),
            pytest.param({"percent": None}, "deferred", id="an unusable grade"),
        ],
    )
    def test_what_a_certificate_event_came_to_is_counted(
        self,
        counts: Counts,
        openedx: SimulatedOpenEdx,
        run: CourseRun,
        dana: User,
        tell: Tell,
        grade: dict[str, Any],
        outcome: str,
    ):
        passes(openedx, run, dana, **grade)

        tell(dana, run)

        assert counts.find("events_total") == {("certificate", outcome): 1}

    def test_a_learner_who_did_not_pay_is_counted_by_the_reason(
        self, counts: Counts, openedx: SimulatedOpenEdx, run: CourseRun, user: User, tell: Tell
    ):
        passes(openedx, run, user)

        tell(user, run)

        assert counts.find("events_total") == {("certificate", "no_paid_enrollment"): 1}

    @pytest.mark.parametrize(("is_revoked", "outcome"), [(False, "exists"), (True, "revoked")])
    def test_a_certificate_that_is_there_is_counted(
        self, counts: Counts, run: CourseRun, dana: User, tell: Tell, is_revoked: bool, outcome: str
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=is_revoked)

        tell(dana, run)

        assert counts.find("events_total") == {("certificate", outcome): 1}

    def test_enrollments_are_counted_as_created_and_as_there_already(
        self, counts: Counts, knock: Knock, staff_token: str, run: CourseRun, user: User
    ):
        for _ in range(2):
            knock(ENROLLMENT, event_of(user, run), token=staff_token)

        assert counts.find("events_total") == {
            ("enrollment", "created"): 1,
            ("enrollment", "exists"): 1,
        }

    def test_a_database_that_fails_is_counted(
        self, counts: Counts, run: CourseRun, dana: User, tell: Tell
    ):
        with database_failing_at("courses_courserun"):
            tell(dana, run)

        assert counts.find("events_total") == {("certificate", "database_failed"): 1}

    def test_an_error_of_ours_is_counted_and_goes_on(
        self, counts: Counts, run: CourseRun, dana: User, tell: Tell, settings: Any
    ):
        # Nothing a sender could do: a setting that no check lets pass.
        settings.OPENEDX_CERTIFICATES_WEBHOOK_WAITING_MAX = "many"

        with pytest.raises(TypeError):
            tell(dana, run)

        assert counts.find("events_total") == {("certificate", "other"): 1}

    def test_no_sender_can_add_a_label(
        self, knock: Knock, staff_token: str, run: CourseRun, dana: User
    ):
        knock(CERTIFICATE, event_of(dana, run) | {"outcome": "mine"}, token=staff_token)
        knock(ENROLLMENT, event_of(dana, run) | {"mode": "mine"}, token=staff_token)

        seen = {
            (sample.labels["webhook"], sample.labels["outcome"])
            for metric in INSTRUMENTS.collect()
            for sample in metric.samples
            if sample.name == "mitxonline_certificate_events_total"
        }
        assert seen <= {(webhook, word) for webhook, words in OUTCOMES.items() for word in words}


class TestQuestions:
    def test_an_answer_is_one_question_with_its_time_and_no_error(
        self, counts: Counts, openedx: SimulatedOpenEdx
    ):
        openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.9)
        openedx.set_fault("delay:200")

        make_client(openedx.url).fetch_grade(COURSE_ID, "alice")

        assert counts.find("openedx_question_seconds_count") == {("grade",): 1}
        assert counts.find("openedx_question_seconds_sum")["grade",] >= 0.2
        assert counts.find("openedx_errors_total") == {}

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            ("500", "unreachable"),
            ("close", "unreachable"),
            ("hang", "timeout"),
            ("401", "refused"),
            ("403", "refused"),
            ("429", "throttled"),
            ("404", "not_found"),
            ("malformed", "nonsense"),
            ("empty-list", "unusable_grade"),
        ],
    )
    def test_a_failure_is_counted_by_its_reason_once_with_all_its_retries(
        self, counts: Counts, openedx: SimulatedOpenEdx, fault: str, code: str
    ):
        openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.9)
        openedx.set_fault(fault)

        with pytest.raises(OpenEdxError):
            make_client(openedx.url, timeout=1.0).fetch_grade(COURSE_ID, "alice")

        assert counts.find("openedx_errors_total") == {("grade", code): 1}
        assert counts.find("openedx_question_seconds_count") == {("grade",): 1}
        assert code in QUESTION_ERRORS

    def test_each_page_is_a_question_and_so_is_each_time_it_is_asked_for_again(
        self, counts: Counts, openedx: SimulatedOpenEdx
    ):
        for name in ("alice", "bob", "carol"):
            openedx.enroll(COURSE_ID, name, passed=True, percent=0.9)
        openedx.set_fault(Fault("503", count=1))

        pages = list(make_client(openedx.url, page_size=2).iter_grade_pages(COURSE_ID))

        assert [len(page) for page in pages] == [2, 1]
        assert counts.find("openedx_question_seconds_count") == {("page",): 3}
        assert counts.find("openedx_errors_total") == {("page", "unreachable"): 1}


def test_what_can_not_be_counted_costs_no_event_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
):
    not_a_time: Any = "soon"

    with caplog.at_level(logging.ERROR, logger="openedx_certificates.instruments"):
        for _ in range(3):
            count_event("certificate", "created", not_a_time)

    assert [vars(record)["event"] for record in caplog.records] == [
        "metrics are not counted in this process"
    ]
