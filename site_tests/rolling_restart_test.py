"""A new version takes the old one's place under load: everybody is answered, and nothing is lost.

The senders do what a balancer in front does: if a server takes no connection, or closes one
before it has begun to answer, the request goes to the next server.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle

import pytest
import requests
from celery import Celery

from courses.factories import CourseRunEnrollmentFactory
from courses.models import CourseRun
from openedx_certificates.held.wakeup import TASK
from openedx_certificates.testing.factories import CertificateRequestFactory
from site_tests.fixtures import get_certified, is_all_settled
from site_tests.processes import Programs, WebServer
from tools.processes import PATIENCE_SECONDS, Program, wait_until
from tools.simulator import Fault, SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

EnrollLearners = Callable[[int], list[User]]

OPENEDX_SECONDS = 0.1
# Senders that keep their connection, and that come by a fresh one each time.
KINDS: list[Callable[[], requests.Session | None]] = [requests.Session, lambda: None] * 2
LEARNERS_OF_A_SENDER = 6
# Answers that make it a load, before the old version is told to end and after.
SOME_ANSWERS = 60
# Granian waits 30 seconds for its workers. That it says "Killing worker" tells nothing: on a busy
# machine it says so of one that has just ended.
KILLED_AFTER_SECONDS = 28
# Nothing but SIGTERM ends anything.
ENVIRONMENT = {"EDX_API_CLIENT_TIMEOUT": "25"}


@dataclass(frozen=True)
class Answer:
    """What a sender was told of a learner, and by which server."""

    learner: User
    server: WebServer
    status: int
    body: dict[str, str]


@dataclass
class Balancer:
    """Hands requests to the first server that takes them, and keeps the answers."""

    servers: list[WebServer]
    run: CourseRun
    answers: list[Answer] = field(default_factory=list)

    def send(self, learner: User, session: requests.Session | None) -> None:
        """Send the event of the learner, over a connection that is kept or over a fresh one."""
        for server in self.servers:
            try:
                reply = (session or requests).post(
                    server.webhook,
                    json={"email": learner.email, "course_id": self.run.courseware_id},
                    headers={"Authorization": f"Bearer {server.token}"},
                    timeout=PATIENCE_SECONDS,
                )
            except requests.ConnectionError:
                continue
            self.answers.append(Answer(learner, server, reply.status_code, reply.json()))
            return
        raise AssertionError(f"Nobody answered {learner}.")

    def count_answers_of(self, server: WebServer) -> int:
        """Count the requests that the server has answered."""
        return sum(answer.server is server for answer in self.answers)


@pytest.fixture
def enroll_learners(run: CourseRun, openedx: SimulatedOpenEdx) -> EnrollLearners:
    """Make learners, passed and paid."""

    def enroll(count: int) -> list[User]:
        learners = UserFactory.create_batch(count)
        for learner in learners:
            CourseRunEnrollmentFactory.create(user=learner, run=run)
            openedx.enroll(run.courseware_id, str(learner.edx_username), passed=True, percent=0.9)
        return learners

    return enroll


def be_silent_about(learners: list[User]) -> list[Fault]:
    return [Fault("hang", username=learner.edx_username) for learner in learners]


def is_asked_about(learners: list[User], openedx: SimulatedOpenEdx) -> bool:
    asked = {request.username for request in openedx.requests}
    return asked.issuperset(learner.edx_username for learner in learners)


def test_a_web_server_that_is_replaced_under_load_answers_all_it_has_taken(
    programs: Programs, run: CourseRun, enroll_learners: EnrollLearners, openedx: SimulatedOpenEdx
):
    slow = Fault("delay", delay_ms=int(1000 * OPENEDX_SECONDS))
    in_hand = enroll_learners(len(KINDS))
    crowds = [enroll_learners(LEARNERS_OF_A_SENDER) for _ in KINDS]
    openedx.set_fault(*be_silent_about(in_hand), slow)
    old, new = (programs.start_web_server_of_procfile(**ENVIRONMENT) for _ in range(2))
    for server in (old, new):
        server.wait_until_it_answers()
        wait_until(lambda words=server: "Started worker-2" in words.words)
    balancer = Balancer([old, new], run)
    is_over = threading.Event()

    def send_on_and_on(learners: list[User], session: requests.Session | None) -> None:
        # Events of learners with a certificate are answered at once: these come at every moment.
        for learner in cycle(learners):
            balancer.send(learner, session)
            if is_over.is_set():
                return

    def send_and_again_later(learner: User, session: requests.Session | None) -> None:
        balancer.send(learner, session)
        is_over.wait()
        balancer.send(learner, session)

    with ThreadPoolExecutor(2 * len(KINDS)) as executor:
        senders = [
            executor.submit(send_on_and_on, learners, make_connections())
            for learners, make_connections in zip(crowds, KINDS, strict=True)
        ]
        try:
            wait_until(lambda: len(balancer.answers) >= SOME_ANSWERS)
            # These have a question in hand when it ends, and later a connection that is not used.
            senders += [
                executor.submit(send_and_again_later, learner, make_connections())
                for learner, make_connections in zip(in_hand, KINDS, strict=True)
            ]
            wait_until(lambda: is_asked_about(in_hand, openedx))
            old.tell_to_end()
            wait_until(lambda: old.post({}) is None)
            openedx.set_fault(slow)
            status = old.process.wait(timeout=KILLED_AFTER_SECONDS)
            wait_until(lambda: balancer.count_answers_of(new) >= SOME_ANSWERS)
        finally:
            openedx.set_fault(slow)
            is_over.set()
    for sender in senders:
        sender.result()

    assert status == 0
    assert {answer.status for answer in balancer.answers} == {200}
    # An event that a server had taken up and not answered would exist at the second try.
    firsts = {answer.learner: answer for answer in reversed(balancer.answers)}
    assert {answer.body["certificate_status"] for answer in firsts.values()} == {"created"}
    assert [firsts[learner].server for learner in in_hand] == [old] * len(in_hand)
    assert is_all_settled()
    assert get_certified(run) == sorted(firsts, key=lambda learner: learner.pk)


def start_worker(programs: Programs, broker_url: str) -> Program:
    worker = programs.start_of_procfile("worker", CELERY_BROKER_URL=broker_url, **ENVIRONMENT)
    wait_until(lambda: " ready." in worker.words, lambda: worker.words)
    with Celery(broker=broker_url, set_as_current=False) as beat:
        beat.send_task(TASK)
    return worker


def test_a_worker_that_is_replaced_finishes_what_it_has_in_hand(
    programs: Programs,
    broker_url: str,
    run: CourseRun,
    enroll_learners: EnrollLearners,
    openedx: SimulatedOpenEdx,
):
    (early,), late = enroll_learners(1), enroll_learners(3)
    openedx.set_fault(*be_silent_about([early]))
    CertificateRequestFactory.create(user=early, course_run=run)
    old = start_worker(programs, broker_url)
    wait_until(lambda: is_asked_about([early], openedx), lambda: old.words)

    old.tell_to_end()
    wait_until(lambda: "Warm shutdown" in old.words)
    openedx.clear_fault()
    status = old.wait()
    settled_by_old = get_certified(run)
    for learner in late:
        CertificateRequestFactory.create(user=learner, course_run=run)
    new = start_worker(programs, broker_url)
    wait_until(is_all_settled, lambda: new.words)

    assert status == 0
    assert "Traceback" not in old.words
    assert settled_by_old == [early]
    assert early.certificate_requests.get().attempts == 1
    assert get_certified(run) == [early, *late]
