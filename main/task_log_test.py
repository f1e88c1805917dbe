"""The line of a task, and the ids that lead from a task to what caused it."""

from types import SimpleNamespace
from uuid import UUID

import pytest
from celery import Celery, shared_task, signals
from structlog.contextvars import bound_contextvars, get_contextvars

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun
from courses.tasks import generate_course_certificates
from openedx_certificates.tasks import sweep_course_run
from site_tests.fixtures import is_all_settled
from site_tests.log_reading import Log, find_leaks, read_json_lines, secrets_of_everybody
from site_tests.processes import Programs
from tools.processes import Program, wait_until
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "dana@example.com scored 0.8731"
SWEEP = "courses.tasks.generate_course_certificates"


@shared_task
def _fail(text: str) -> None:
    raise ValueError(text)


def lines_of(program: Program, event: str) -> list[dict[str, object]]:
    return [line for line in read_json_lines(program.words) if line["event"] == event]


class TestWhereItIsCalled:
    def test_a_task_has_one_line_with_its_name_id_and_duration(self, log: Log):
        result = generate_course_certificates.apply()

        (line,) = log.of("task_succeeded")
        assert (line["task"], line["task_id"]) == (SWEEP, result.id)
        assert line["duration_ms"] >= 0
        assert line["level"] == "info"
        assert {line["event"] for line in log.lines} == {
            "sweep of course certificates started",
            "task_succeeded",
        }

    def test_a_task_called_by_a_task_names_it_and_leaves_its_ids_as_they_were(
        self, run: CourseRun, dana: User, log: Log
    ):
        with bound_contextvars(command_id="c1"):
            result = generate_course_certificates.apply()
            assert get_contextvars() == {"command_id": "c1"}

        inner, outer = log.of("task_succeeded")
        (created,) = log.of("certificate created")
        assert (inner["task"], inner["parent_task_id"]) == (sweep_course_run.name, result.id)
        assert (outer["task"], outer["task_id"]) == (SWEEP, result.id)
        assert "parent_task_id" not in outer
        assert (created["task_id"], created["command_id"]) == (inner["task_id"], "c1")

    def test_a_task_that_fails_has_one_line_without_the_text(self, log: Log):
        _fail.apply((SECRET,), throw=False)

        (line,) = log.lines
        assert (line["event"], line["level"], line["error"]) == (
            "task_failed",
            "error",
            "ValueError",
        )
        assert line["task"] == _fail.name
        assert UUID(line["task_id"])
        assert line["stack"][-1].endswith(" _fail")
        assert get_contextvars() == {}
        assert "dana" not in log.text

    def test_a_sweep_that_comes_again_is_no_news(self, log: Log):
        signals.task_retry.send(sender=sweep_course_run, request=None, reason=ValueError(SECRET))

        (line,) = log.lines
        assert (line["event"], line["level"]) == ("task_retrying", "debug")
        assert line["error"] == "ValueError"
        assert "dana" not in log.text

    def test_one_that_is_revoked_or_refused_is_named_without_its_arguments(self, log: Log):
        request = SimpleNamespace(id="t1", task=SWEEP, args=(SECRET,))
        message = SimpleNamespace(properties={"correlation_id": "t2"}, body=SECRET)

        signals.task_revoked.send(sender=None, request=request, terminated=False, expired=True)
        signals.task_rejected.send(sender=None, message=message, exc=ValueError(SECRET))

        revoked, rejected = log.lines
        assert (revoked["event"], revoked["task"], revoked["task_id"]) == (
            "task_revoked",
            SWEEP,
            "t1",
        )
        assert (rejected["event"], rejected["task_id"]) == ("task_rejected", "t2")
        assert (revoked["level"], rejected["level"]) == ("warning", "error")
        assert "dana" not in log.text


class TestAcrossProcesses:
    def test_the_id_of_a_request_is_on_the_workers_lines_about_its_event(
        self,
        programs: Programs,
        broker_url: str,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
    ):
        environment = {"CELERY_BROKER_URL": broker_url, "LOG_LEVEL": "DEBUG"}
        worker = programs.start_worker(**environment)
        web = programs.start_web_server(CERTIFICATE_WEBHOOK_ASYNC="True", **environment)
        openedx.set_grade(
            run.courseware_id, str(dana.edx_username), percent=0.87319246, letter_grade="ZQX"
        )

        reply = web.post({"email": dana.email, "course_id": run.courseware_id})
        wait_until(lambda: lines_of(worker, "task_succeeded"), lambda: worker.words)

        assert reply is not None
        assert reply.status_code == 202
        assert is_all_settled()
        request_id = reply.headers["X-Request-ID"]
        (outcome,) = [line for line in lines_of(web, "request_finished") if line["status"] == 202]
        (sent,) = lines_of(web, "task_enqueued")
        assert outcome["request_id"] == sent["request_id"] == request_id
        told = {
            event: [(line["request_id"], line["task_id"]) for line in lines_of(worker, event)]
            for event in (
                "certificate created",
                "certificate request settled",
                "pass over certificate requests finished",
                "task_succeeded",
            )
        }
        assert all(ids == [(request_id, sent["child_task_id"])] for ids in told.values()), told
        secrets = [
            *secrets_of_everybody(),
            *(web.token, openedx.token, programs.environment["SECRET_KEY"], "0.8731924", "ZQX"),
        ]
        assert find_leaks(web.words + worker.words, secrets) == []

    def test_a_sweep_names_the_periodic_task_that_started_it(
        self, programs: Programs, broker_url: str, openedx: SimulatedOpenEdx
    ):
        runs = CourseRunFactory.create_batch(2, self_paced=True)
        for run in runs:
            learner = UserFactory.create()
            CourseRunEnrollmentFactory.create(user=learner, run=run)
            openedx.enroll(run.courseware_id, str(learner.edx_username), percent=0.87319246)
        worker = programs.start_worker(CELERY_BROKER_URL=broker_url)

        with Celery(broker=broker_url, set_as_current=False) as beat:
            periodic = beat.send_task(SWEEP)
        wait_until(lambda: len(lines_of(worker, "task_succeeded")) == 3, lambda: worker.words)

        (started,) = lines_of(worker, "sweep of course certificates started")
        assert (started["task_id"], started["runs"]) == (periodic.id, 2)
        sweeps = lines_of(worker, "sweep of course run finished")
        assert {line["course_id"] for line in sweeps} == {run.courseware_id for run in runs}
        assert {line["parent_task_id"] for line in sweeps} == {periodic.id}
        assert len({line["task_id"] for line in sweeps}) == 2
        assert find_leaks(worker.words, [*secrets_of_everybody(), "0.8731924"]) == []

    def test_what_else_comes_with_a_task_is_not_told(
        self, programs: Programs, broker_url: str, dana: User
    ):
        worker = programs.start_worker(CELERY_BROKER_URL=broker_url, LOG_LEVEL="DEBUG")
        forged = {"request_id": "r1", "level": "critical", "user_id": 7, "email": SECRET}

        def forge(headers: dict[str, object], **_more: object) -> None:
            headers["log_ids"] = forged

        signals.before_task_publish.connect(forge)
        with Celery(broker=broker_url, set_as_current=False) as elsewhere:
            failing = elsewhere.send_task(sweep_course_run.name, (17, SECRET), queue="sweeps")
            elsewhere.send_task("openedx_certificates.tasks.of_a_later_version", (SECRET,))
        signals.before_task_publish.disconnect(forge)
        wait_until(lambda: lines_of(worker, "task_failed"), lambda: worker.words)
        wait_until(lambda: lines_of(worker, "task_not_found"), lambda: worker.words)

        (failed,) = lines_of(worker, "task_failed")
        assert (failed["task_id"], failed["request_id"]) == (failing.id, "r1")
        assert (failed["error"], failed["level"]) == ("ValueError", "error")
        assert "user_id" not in failed
        assert (
            lines_of(worker, "task_not_found")[0]["task"]
            == "openedx_certificates.tasks.of_a_later_version"
        )
        assert find_leaks(worker.words, [SECRET, "dana@example.com", "0.8731"]) == []

    def test_the_lines_of_a_command_have_an_id_of_its_own(
        self, programs: Programs, run: CourseRun, dana: User
    ):
        words = programs.run_command("manage_certificates", "--create", "--run", run.courseware_id)

        ids = {line["command_id"] for line in read_json_lines(words)}
        assert "certificate created" in words
        assert UUID(ids.pop())
        assert not ids
