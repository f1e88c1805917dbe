"""`process_certificate_requests --watch` as a process: the worker of a site without a broker."""

import pytest

from courses.factories import CourseRunEnrollmentFactory
from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.models import CertificateRequest
from site_tests.processes import Programs
from tools.overriding import overriding
from tools.processes import Program, wait_until
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

Status = CertificateRequest.Status


@pytest.fixture
def erin(run: CourseRun, openedx: SimulatedOpenEdx) -> User:
    """Another learner, passed and paid."""
    erin = UserFactory.create()
    CourseRunEnrollmentFactory.create(user=erin, run=run)
    openedx.enroll(run.courseware_id, str(erin.edx_username), passed=True, percent=0.8)
    return erin


def start_watch(programs: Programs, **environment: str) -> Program:
    return programs.start_command("process_certificate_requests", "--watch", **environment)


def hold_request_of(user: User, run: CourseRun) -> CertificateRequest:
    return CertificateRequest.objects.create(user=user, course_run=run)


def is_settled(request: CertificateRequest) -> bool:
    request.refresh_from_db()
    return not request.is_open


def test_it_settles_what_comes_by_itself_and_ends_in_order_while_it_waits(
    programs: Programs, run: CourseRun, dana: User, erin: User
):
    early = hold_request_of(dana, run)
    watch = start_watch(programs)
    wait_until(lambda: is_settled(early), lambda: watch.words)
    late = hold_request_of(erin, run)
    wait_until(lambda: is_settled(late), lambda: watch.words)

    watch.tell_to_end()

    assert watch.wait() == 0
    assert (early.status, late.status) == (Status.CREATED, Status.CREATED)
    assert CourseRunCertificate.all_objects.count() == 2
    assert "Ended." in watch.words
    assert "Traceback" not in watch.words


def test_told_to_end_during_a_question_it_finishes_that_request_and_begins_no_other(
    programs: Programs, run: CourseRun, dana: User, erin: User, openedx: SimulatedOpenEdx
):
    in_hand, behind = hold_request_of(dana, run), hold_request_of(erin, run)
    openedx.set_fault("hang")
    watch = start_watch(programs, EDX_API_CLIENT_TIMEOUT="25")
    openedx.wait_for_requests(1)

    watch.tell_to_end()
    openedx.clear_fault()

    assert watch.wait() == 0
    assert is_settled(in_hand)
    assert in_hand.status == Status.CREATED
    assert not is_settled(behind)
    assert (behind.attempts, behind.lease) == (0, None)
    assert CourseRunCertificate.objects.get().user == dana


def test_killed_during_a_question_it_leaves_the_request_to_the_next(
    programs: Programs, run: CourseRun, dana: User, openedx: SimulatedOpenEdx
):
    environment = {
        "EDX_API_CLIENT_TIMEOUT": "2",
        **overriding(OPENEDX_CERTIFICATES_REQUEST_LEASE=2.5),
    }
    request = hold_request_of(dana, run)
    openedx.set_fault("hang")
    killed = start_watch(programs, **environment)
    openedx.wait_for_requests(1)

    killed.kill()
    openedx.clear_fault()
    successor = start_watch(programs, **environment)
    wait_until(lambda: is_settled(request), lambda: successor.words)

    assert request.status == Status.CREATED
    assert request.attempts == 2
    assert CourseRunCertificate.objects.get().user == dana
