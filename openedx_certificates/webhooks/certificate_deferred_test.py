"""The certificate webhook when Open edX can't tell: the event is held, and nothing is lost."""

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx_certificates.models import CertificateRequest, OpenEdxPause
from openedx_certificates.testing.factories import CourseRunEnrollmentFactory, UserFactory
from openedx_certificates.testing.lacking import without_file_descriptors
from openedx_certificates.testing.scenes import travel
from openedx_certificates.testing.scripted_server import Answer, ScriptedServer, http
from openedx_certificates.testing.tls import DAY, make_certificate
from openedx_certificates.testing.webhooks import Tell, answered, deferred, held, passes
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
Status = CertificateRequest.Status


class TestOpenEdxCanNotTell:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("500", "unreachable"),
            ("503", "unreachable"),
            ("401", "refused"),
            ("403", "refused"),
            ("404:user_not_enrolled", "not_found"),
            ("429:7", "throttled"),
            ("html", "nonsense"),
            ("html:502", "unreachable"),
            ("malformed", "nonsense"),
            ("truncated", "unreachable"),
            ("empty-list", "unusable_grade"),
            ("empty-object", "nonsense"),
            ("repeated-key", "unusable_grade"),
            ("close", "unreachable"),
            ("hang", "timeout"),
            ("drip-headers", "timeout"),
            ("drip-body", "timeout"),
            ("redirect", "nonsense"),
        ],
    )
    def test_the_event_is_held_and_the_next_one_settles_it(
        self,
        fault: str,
        error: str,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        tell: Tell,
        settings,
    ):
        settings.OPENEDX_CERTIFICATES_TIMEOUT = 0.5
        passes(openedx, run, dana)
        openedx.set_fault(fault)

        deferred(tell(dana, run))

        request = held()
        assert (request.user, request.course_run) == (dana, run)
        assert (request.deliveries, request.attempts) == (1, 1)
        assert request.last_error == error
        assert request.last_error_text
        assert "dana" not in request.last_error_text
        assert request.failing_since is not None
        assert request.next_attempt_on > request.failing_since
        assert not CourseRunGrade.objects.exists()

        openedx.clear_fault()

        assert answered(tell(dana, run)) == {"certificate_status": "created"}
        request.refresh_from_db()
        assert (request.status, request.deliveries, request.attempts) == (Status.CREATED, 2, 2)
        assert CourseRunCertificate.objects.get().user == dana

    def test_an_open_edx_that_is_not_there_is_like_one_that_fails(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        openedx.stop()

        deferred(tell(dana, run))

        assert held().last_error == "unreachable"

    @pytest.mark.parametrize("fault", ["429:7200", "503:7200"])
    def test_nobody_asks_again_before_open_edx_wants_to_be_asked(
        self, fault: str, run: CourseRun, dana: User, openedx: SimulatedOpenEdx, tell: Tell
    ):
        openedx.set_fault(fault)

        with travel(NOON):
            deferred(tell(dana, run))

        assert held().next_attempt_on == NOON + timedelta(hours=2)

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
        tell: Tell,
    ):
        passes(openedx, run, dana)
        openedx.set_grade(run.courseware_id, dana.edx_username, **fields)

        deferred(tell(dana, run))

        assert held().last_error == "unusable_grade"
        assert not CourseRunGrade.objects.exists()

    @pytest.mark.parametrize(
        "account",
        [{"openedx_user": None}, {"openedx_user__edx_username": None}],
        ids=["no account", "no username"],
    )
    def test_a_learner_without_a_username_there_is_not_asked_for(
        self, account: dict[str, None], run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        noname = UserFactory.create(**account)
        CourseRunEnrollmentFactory.create(user=noname, run=run)

        deferred(tell(noname, run))

        assert held().last_error == "no_edx_username"
        assert openedx.request_count == 0

    def test_a_username_that_looks_like_a_query_asks_for_itself(
        self, run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        mallory = UserFactory.create(openedx_user__edx_username="mallory&username=dana")
        CourseRunEnrollmentFactory.create(user=mallory, run=run)
        openedx.enroll(run.courseware_id, "dana", passed=True, percent=1.0)

        deferred(tell(mallory, run))

        assert openedx.requests[0].username == "mallory&username=dana"
        assert held().user == mallory


def test_what_failed_is_told_in_the_log_on_the_row_and_to_the_staff(
    run: CourseRun,
    dana: User,
    tell: Tell,
    admin_client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    settings,
):
    settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = 1
    tls = make_certificate(tmp_path / "tls.pem", expires_in=-DAY)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(tmp_path / "tls.pem"))
    cause = "The connection to Open edX failed (SSLCertVerificationError: certificate has expired)."

    with ScriptedServer(Answer(http(b"[]")), tls=tls) as expired:
        settings.OPENEDX_API_BASE_URL = expired.url
        deferred(tell(dana, run))

    assert (held().last_error, held().last_error_text) == ("unreachable", cause)
    told = {vars(record).get("event"): vars(record).get("cause") for record in caplog.records}
    assert told["certificate request deferred"] == cause
    assert told["Open edX is down: questions are paused"] == cause
    for page in (
        "admin:openedx_certificates_today",
        "admin:openedx_certificates_certificaterequest_changelist",
    ):
        assert cause in admin_client.get(reverse(page)).content.decode()


def test_a_lack_of_ours_holds_the_event_and_is_no_outage(
    run: CourseRun,
    dana: User,
    openedx: SimulatedOpenEdx,
    tell: Tell,
    caplog: pytest.LogCaptureFixture,
    settings,
):
    settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = 1
    passes(openedx, run, dana)

    with without_file_descriptors():
        deferred(tell(dana, run))

    assert held().last_error == "internal"
    assert "Too many open files" in held().last_error_text
    assert not OpenEdxPause.objects.exists()
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (vars(line)["error"], vars(line)["kind"]) == ("internal", "CannotAsk")
    assert "Too many open files" in vars(line)["cause"]

    assert answered(tell(dana, run)) == {"certificate_status": "created"}


def test_a_username_that_is_an_address_is_in_no_log_line_of_a_failure(
    run: CourseRun,
    openedx: SimulatedOpenEdx,
    tell: Tell,
    caplog: pytest.LogCaptureFixture,
):
    dana = UserFactory.create(openedx_user__edx_username="dana@example.com")
    openedx.set_fault("close")
    caplog.set_level(logging.DEBUG)

    deferred(tell(dana, run))

    told = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert any("certificate request deferred" in line for line in told)
    assert not [line for line in told if "dana" in line]


@pytest.mark.parametrize(
    ("fault", "level"), [("500", "WARNING"), ("429", "WARNING"), ("401", "ERROR"), ("403", "ERROR")]
)
def test_the_log_calls_a_person_only_where_one_is_needed(
    fault: str,
    level: str,
    run: CourseRun,
    dana: User,
    openedx: SimulatedOpenEdx,
    tell: Tell,
    caplog: pytest.LogCaptureFixture,
):
    openedx.set_fault(fault)

    deferred(tell(dana, run))

    deferral = "certificate request deferred"
    (line,) = [record for record in caplog.records if vars(record).get("event") == deferral]
    assert line.levelname == level
    assert vars(line)["user_id"] == dana.pk
    assert vars(line)["course_id"] == run.courseware_id
    assert vars(line)["error"] == CertificateRequest.objects.get().last_error
