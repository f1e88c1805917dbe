"""The certificate webhook: from a valid event to the reply, the rows, and what Open edX was asked."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx.conftest import Knock
from openedx.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db

WEBHOOK = "openedx-certificate-webhook"
NOT_PASSED = {"certificate_status": "not_eligible", "reason": "grade_not_passed"}


@pytest.fixture
def run() -> CourseRun:
    """An instructor-paced run whose certificates are not due yet: the webhook does not wait."""
    return CourseRunFactory.create(
        courseware_id="course-v1:MITx+6.00x+1T2026", certificate_available_date=None
    )


@pytest.fixture
def dana(run: CourseRun) -> User:
    """A learner with a paid enrollment in the run."""
    dana = UserFactory.create(email="Dana@Example.com", openedx_user__edx_username="dana.x+y")
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    return dana


def passes(openedx: SimulatedOpenEdx, run: CourseRun, user: User, **fields: object) -> None:
    """Let Open edX report a passing grade, or what the fields make of it."""
    grade = {"passed": True, "percent": 0.91, "letter_grade": "A"} | fields
    openedx.enroll(run.courseware_id, user.edx_username, **grade)


def event_of(user: User, run: CourseRun) -> dict[str, str]:
    return {"email": user.email, "course_id": run.courseware_id}


def answered(response: Any) -> dict[str, str]:
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    return json.loads(response.content)


class TestCreated:
    def test_a_learner_who_passed_and_paid_gets_the_certificate(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana)

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "created"}
        certificate = CourseRunCertificate.objects.get(user=dana, course_run=run)
        assert certificate.link == f"/certificate/{certificate.uuid}/"
        grade = CourseRunGrade.objects.get(user=dana, course_run=run)
        assert (grade.grade, grade.letter_grade, grade.passed) == (0.91, "A", True)

    def test_open_edx_is_asked_once_for_this_learner_with_our_token(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
        settings,
    ):
        passes(openedx, run, dana)

        knock(WEBHOOK, event_of(dana, run), token=staff_token)

        (question,) = openedx.requests
        assert question.target == (
            "/api/grades/v1/courses/course-v1%3AMITx%2B6.00x%2B1T2026/?username=dana.x%2By"
        )
        assert question.authorization == f"Bearer {settings.OPENEDX_SERVICE_WORKER_API_TOKEN}"

    @pytest.mark.parametrize(
        "email", ["dana@example.com", "DANA@EXAMPLE.COM", "  Dana@Example.com "]
    )
    def test_the_email_is_compared_without_case_and_the_blanks_around_it(
        self,
        email: str,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana)

        response = knock(WEBHOOK, {**event_of(dana, run), "email": email}, token=staff_token)

        assert answered(response) == {"certificate_status": "created"}

    def test_unknown_fields_of_the_event_are_ignored(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana)

        response = knock(WEBHOOK, {**event_of(dana, run), "grade": 0.1}, token=staff_token)

        assert answered(response) == {"certificate_status": "created"}

    def test_creating_takes_15_statements_or_fewer(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana)

        with CaptureQueriesContext(connection) as statements:
            response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "created"}
        assert len(statements) <= 15, listed(statements)


class TestExists:
    @pytest.mark.parametrize("days", [-400, 0, 400], ids=["long ago", "now", "in the future"])
    def test_a_valid_certificate_is_answered_at_once_whatever_its_issue_date(
        self,
        days: int,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        CourseRunCertificateFactory.create(
            user=dana, course_run=run, issue_date=timezone.now() + timedelta(days=days)
        )

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "exists"}
        assert openedx.request_count == 0

    def test_an_event_that_comes_again_changes_nothing(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana)
        knock(WEBHOOK, event_of(dana, run), token=staff_token)
        first = CourseRunCertificate.objects.get()

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "exists"}
        assert CourseRunCertificate.all_objects.get() == first
        assert openedx.request_count == 1

    def test_a_revoked_certificate_stays_revoked(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=True)
        passes(openedx, run, dana)

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "revoked"}
        assert CourseRunCertificate.all_objects.get().is_revoked
        assert openedx.request_count == 0

    def test_answering_takes_5_statements_or_fewer(
        self, run: CourseRun, dana: User, staff_token: str, knock: Knock
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run)

        with CaptureQueriesContext(connection) as statements:
            response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "exists"}
        assert len(statements) <= 5, listed(statements)


class TestNotEligible:
    @pytest.mark.parametrize(
        "grade",
        [
            {"passed": False, "percent": 0.4, "letter_grade": None},
            {"passed": False, "percent": 0.0, "letter_grade": None},
            {"passed": True, "percent": 0.0, "letter_grade": "A"},
        ],
        ids=["failed", "zero", "passed with zero"],
    )
    def test_a_learner_who_has_not_passed_gets_none(
        self,
        grade: dict[str, object],
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana, **grade)

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == NOT_PASSED
        assert not CourseRunCertificate.all_objects.exists()
        assert CourseRunGrade.objects.get().grade == grade["percent"]

    @pytest.mark.parametrize(
        "enrollment",
        [
            {"enrollment_mode": "audit"},
            {"enrollment_mode": "honor"},
            {"active": False},
            None,
        ],
        ids=["audit", "honor", "no longer active", "not enrolled"],
    )
    def test_a_learner_without_an_active_paid_enrollment_gets_none(
        self,
        enrollment: dict[str, object] | None,
        run: CourseRun,
        user: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        if enrollment is not None:
            CourseRunEnrollmentFactory.create(user=user, run=run, **enrollment)
        passes(openedx, run, user)

        response = knock(WEBHOOK, event_of(user, run), token=staff_token)

        assert answered(response) == {
            "certificate_status": "not_eligible",
            "reason": "no_paid_enrollment",
        }
        assert not CourseRunCertificate.all_objects.exists()
        assert CourseRunGrade.objects.get().passed

    def test_the_grades_reason_goes_first(
        self,
        run: CourseRun,
        user: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, user, passed=False)

        response = knock(WEBHOOK, event_of(user, run), token=staff_token)

        assert answered(response) == NOT_PASSED

    def test_a_grade_set_by_an_administrator_decides_and_stays(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        CourseRunGradeFactory.create(
            user=dana, course_run=run, grade=0.2, passed=False, set_by_admin=True
        )
        passes(openedx, run, dana)

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == NOT_PASSED
        assert CourseRunGrade.objects.get().grade == 0.2

    def test_a_later_event_is_judged_anew(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana, passed=False, percent=0.4)
        knock(WEBHOOK, event_of(dana, run), token=staff_token)

        openedx.set_grade(run.courseware_id, dana.edx_username, passed=True, percent=0.7)
        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "created"}


class TestOpenEdxCanNotTell:
    @pytest.mark.parametrize(
        "fault",
        [
            "500",
            "503",
            "401",
            "403",
            "404:user_not_enrolled",
            "429:7",
            "html",
            "html:502",
            "malformed",
            "truncated",
            "empty-list",
            "empty-object",
            "close",
            "hang",
            "drip-headers",
            "drip-body",
            "redirect",
        ],
    )
    def test_the_sender_is_told_to_come_again_and_nothing_is_stored(
        self,
        fault: str,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
        settings,
    ):
        settings.EDX_API_CLIENT_TIMEOUT = 0.5
        passes(openedx, run, dana)
        openedx.set_fault(fault)

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert response.status_code == 503
        assert list(json.loads(response.content)) == ["error"]
        assert not CourseRunGrade.objects.exists()
        assert not CourseRunCertificate.all_objects.exists()

        openedx.clear_fault()
        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert answered(response) == {"certificate_status": "created"}

    def test_an_open_edx_that_is_not_there_is_a_503(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        openedx.stop()

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert response.status_code == 503

    @pytest.mark.parametrize(
        "fields",
        [
            {"percent": None},
            {"percent": "0.91"},
            {"percent": True},
            {"percent": float("nan")},
            {"percent": float("inf")},
            {"percent": -0.1},
            {"percent": 2.5},
            {"passed": None},
            {"passed": "true"},
            {"letter_grade": "elevencharac"},
            {"letter_grade": 1},
            {"username": "another.learner"},
            {"course_id": "course-v1:MITx+another+1T2026"},
            {"record": {"passed": True, "percent": 0.9, "letter_grade": "A"}},
            {"record": None},
            {"computable": False},
        ],
        ids=str,
    )
    def test_a_grade_that_can_not_be_used_earns_nothing(
        self,
        fields: dict[str, object],
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        passes(openedx, run, dana)
        openedx.set_grade(run.courseware_id, dana.edx_username, **fields)

        response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

        assert response.status_code == 503
        assert not CourseRunGrade.objects.exists()
        assert not CourseRunCertificate.all_objects.exists()

    @pytest.mark.parametrize(
        "account", [{"openedx_user": None}, {"openedx_user__edx_username": None}]
    )
    def test_a_learner_without_a_username_there_is_not_asked_for(
        self,
        account: dict[str, None],
        run: CourseRun,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        noname = UserFactory.create(**account)
        CourseRunEnrollmentFactory.create(user=noname, run=run)

        response = knock(WEBHOOK, event_of(noname, run), token=staff_token)

        assert response.status_code == 503
        assert openedx.request_count == 0

    def test_a_username_that_looks_like_a_query_asks_for_itself(
        self, run: CourseRun, openedx: SimulatedOpenEdx, staff_token: str, knock: Knock
    ):
        mallory = UserFactory.create(openedx_user__edx_username="mallory&username=dana")
        CourseRunEnrollmentFactory.create(user=mallory, run=run)
        openedx.enroll(run.courseware_id, "dana", passed=True, percent=1.0)

        response = knock(WEBHOOK, event_of(mallory, run), token=staff_token)

        assert response.status_code == 503
        assert openedx.requests[0].username == "mallory&username=dana"
        assert not CourseRunCertificate.all_objects.exists()


def test_the_log_tells_receipt_validation_and_outcome_by_ids_alone(
    run: CourseRun,
    dana: User,
    openedx: SimulatedOpenEdx,
    staff_user: User,
    staff_token: str,
    knock: Knock,
    caplog: pytest.LogCaptureFixture,
    settings,
):
    caplog.set_level(logging.DEBUG)
    passes(openedx, run, dana)

    knock(WEBHOOK, event_of(dana, run), token=staff_token)

    told = [record for record in caplog.records if record.name == "openedx.views"]
    assert [record.getMessage() for record in told] == [
        "certificate webhook called",
        "certificate webhook validated",
        "certificate webhook answered",
    ]
    assert vars(told[0])["caller_id"] == staff_user.pk
    assert [(vars(line)["user_id"], vars(line)["course_id"]) for line in told[1:]] == [
        (dana.pk, run.courseware_id)
    ] * 2
    assert vars(told[2])["outcome"] == "created"
    text = "\n".join(str(vars(record)) for record in caplog.records).lower()
    for secret in (dana.email.lower(), staff_token, settings.OPENEDX_SERVICE_WORKER_API_TOKEN):
        assert secret not in text
    assert "0.91" not in text


def test_a_username_that_is_an_address_is_in_no_log_line_of_a_failure(
    run: CourseRun,
    openedx: SimulatedOpenEdx,
    staff_token: str,
    knock: Knock,
    caplog: pytest.LogCaptureFixture,
):
    dana = UserFactory.create(openedx_user__edx_username="dana@example.com")
    openedx.set_fault("close")
    caplog.set_level(logging.DEBUG)

    response = knock(WEBHOOK, event_of(dana, run), token=staff_token)

    assert response.status_code == 503
    told = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert any("could not tell" in line for line in told)
    assert not [line for line in told if "dana" in line]
    assert not [line for line in told if "Service Unavailable" in line]


@pytest.mark.parametrize(
    ("fault", "level"), [("500", "WARNING"), ("429", "WARNING"), ("401", "ERROR"), ("403", "ERROR")]
)
def test_the_log_calls_a_person_only_where_one_is_needed(
    fault: str,
    level: str,
    run: CourseRun,
    dana: User,
    openedx: SimulatedOpenEdx,
    staff_token: str,
    knock: Knock,
    caplog: pytest.LogCaptureFixture,
):
    openedx.set_fault(fault)

    knock(WEBHOOK, event_of(dana, run), token=staff_token)

    (line,) = [record for record in caplog.records if "could not tell" in record.getMessage()]
    assert line.levelname == level


def listed(statements: CaptureQueriesContext) -> str:
    return "\n".join(
        [f"{len(statements)} statements:"] + [query["sql"] for query in statements.captured_queries]
    )
