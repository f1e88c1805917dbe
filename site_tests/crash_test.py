"""SIGKILL for the web server and for the worker, at each step of the path: no promise is lost."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from celery import Celery
from django.test import Client
from pytest_django import Settings

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENT_VERIFIED_MODE
from openedx_certificates.api import process_requests
from site_tests.crash_steps import (
    Step,
    Victim,
    killed_as_it_commits,
    killed_before_settling,
    killed_before_the_commit,
    killed_before_the_question,
    killed_between_grade_and_certificate,
    killed_during_the_question,
)
from site_tests.fixtures import get_certified, is_all_settled, let_leases_run_out
from site_tests.processes import WEBHOOK_PATH, Programs
from tools.overriding import overriding
from tools.processes import Program, wait_until
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

TASK = "openedx_certificates.tasks.process_certificate_requests"
# Nothing but SIGKILL ends a wait, "not passed" is believed at once, and no failure begins a pause.
ENVIRONMENT = {
    **overriding(
        OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES=1000, OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS=[]
    ),
    "EDX_API_CLIENT_TIMEOUT": "25",
}
IN_REQUEST: dict[str, str] = {}
IN_BACKGROUND = {"CERTIFICATE_WEBHOOK_ASYNC": "True"}
NOT_PASSED = ("not_eligible", "grade_not_passed")
NO_PAID_ENROLLMENT = ("not_eligible", "no_paid_enrollment")


@dataclass(frozen=True, slots=True)
class Learners:
    """The learners of one death's events; two of them have earned a certificate."""

    run: CourseRun
    passed: User
    newcomer: User
    without_payment: User
    not_passed: User

    @property
    def of_old(self) -> list[User]:
        return [self.passed, self.without_payment, self.not_passed]

    def events_of(self, users: Iterable[User]) -> list[dict[str, str]]:
        return [{"email": user.email, "course_id": self.run.courseware_id} for user in users]


@dataclass(frozen=True, slots=True)
class Death:
    """Of a web server with two events on their way to the step."""

    step: Step
    mode: dict[str, str]
    comers: tuple[str, str] = ("passed", "newcomer")
    #: Whether the event that is sent for the first time has been stored.
    is_newcomer_held: bool = True


DEATHS = [
    Death(killed_before_the_commit, IN_REQUEST, is_newcomer_held=False),
    Death(killed_as_it_commits, IN_REQUEST),
    Death(killed_before_the_question, IN_REQUEST),
    Death(killed_during_the_question, IN_REQUEST),
    Death(killed_between_grade_and_certificate, IN_REQUEST),
    Death(killed_before_settling, IN_REQUEST),
    Death(
        killed_before_settling,
        IN_REQUEST,
        comers=("without_payment", "not_passed"),
        is_newcomer_held=False,
    ),
    Death(killed_before_the_commit, IN_BACKGROUND, is_newcomer_held=False),
    Death(killed_as_it_commits, IN_BACKGROUND),
]
WORKERS_STEPS = [
    killed_before_the_commit,
    killed_before_the_question,
    killed_during_the_question,
    killed_between_grade_and_certificate,
    killed_before_settling,
]


@pytest.fixture
def enroll_learners(openedx: SimulatedOpenEdx) -> Callable[[], Learners]:
    """Make learners, in a run of their own."""

    def enroll(run: CourseRun, mode: str, *, passed: bool) -> User:
        user = UserFactory.create()
        CourseRunEnrollmentFactory.create(user=user, run=run, enrollment_mode=mode)
        openedx.enroll(run.courseware_id, str(user.edx_username), passed=passed, percent=0.5)
        return user

    def enroll_all() -> Learners:
        run = CourseRunFactory.create()
        return Learners(
            run=run,
            passed=enroll(run, EDX_ENROLLMENT_VERIFIED_MODE, passed=True),
            newcomer=enroll(run, EDX_ENROLLMENT_VERIFIED_MODE, passed=True),
            without_payment=enroll(run, EDX_ENROLLMENT_AUDIT_MODE, passed=True),
            not_passed=enroll(run, EDX_ENROLLMENT_VERIFIED_MODE, passed=False),
        )

    return enroll_all


def get_reasons(user: User) -> list[tuple[str, str]]:
    """Return how the learner's requests were settled, and why."""
    return list(user.certificate_requests.values_list("status", "reason"))


def die(death: Death, programs: Programs, learners: Learners, openedx: SimulatedOpenEdx) -> None:
    """Have three events promised, and kill the server when two are on their way."""
    web = programs.start_web_server(**ENVIRONMENT, **death.mode)
    openedx.set_fault("500")
    promises = [web.post(event) for event in learners.events_of(learners.of_old)]
    openedx.clear_fault()
    comers = [getattr(learners, name) for name in death.comers]
    with ThreadPoolExecutor() as executor, death.step(Victim(web, len(comers), openedx)):
        answers = [executor.submit(web.post, event) for event in learners.events_of(comers)]

    assert [promise.status_code for promise in promises if promise] == [202] * 3
    assert [answer.result() for answer in answers] == [None, None]


def test_web_servers_that_die_at_each_step_lose_nothing_they_have_accepted(
    programs: Programs, enroll_learners: Callable[[], Learners], openedx: SimulatedOpenEdx
):
    everybody = [enroll_learners() for _ in DEATHS]

    for death, learners in zip(DEATHS, everybody, strict=True):
        die(death, programs, learners, openedx)
    let_leases_run_out()
    programs.run_command("process_certificate_requests", "--all", **ENVIRONMENT)

    assert is_all_settled()
    for death, learners in zip(DEATHS, everybody, strict=True):
        newcomers = [learners.newcomer] if death.is_newcomer_held else []
        assert get_certified(learners.run) == [learners.passed, *newcomers], death
        assert len(get_reasons(learners.newcomer)) == len(newcomers), death
        assert get_reasons(learners.without_payment) == [NO_PAID_ENROLLMENT], death
        assert get_reasons(learners.not_passed) == [NOT_PASSED], death


def test_the_sender_who_got_no_answer_is_answered_by_the_next_server(
    programs: Programs, enroll_learners: Callable[[], Learners], openedx: SimulatedOpenEdx
):
    learners = enroll_learners()
    web = programs.start_web_server(**ENVIRONMENT)
    (event,) = learners.events_of([learners.passed])
    with ThreadPoolExecutor() as executor, killed_before_settling(Victim(web, 1, openedx)):
        unanswered = executor.submit(web.post, event)

    let_leases_run_out()
    answer = programs.start_web_server(**ENVIRONMENT).post(event)

    assert unanswered.result() is None
    assert answer is not None
    # Certificate and request are of one commit: the first server left neither settled.
    assert answer.json() == {"certificate_status": "created"}
    assert get_certified(learners.run) == [learners.passed]
    asked = openedx.request_count
    process_requests()
    assert is_all_settled()
    assert openedx.request_count == asked


@pytest.fixture
def accept(client: Client, settings: Settings, programs: Programs) -> Callable[[Learners], None]:
    """Have the events of three learners accepted in the background mode, the eligible one first."""
    settings.OPENEDX_CERTIFICATES_WEBHOOK_ASYNC = True

    def accept(learners: Learners) -> None:
        for event in learners.events_of(learners.of_old):
            reply = client.post(
                WEBHOOK_PATH,
                event,
                content_type="application/json",
                headers={"Authorization": f"Bearer {programs.token}"},
            )
            assert reply.status_code == 202

    return accept


def have_all_settled(worker: Program, beat: Celery) -> None:
    beat.send_task(TASK)
    wait_until(is_all_settled, lambda: worker.words)


def test_workers_that_die_at_each_step_leave_their_work_to_the_next(
    accept: Callable[[Learners], None],
    broker_url: str,
    programs: Programs,
    enroll_learners: Callable[[], Learners],
    openedx: SimulatedOpenEdx,
):
    def start_worker() -> Program:
        return programs.start_worker(CELERY_BROKER_URL=broker_url, **ENVIRONMENT)

    worker = start_worker()
    with Celery(broker=broker_url, set_as_current=False) as beat:
        for step in WORKERS_STEPS:
            learners = enroll_learners()
            accept(learners)

            with step(Victim(worker, 1, openedx)):
                beat.send_task(TASK)
            was_settled = is_all_settled()
            let_leases_run_out()
            worker = start_worker()
            have_all_settled(worker, beat)

            assert not was_settled, step
            assert get_certified(learners.run) == [learners.passed], step
            assert get_reasons(learners.without_payment) == [NO_PAID_ENROLLMENT], step
            assert get_reasons(learners.not_passed) == [NOT_PASSED], step
