"""The periodic sweep on real parts: runs spread over a worker's processes, and one that is killed."""

from collections.abc import Callable

import pytest
from celery import Celery
from django.utils import timezone

from courses.api import generate_course_run_certificates
from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import RunIsSwept
from openedx_certificates.models import CourseRunSweep
from openedx_certificates.testing.factories import CertificateRequestFactory
from site_tests.fixtures import get_certified, is_all_settled, let_leases_run_out, send_by_beat
from site_tests.processes import Programs
from tools.processes import wait_until
from tools.simulator import Fault, SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

SWEEP = "courses.tasks.generate_course_certificates"
Learns = Callable[[CourseRun], User]


@pytest.fixture
def learns(openedx: SimulatedOpenEdx) -> Learns:
    """Make a learner of the run, passed and paid."""

    def make(run: CourseRun) -> User:
        learner = UserFactory.create()
        CourseRunEnrollmentFactory.create(user=learner, run=run)
        openedx.enroll(run.courseware_id, str(learner.edx_username), passed=True, percent=0.9)
        return learner

    return make


def send(broker_url: str, task: str) -> None:
    with Celery(broker=broker_url, set_as_current=False) as elsewhere:
        elsewhere.send_task(task)


def test_runs_are_swept_at_once_by_the_processes_of_a_worker(
    programs: Programs, broker_url: str, openedx: SimulatedOpenEdx, learns: Learns
):
    learners = {run: learns(run) for run in CourseRunFactory.create_batch(3, self_paced=True)}
    openedx.set_fault("hang")
    worker = programs.start_worker("--concurrency", "3", CELERY_BROKER_URL=broker_url)

    send(broker_url, SWEEP)
    # None of them is answered before all have been asked.
    wait_until(lambda: openedx.request_count == 3, lambda: worker.words)
    openedx.clear_fault()

    wait_until(lambda: CourseRunSweep.objects.filter(finished_on__isnull=False).count() == 3)
    assert {run: get_certified(run) for run in learners} == {
        run: [learner] for run, learner in learners.items()
    }


def test_a_sweep_stands_in_a_queue_of_its_own_until_a_worker_comes(
    programs: Programs, broker_url: str, run: CourseRun, learns: Learns
):
    learns(run)
    script = "from courses.tasks import generate_course_certificates as task; task()"
    programs.run_command("shell", "--no-imports", "--command", script, CELERY_BROKER_URL=broker_url)

    with Celery(broker=broker_url, set_as_current=False).connection_for_read() as connection:
        message = connection.SimpleQueue("sweeps").get(timeout=10)

    assert message.headers["task"] == "openedx_certificates.tasks.sweep_course_run"
    assert message.headers["expires"] is None


def test_a_day_of_hourly_tasks_that_waited_for_a_worker_sweeps_each_run_once(
    programs: Programs, broker_url: str, openedx: SimulatedOpenEdx, learns: Learns
):
    learners = {run: learns(run) for run in CourseRunFactory.create_batch(2, self_paced=True)}
    send_by_beat("generate-course-certificates", programs, broker_url, times=24)

    worker = programs.start_worker(CELERY_BROKER_URL=broker_url)
    # The 24 and, of each, a task for each run.
    wait_until(lambda: worker.words.count("task_succeeded") == 24 * 3, lambda: worker.words)

    assert openedx.request_count == 2
    assert all(get_certified(run) == [learner] for run, learner in learners.items())


def test_as_many_at_once_as_the_queue_has_processes_and_held_requests_do_not_wait_for_them(
    programs: Programs, broker_url: str, openedx: SimulatedOpenEdx, learns: Learns
):
    runs = CourseRunFactory.create_batch(3, self_paced=True)
    for run in runs:
        learns(run)
    waiting = learns(CourseRunFactory.create(live=False))
    openedx.set_fault(Fault("hang", pages_only=True))
    sweeps, worker = (
        programs.start_worker(
            *("--queues", queue, "--concurrency", "1", "--hostname", f"{queue}@%h"),
            CELERY_BROKER_URL=broker_url,
        )
        for queue in ("sweeps", "celery")
    )
    send(broker_url, SWEEP)
    wait_until(lambda: openedx.request_count == 1, lambda: worker.words + sweeps.words)

    CertificateRequestFactory.create(
        user=waiting, course_run=waiting.courserunenrollments.get().run
    )
    send(broker_url, "openedx_certificates.tasks.process_certificate_requests")
    wait_until(is_all_settled, lambda: worker.words)

    assert CourseRunCertificate.objects.get().user == waiting
    assert [request.username for request in openedx.requests] == [None, waiting.edx_username]

    openedx.clear_fault()
    wait_until(lambda: all(get_certified(run) for run in runs), lambda: sweeps.words)


def test_a_sweep_that_is_killed_keeps_its_pages_and_frees_its_run(
    programs: Programs, openedx: SimulatedOpenEdx, run: CourseRun, learns: Learns, settings
):
    learners = [learns(run) for _ in range(5)]
    openedx.set_fault(Fault("hang", page=3))
    command = ("manage_certificates", "--create", "--run", run.courseware_id)
    sweep = programs.start_command(*command, EDX_API_PAGE_SIZE="1", EDX_API_CLIENT_TIMEOUT="20")
    wait_until(lambda: openedx.request_count == 3 and len(get_certified(run)) == 2)

    sweep.kill()
    openedx.clear_fault()

    assert get_certified(run) == learners[:2]
    with pytest.raises(RunIsSwept):
        generate_course_run_certificates(course_run=run, may_wait=False)

    let_leases_run_out()
    generate_course_run_certificates(course_run=run, may_wait=False)

    assert get_certified(run) == learners
    assert CourseRunSweep.objects.get().finished_on <= timezone.now()
