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


def test_the_requests_can_be_read_and_forgotten_from_outside(openedx):
    ask(openedx, "alice")

    told = tell(openedx, "GET", "requests").json()
    assert told["count"] == 1
    (request,) = told["requests"]
    assert request["method"] == "GET"
    assert request["course_id"] == COURSE_ID
    assert request["query"] == {"username": "alice"}
    assert request["headers"]["authorization"] == f"Bearer {TOKEN}"
    assert request["received_at"].endswith("+00:00")

    assert tell(openedx, "DELETE", "requests").json() == {"count": 0, "requests": []}
    assert openedx.requests == []


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
        "{}",
        '{"fault": "nonsense"}',
        '{"fault": 503}',
        '{"fault": "503", "often": 2}',
        '{"fault": "503", "count": true}',
        '{"fault": "503", "on": []}',
        '{"fault": "503", "retry_after": []}',
        '{"fault": "503", "username": 1}',
        '[{"fault": "close"}, 1]',
        "\ufeff{}",
    ],
)
def test_a_fault_that_means_nothing_is_a_400_and_changes_nothing(openedx, body):
    reply = tell(openedx, "PUT", "fault", data=body.encode())

    assert reply.status_code == 400
    assert reply.json()["error"]
    assert tell(openedx, "GET", "fault").json() == []


@pytest.mark.parametrize("course_id", [COURSE_ID, "MITx/6.00x/2012"])
def test_a_grade_can_be_put_from_outside(openedx, course_id):
    openedx.enroll(course_id, "a+b@c")
    path = f"grades/{quote(course_id, safe='')}/{quote('a+b@c', safe='')}"

    put = tell(openedx, "PUT", path, json={"passed": True, "percent": 0.75, "letter_grade": "C"})

    assert put.status_code == 200
    (grade,) = ask(openedx, "a+b@c", course_id).json()
    assert put.json() == grade
    assert (grade["passed"], grade["percent"], grade["letter_grade"]) == (True, 0.75, "C")


def test_a_stranger_is_a_404_until_enrolled(openedx):
    path = f"grades/{COURSE_ID}/carol"

    refused = tell(openedx, "PUT", path, json={"passed": True})
    assert refused.status_code == 404
    assert "enrolled" in refused.json()["error"]

    enrolled = {"enrolled": True, "email": "carol@example.com", "passed": True}
    assert tell(openedx, "PUT", path, json=enrolled).status_code == 200
    assert ask(openedx, "carol").json()[0]["passed"] is True
    assert openedx.courses.find_email("carol") == "carol@example.com"


@pytest.mark.parametrize("body", ["[]", "{", '{"pased": true}', '{"enrolled": "yes"}'])
def test_a_grade_that_means_nothing_is_a_400(openedx, body):
    assert tell(openedx, "PUT", f"grades/{COURSE_ID}/alice", data=body).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", "fault"), ("PUT", "grades/x"), ("PUT", "grades//a")]
)
def test_anything_else_is_a_404(openedx, method, path):
    assert tell(openedx, method, path).status_code == 404


def test_the_control_api_is_neither_recorded_nor_met_by_faults(openedx):
    openedx.set_fault("503")

    assert tell(openedx, "GET", "requests").json() == {"count": 0, "requests": []}
