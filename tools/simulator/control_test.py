from urllib.parse import quote

import pytest
import requests

from tools.simulator import Learner, SimulatedCourse, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+2026"
TOKEN = "service-worker-token"


@pytest.fixture
def openedx():
    course = SimulatedCourse(COURSE_ID, [Learner("alice"), Learner("bob")])
    with SimulatedOpenEdx([course], token=TOKEN) as openedx:
        yield openedx


def tell(openedx, method, path, **options):
    return requests.request(method, f"{openedx.url}/simulator/{path}", timeout=10, **options)


def ask(openedx, username, course_id=COURSE_ID):
    return requests.get(
        f"{openedx.url}/api/grades/v1/courses/{quote(course_id, safe='')}/",
        params={"username": username},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=10,
    )


def test_a_fault_can_be_put_and_lifted_from_outside(openedx):
    put = tell(openedx, "PUT", "fault", json={"fault": "503:9", "on": "username:bob", "count": 2})

    assert put.status_code == 200
    assert ask(openedx, "alice").status_code == 200
    assert ask(openedx, "bob").headers["Retry-After"] == "9"
    (shown,) = tell(openedx, "GET", "fault").json()
    assert (shown["word"], shown["username"], shown["remaining"]) == ("503", "bob", 1)

    assert tell(openedx, "DELETE", "fault").json() == []
    assert ask(openedx, "bob").status_code == 200


def test_several_faults_can_be_put_at_once(openedx):
    tell(openedx, "PUT", "fault", json=[{"fault": "500", "count": 1}, {"fault": "502"}])

    assert [ask(openedx, "alice").status_code for _ in range(2)] == [500, 502]


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "null",
        '{"fault": "nonsense"}',
        '{"fault": 503}',
        '{"fault": "503", "often": 2}',
        '{"fault": "503", "count": true}',
        '[{"fault": "close"}, 1]',
    ],
)
def test_a_fault_that_means_nothing_is_a_400_and_changes_nothing(openedx, body):
    reply = tell(openedx, "PUT", "fault", data=body.encode())

    assert reply.status_code == 400
    assert reply.json()["error"]
    assert tell(openedx, "GET", "fault").json() == []


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "fault"), ("GET", "requests")])
def test_anything_else_is_a_404(openedx, method, path):
    assert tell(openedx, method, path).status_code == 404


def test_the_control_api_is_neither_recorded_nor_met_by_faults(openedx):
    openedx.set_fault("503")

    assert tell(openedx, "GET", "fault").status_code == 200
    assert openedx.requests == []
