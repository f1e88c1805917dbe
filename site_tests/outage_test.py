"""An Open edX that is off for a while: the site runs on, and its events become certificates later."""

import pytest

from courses.models import CourseRun
from openedx_certificates.models import CertificateRequest
from site_tests.fixtures import get_certified, is_all_settled
from site_tests.processes import Programs
from tools.overriding import overriding
from tools.processes import wait_until
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_came_in_an_outage_is_settled_by_itself_when_it_is_over(
    programs: Programs, learners: list[User], run: CourseRun, openedx: SimulatedOpenEdx
):
    watch = programs.start_command("process_certificate_requests", "--watch")
    web = programs.start_web_server()

    openedx.stop()
    replies = [
        web.post({"email": learner.email, "course_id": run.courseware_id}) for learner in learners
    ]
    openedx.start()
    wait_until(is_all_settled, lambda: watch.words)

    assert [reply.status_code for reply in replies if reply] == [202] * 5
    assert get_certified(run) == learners
    assert {request.status for request in CertificateRequest.objects.all()} == {"created"}


def test_in_a_pause_nothing_is_asked_and_a_pass_over_all_settles_it(
    programs: Programs, learners: list[User], run: CourseRun, openedx: SimulatedOpenEdx
):
    web = programs.start_web_server(**overriding(OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES=2))
    openedx.set_fault("500")

    replies = [
        web.post({"email": learner.email, "course_id": run.courseware_id}) for learner in learners
    ]
    asked = openedx.request_count
    openedx.clear_fault()
    programs.run_command("process_certificate_requests", "--all")

    assert [reply.status_code for reply in replies if reply] == [202] * 5
    assert asked == 2
    assert is_all_settled()
    assert get_certified(run) == learners
