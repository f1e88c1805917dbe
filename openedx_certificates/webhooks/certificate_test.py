"""The certificate webhook: from a valid event to the reply, the rows, and what Open edX was asked."""

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunGradeFactory,
)
from openedx_certificates.testing.webhooks import (
    NO_PAID_ENROLLMENT,
    NOT_PASSED,
    Knock,
    Tell,
    answered,
    deferred,
    event_of,
    is_of_the_hosts_save,
    passes,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

WEBHOOK = "openedx-certificate-webhook"


class TestCreated:
    def test_a_learner_who_passed_and_paid_gets_the_certificate(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)

        response = tell(dana, run)

        assert answered(response) == {"certificate_status": "created"}
        certificate = CourseRunCertificate.objects.get(user=dana, course_run=run)
        assert certificate.link == f"/certificate/{certificate.uuid}/"
        grade = CourseRunGrade.objects.get(user=dana, course_run=run)
        assert (grade.grade, grade.letter_grade, grade.passed) == (0.91, "A", True)

    def test_a_learner_whom_open_edx_spells_in_another_case_gets_it_too(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        openedx.enroll(run.courseware_id, "Dana.X+Y", passed=True, percent=0.91)

        response = tell(dana, run)

        assert answered(response) == {"certificate_status": "created"}
        assert openedx.requests[0].username == "dana.x+y"

    def test_the_request_is_held_until_it_is_settled_as_created(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)

        tell(dana, run)

        request = CertificateRequest.objects.get(user=dana, course_run=run)
        assert request.status == CertificateRequest.Status.CREATED
        assert request.settled_on is not None
        assert (request.deliveries, request.attempts, request.lease) == (1, 1, None)

    def test_open_edx_is_asked_once_for_this_learner_with_our_token(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell, settings
    ):
        passes(openedx, run, dana)

        tell(dana, run)

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
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, staff_token: str, knock: Knock
    ):
        passes(openedx, run, dana)

        response = knock(WEBHOOK, {**event_of(dana, run), "grade": 0.1}, token=staff_token)

        assert answered(response) == {"certificate_status": "created"}

    @pytest.mark.site("What a host adds to a request is counted for the host beside the app.")
    def test_creating_takes_11_statements_or_fewer(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)

        with CaptureQueriesContext(connection) as statements:
            response = tell(dana, run)

        assert answered(response) == {"certificate_status": "created"}
        own = [each for each in statements if not is_of_the_hosts_save(each["sql"])]
        assert len(own) <= 11, listed(statements)


class TestExists:
    @pytest.mark.parametrize("days", [-400, 0, 400], ids=["long ago", "now", "in the future"])
    def test_a_valid_certificate_is_answered_at_once_whatever_its_issue_date(
        self, days: int, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        CourseRunCertificateFactory.create(
            user=dana, course_run=run, issue_date=timezone.now() + timedelta(days=days)
        )

        response = tell(dana, run)

        assert answered(response) == {"certificate_status": "exists"}
        assert openedx.request_count == 0
        assert not CertificateRequest.objects.exists()

    def test_an_event_that_comes_again_changes_nothing(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)
        tell(dana, run)
        first = CourseRunCertificate.objects.get()

        response = tell(dana, run)

        assert answered(response) == {"certificate_status": "exists"}
        assert CourseRunCertificate.all_objects.get() == first
        assert openedx.request_count == 1

    def test_a_revoked_certificate_stays_revoked(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=True)
        passes(openedx, run, dana)

        response = tell(dana, run)

        assert answered(response) == {"certificate_status": "revoked"}
        assert CourseRunCertificate.all_objects.get().is_revoked
        assert openedx.request_count == 0
        assert not CertificateRequest.objects.exists()

    @pytest.mark.site("A host's middleware asks the database as well.")
    def test_leaving_it_to_a_worker_takes_3_statements_or_fewer(
        self, run: CourseRun, dana: User, tell: Tell, settings
    ):
        settings.OPENEDX_CERTIFICATES_WEBHOOK_ASYNC = True

        with CaptureQueriesContext(connection) as statements:
            response = tell(dana, run)

        deferred(response)
        assert len(statements) <= 3, listed(statements)

    @pytest.mark.site("A host's middleware asks the database as well.")
    def test_answering_takes_2_statements_or_fewer(self, run: CourseRun, dana: User, tell: Tell):
        CourseRunCertificateFactory.create(user=dana, course_run=run)

        with CaptureQueriesContext(connection) as statements:
            response = tell(dana, run)

        assert answered(response) == {"certificate_status": "exists"}
        assert len(statements) <= 2, listed(statements)


@pytest.mark.site("What another host's save() does at once may open its own.")
@pytest.mark.django_db(transaction=True)
class TestConnections:
    """A host without a pool opens each: one until Open edX is asked, and one to write."""

    @pytest.fixture
    def made(
        self, run: CourseRun, dana: User, staff_token: str, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[list[str]]:
        """The connections that are made from here on, without a pool."""
        made: list[str] = []
        connections.close_all()
        options = {**connection.settings_dict["OPTIONS"], "pool": None}
        monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)

        def note(connection: BaseDatabaseWrapper, **_signal: object) -> None:
            made.append(connection.alias)

        connection_created.connect(note)
        yield made
        connection_created.disconnect(note)
        connections.close_all()

    def test_a_new_certificate_takes_two(
        self, made: list[str], run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        openedx.enroll(run.courseware_id, "dana.x+y", passed=True, percent=0.91)

        assert answered(tell(dana, run)) == {"certificate_status": "created"}
        assert len(made) == 2

    def test_one_that_exists_takes_one(
        self, run: CourseRun, dana: User, made: list[str], tell: Tell
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run)
        connections.close_all()
        made.clear()

        assert answered(tell(dana, run)) == {"certificate_status": "exists"}
        assert len(made) == 1


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
        tell: Tell,
    ):
        passes(openedx, run, dana, **grade)

        response = tell(dana, run)

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
        tell: Tell,
    ):
        if enrollment is not None:
            CourseRunEnrollmentFactory.create(user=user, run=run, **enrollment)
        passes(openedx, run, user)

        response = tell(user, run)

        assert answered(response) == NO_PAID_ENROLLMENT
        assert not CourseRunCertificate.all_objects.exists()
        assert CourseRunGrade.objects.get().passed

    def test_a_learner_whose_account_was_given_up_gets_none_and_keeps_what_there_is(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana)
        User.objects.filter(pk=dana.pk).update(is_active=False)

        assert answered(tell(dana, run)) == NO_PAID_ENROLLMENT
        assert not CourseRunCertificate.all_objects.exists()
        assert CertificateRequest.objects.get().reason == "no_paid_enrollment"

        certificate = CourseRunCertificateFactory.create(user=dana, course_run=run)

        assert answered(tell(dana, run)) == {"certificate_status": "exists"}
        assert CourseRunCertificate.objects.get() == certificate

    def test_the_grades_reason_goes_first(
        self, run: CourseRun, user: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, user, passed=False)

        response = tell(user, run)

        assert answered(response) == NOT_PASSED

    def test_a_grade_set_by_an_administrator_decides_and_stays(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        CourseRunGradeFactory.create(
            user=dana, course_run=run, grade=0.2, passed=False, set_by_admin=True
        )
        passes(openedx, run, dana)

        response = tell(dana, run)

        assert answered(response) == NOT_PASSED
        assert CourseRunGrade.objects.get().grade == 0.2

    def test_a_later_event_is_judged_anew(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, run, dana, passed=False, percent=0.4)
        tell(dana, run)

        openedx.set_grade(run.courseware_id, dana.edx_username, passed=True, percent=0.7)
        response = tell(dana, run)

        assert answered(response) == {"certificate_status": "created"}


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

    told = [
        record for record in caplog.records if record.name == "openedx_certificates.webhooks.views"
    ]
    assert [vars(record)["event"] for record in told] == [
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


def listed(statements: CaptureQueriesContext) -> str:
    return "\n".join(
        [f"{len(statements)} statements:"] + [query["sql"] for query in statements.captured_queries]
    )
