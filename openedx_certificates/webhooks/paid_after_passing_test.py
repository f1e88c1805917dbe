"""A learner may pass first and pay later, or the other way round: the certificate comes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate, CourseRunEnrollment
from openedx_certificates.api import generate_course_run_certificates, process_requests
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import has_certificate, in_thread
from openedx_certificates.testing.webhooks import (
    NO_PAID_ENROLLMENT,
    Knock,
    Tell,
    answered,
    database_failing_at,
    event_of,
    passes,
)
from site_tests.table_lock import locked
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

Pay = Callable[[User, CourseRun], None]


@pytest.fixture
def old_run(transactional_db: None) -> CourseRun:
    """A run that the sweep has left behind: it ended 40 days ago."""
    ended = timezone.now() - timedelta(days=40)
    return CourseRunFactory.create(end_date=ended, certificate_available_date=ended)


@pytest.fixture
def ana(old_run: CourseRun, openedx: SimulatedOpenEdx) -> User:
    """A learner with a passing grade and no payment."""
    ana = UserFactory.create()
    CourseRunEnrollmentFactory.create(user=ana, run=old_run, enrollment_mode="audit")
    passes(openedx, old_run, ana)
    return ana


BY_EVENT = pytest.param(
    "by an event", marks=pytest.mark.site("A host's enrollment webhook is its own.")
)


@pytest.fixture(params=[BY_EVENT, "by a save", "by a new enrollment"])
def pay(request: pytest.FixtureRequest, knock: Knock, staff_token: str) -> Pay:
    """Pay for a run, in one of the ways there are."""

    def by_event(user: User, run: CourseRun) -> None:
        event = event_of(user, run) | {"mode": "verified"}
        assert knock("openedx-enrollment-webhook", event, token=staff_token).status_code == 200

    def by_save(user: User, run: CourseRun) -> None:
        enrollment = CourseRunEnrollment.objects.get(user=user, run=run)
        enrollment.enrollment_mode = "verified"
        enrollment.save()

    def by_new_enrollment(user: User, run: CourseRun) -> None:
        CourseRunEnrollment.objects.filter(user=user, run=run).delete()
        CourseRunEnrollment.objects.create(user=user, run=run, enrollment_mode="verified")

    return {
        "by an event": by_event,
        "by a save": by_save,
        "by a new enrollment": by_new_enrollment,
    }[request.param]


def test_who_passes_first_has_the_certificate_after_paying(
    ana: User, old_run: CourseRun, pay: Pay, tell: Tell
):
    assert answered(tell(ana, old_run)) == NO_PAID_ENROLLMENT
    assert not has_certificate(ana, old_run)

    pay(ana, old_run)
    process_requests()

    assert has_certificate(ana, old_run)
    statuses = CertificateRequest.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["not_eligible", "created"]


def test_who_pays_first_has_the_certificate_after_passing(
    ana: User, old_run: CourseRun, pay: Pay, tell: Tell
):
    pay(ana, old_run)

    assert not CertificateRequest.objects.exists()
    assert answered(tell(ana, old_run)) == {"certificate_status": "created"}


def test_a_grade_that_a_sweep_has_stored_counts_as_well(ana: User, old_run: CourseRun, pay: Pay):
    generate_course_run_certificates(course_run=old_run)

    pay(ana, old_run)
    process_requests()

    assert has_certificate(ana, old_run)


def test_an_answer_is_not_repeated_once_a_payment_would_open_no_request(
    ana: User, old_run: CourseRun, pay: Pay, tell: Tell, openedx: SimulatedOpenEdx
):
    tell(ana, old_run)
    # The learner falls below the pass, a sweep stores that, and passes again.
    passes(openedx, old_run, ana, passed=False)
    generate_course_run_certificates(course_run=old_run)
    passes(openedx, old_run, ana)
    assert answered(tell(ana, old_run)) == NO_PAID_ENROLLMENT

    pay(ana, old_run)
    process_requests()

    assert has_certificate(ana, old_run)


def test_an_event_joins_an_open_request_although_an_older_one_was_unpaid(
    ana: User, old_run: CourseRun, tell: Tell
):
    tell(ana, old_run)
    waiting = CertificateRequestFactory.create(user=ana, course_run=old_run)

    tell(ana, old_run)

    waiting.refresh_from_db()
    assert waiting.deliveries == 2


def test_a_payment_between_the_look_for_one_and_the_storing_of_the_grade_is_not_overlooked(
    ana: User, old_run: CourseRun, pay: Pay, tell: Tell
):
    with ThreadPoolExecutor(1) as executor:
        with locked("courses_courserungrade") as grades:
            telling = executor.submit(in_thread(lambda: tell(ana, old_run)))
            # It has looked, and found no payment.
            grades.wait_for(1)
            pay(ana, old_run)
        telling.result()
    process_requests()

    assert has_certificate(ana, old_run)


@pytest.mark.site("A host's enrollment webhook is its own.")
class TestADatabaseThatFailsWhenAPaymentIsLookedFor:
    def test_an_event_that_is_sent_again_finds_the_payment(
        self, ana: User, old_run: CourseRun, knock: Knock, staff_token: str
    ):
        CourseRunGradeFactory.create(user=ana, course_run=old_run, passed=True)
        event = event_of(ana, old_run) | {"mode": "verified"}

        with database_failing_at("openedx_certificates_certificaterequest"):
            failed = knock("openedx-enrollment-webhook", event, token=staff_token)
        paid_then = CourseRunEnrollment.objects.get(user=ana).enrollment_mode
        again = knock("openedx-enrollment-webhook", event, token=staff_token)

        assert (failed.status_code, paid_then) == (503, "audit")
        assert again.status_code == 200
        assert CertificateRequest.objects.get().is_open

    def test_a_payment_that_was_not_looked_for_is_found_by_the_next_event(
        self, ana: User, old_run: CourseRun, knock: Knock, staff_token: str
    ):
        CourseRunGradeFactory.create(user=ana, course_run=old_run, passed=True)
        with database_failing_at("openedx_certificates_certificaterequest"):
            enrollment = CourseRunEnrollment.objects.get(user=ana)
            enrollment.enrollment_mode = "verified"
            enrollment.save()
        assert not CertificateRequest.objects.exists()

        event = event_of(ana, old_run) | {"mode": "verified"}
        knock("openedx-enrollment-webhook", event, token=staff_token)

        assert CertificateRequest.objects.get().is_open


def test_an_enrollment_that_is_paid_and_active_again_counts(ana: User, old_run: CourseRun):
    CourseRunGradeFactory.create(user=ana, course_run=old_run, passed=True)
    enrollment = CourseRunEnrollment.objects.get(user=ana)
    CourseRunEnrollment.objects.filter(user=ana).update(active=False, enrollment_mode="verified")
    enrollment.refresh_from_db()

    enrollment.active = True
    enrollment.save()

    assert CertificateRequest.objects.get().is_open


@pytest.mark.parametrize(
    "grade",
    [
        pytest.param({"passed": False, "grade": 0.9}, id="not passed"),
        pytest.param({"passed": True, "grade": 0.0}, id="zero"),
        pytest.param(None, id="none"),
    ],
)
def test_who_has_not_passed_opens_no_request_by_paying(
    grade: dict[str, object] | None, ana: User, old_run: CourseRun, pay: Pay
):
    if grade is not None:
        CourseRunGradeFactory.create(user=ana, course_run=old_run, **grade)

    pay(ana, old_run)

    assert not CertificateRequest.objects.exists()


def test_an_account_that_was_given_up_opens_no_request_by_paying(
    ana: User, old_run: CourseRun, pay: Pay
):
    CourseRunGradeFactory.create(user=ana, course_run=old_run, passed=True)
    User.objects.filter(pk=ana.pk).update(is_active=False)

    pay(ana, old_run)

    assert not CertificateRequest.objects.exists()


@pytest.mark.parametrize("is_revoked", [False, True])
def test_who_has_a_certificate_opens_no_request_by_paying(
    is_revoked: bool, ana: User, old_run: CourseRun, pay: Pay
):
    CourseRunGradeFactory.create(user=ana, course_run=old_run, passed=True)
    CourseRunCertificateFactory.create(user=ana, course_run=old_run, is_revoked=is_revoked)

    pay(ana, old_run)

    assert not CertificateRequest.objects.exists()
    assert CourseRunCertificate.all_objects.get().is_revoked is is_revoked


def test_a_payment_joins_the_request_that_is_open(ana: User, old_run: CourseRun, pay: Pay):
    CourseRunGradeFactory.create(user=ana, course_run=old_run, passed=True)
    later = timezone.now() + timedelta(hours=1)
    CertificateRequestFactory.create(user=ana, course_run=old_run, next_attempt_on=later)

    pay(ana, old_run)

    request = CertificateRequest.objects.get()
    assert request.deliveries == 2
    assert request.next_attempt_on < later


@pytest.mark.parametrize(
    ("fields", "statements"),
    [
        pytest.param({"enrollment_mode": "audit"}, 0, id="not paid"),
        pytest.param({"active": False}, 0, id="not active"),
        pytest.param({"enrollment_mode": "verified"}, 1, id="paid, and no grade"),
    ],
)
def test_a_save_that_matters_nothing_costs_one_statement_at_most(
    fields: dict[str, object], statements: int
):
    enrollment = CourseRunEnrollmentFactory.create(**fields)

    with CaptureQueriesContext(connection) as sent:
        enrollment.save()

    assert len(sent) == 1 + statements


class TestAnOpenEdxThatSendsTheEventWheneverAGradeIsRead:
    def test_it_is_not_asked_again_within_ten_minutes(
        self, ana: User, old_run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        replies = [answered(tell(ana, old_run)) for _ in range(5)]

        assert replies == [NO_PAID_ENROLLMENT] * 5
        assert openedx.request_count == 1
        assert CertificateRequest.objects.count() == 1

    def test_it_is_asked_again_after_ten_minutes(
        self, ana: User, old_run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        tell(ana, old_run)
        CertificateRequest.objects.update(
            settled_on=timezone.now() - timedelta(minutes=10, seconds=1)
        )

        assert answered(tell(ana, old_run)) == NO_PAID_ENROLLMENT

        assert openedx.request_count == 2

    def test_it_is_asked_again_when_the_enrollment_was_saved_since(
        self, ana: User, old_run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        tell(ana, old_run)
        CourseRunEnrollment.objects.get(user=ana).save()

        assert answered(tell(ana, old_run)) == NO_PAID_ENROLLMENT

        assert openedx.request_count == 2

    def test_a_save_by_a_clock_that_is_ahead_does_not_begin_the_loop(
        self, ana: User, old_run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        ahead = timezone.now() + timedelta(hours=1)
        CourseRunEnrollment.objects.update(updated_on=ahead)

        replies = [answered(tell(ana, old_run)) for _ in range(3)]

        assert replies == [NO_PAID_ENROLLMENT] * 3
        assert openedx.request_count == 1

    def test_who_has_paid_since_gets_the_certificate_by_the_next_event(
        self, ana: User, old_run: CourseRun, pay: Pay, tell: Tell
    ):
        tell(ana, old_run)
        pay(ana, old_run)

        assert answered(tell(ana, old_run)) == {"certificate_status": "created"}

    def test_not_passed_is_asked_again_all_the_same(
        self, ana: User, old_run: CourseRun, openedx: SimulatedOpenEdx, tell: Tell
    ):
        passes(openedx, old_run, ana, passed=False, percent=0.4)
        tell(ana, old_run)
        passes(openedx, old_run, ana)
        CourseRunEnrollment.objects.filter(user=ana).update(enrollment_mode="verified")

        assert answered(tell(ana, old_run)) == {"certificate_status": "created"}
