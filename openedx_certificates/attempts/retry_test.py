"""A held request that Open edX could not tell about: deferred, and asked for again until settled."""

from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import process_requests, request_certificate
from openedx_certificates.held.backoff import LONGEST_DELAY
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.scenes import Clock, Enrolls, request_of
from openedx_certificates.testing.tables import alter
from tools.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db

MOMENT = timedelta(milliseconds=1)
# Open edX's fault, and the word for it in the row.
FAULTS = {
    "500": "unreachable",
    "502": "unreachable",
    "503": "unreachable",
    "close": "unreachable",
    "truncated": "unreachable",
    "hang": "timeout",
    "malformed": "nonsense",
    "empty-object": "nonsense",
    "html": "nonsense",
    "redirect": "nonsense",
    "empty-list": "unusable_grade",
    "repeated-key": "unusable_grade",
    "401": "refused",
    "403": "refused",
    "404": "not_found",
    "429:30": "throttled",
}


def is_deferred_and_settled_when_open_edx_is_back(
    request: CertificateRequest, code: str, openedx: SimulatedOpenEdx, clock: Clock
) -> None:
    now = timezone.now()
    assert request.is_open
    assert (request.last_error, bool(request.last_error_text)) == (code, True)
    assert (request.failing_since, request.last_attempt_on) == (now, now)
    assert (request.attempts, request.deliveries) == (1, 1)
    assert request.lease is None
    assert not CourseRunCertificate.all_objects.exists()

    openedx.clear_requests()
    clock.move_to(request.next_attempt_on - MOMENT)
    assert process_requests().taken_up == 0
    assert openedx.requests == []

    clock.move_to(request.next_attempt_on + MOMENT)
    assert process_requests().settled == {"created": 1}
    assert openedx.request_count == 1
    request.refresh_from_db()
    assert request.status == "created"
    assert (request.settled_on, request.attempts) == (timezone.now(), 2)
    assert CourseRunCertificate.objects.count() == 1


class TestEachFault:
    @pytest.mark.parametrize(("fault", "code"), FAULTS.items())
    def test_it_is_deferred_and_settled_when_open_edx_is_well_again(
        self,
        fault: str,
        code: str,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        clock: Clock,
        settings,
    ):
        # Short only if that is what is tried: on a busy machine any other answer could come too late.
        settings.OPENEDX_CERTIFICATES_TIMEOUT = 0.3 if code == "timeout" else 5.0
        dana = enrolled(run)
        openedx.set_fault(fault)

        assert request_certificate(dana, run) is None

        openedx.clear_fault()
        settings.OPENEDX_CERTIFICATES_TIMEOUT = 5.0
        is_deferred_and_settled_when_open_edx_is_back(request_of(dana, run), code, openedx, clock)

    def test_it_is_deferred_and_settled_when_open_edx_takes_connections_again(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run)
        openedx.stop()

        assert request_certificate(dana, run) is None

        openedx.start()
        request = request_of(dana, run)
        is_deferred_and_settled_when_open_edx_is_back(request, "unreachable", openedx, clock)

    def test_it_is_deferred_and_settled_when_the_database_takes_the_certificate_again(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana = enrolled(run)
        alter("ALTER TABLE courses_courseruncertificate ADD CONSTRAINT none CHECK (false)")

        assert request_certificate(dana, run) is None

        alter("ALTER TABLE courses_courseruncertificate DROP CONSTRAINT none")
        request = request_of(dana, run)
        is_deferred_and_settled_when_open_edx_is_back(request, "database", openedx, clock)

    def test_one_fault_after_the_other_is_one_request_and_one_certificate(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock, settings
    ):
        settings.OPENEDX_CERTIFICATES_TIMEOUT = 0.3
        dana = enrolled(run)
        faults = ["500", "malformed", "404", "429:30", "empty-list", "close"]

        for fault in faults:
            openedx.set_fault(fault)
            request_certificate(dana, run)
            clock.shift(timedelta(minutes=1))
        openedx.clear_fault()
        clock.shift(timedelta(hours=1))
        process_requests()

        request = request_of(dana, run)
        assert (request.status, request.deliveries) == ("created", len(faults))
        assert CourseRunCertificate.objects.get().user == dana


class TestHowLongItWaits:
    @pytest.mark.parametrize(
        ("fault", "seconds"),
        [("429:600", 600), ("503:600", 600), ("429:43200", 43_200), ("429:31536000", 86_400)],
    )
    def test_open_edx_says_how_long_but_a_day_is_the_most(
        self,
        fault: str,
        seconds: int,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        clock: Clock,
    ):
        dana = enrolled(run)
        openedx.set_fault(fault)

        request_certificate(dana, run)

        due = timezone.now() + timedelta(seconds=seconds)
        assert request_of(dana, run).next_attempt_on == due

    def test_it_grows_from_seconds_to_an_hour(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock, settings
    ):
        settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = 10**6
        dana = enrolled(run)
        openedx.set_fault("500")
        request_certificate(dana, run)
        delays = []

        for _ in range(30):
            request = request_of(dana, run)
            delays.append(request.next_attempt_on - timezone.now())
            clock.move_to(request.next_attempt_on + MOMENT)
            process_requests()

        assert delays[0] <= timedelta(seconds=5)
        assert max(delays) <= LONGEST_DELAY
        assert min(delays[-5:]) >= LONGEST_DELAY / 2
        assert openedx.request_count == 31

    @pytest.mark.parametrize("fault", ["401", "403"])
    def test_a_refused_token_is_not_tried_for_minutes_and_somebody_is_called(
        self,
        fault: str,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        clock: Clock,
        caplog: pytest.LogCaptureFixture,
    ):
        dana = enrolled(run)
        openedx.set_fault(fault)

        request_certificate(dana, run)

        wait = request_of(dana, run).next_attempt_on - timezone.now()
        assert timedelta(minutes=5) <= wait <= timedelta(minutes=10)
        (line,) = [record for record in caplog.records if "deferred" in record.getMessage()]
        assert (line.levelname, vars(line)["error"]) == ("ERROR", "refused")
        assert vars(line)["user_id"] == dana.pk

    def test_an_outage_calls_nobody_as_long_as_it_may_end_by_itself(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        caplog: pytest.LogCaptureFixture,
    ):
        dana = enrolled(run)
        openedx.set_fault("500")

        request_certificate(dana, run)

        (line,) = [record for record in caplog.records if "deferred" in record.getMessage()]
        assert (line.levelname, vars(line)["error"]) == ("WARNING", "unreachable")
        assert dana.email not in request_of(dana, run).last_error_text
