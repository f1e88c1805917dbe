"""The question for one learner: what is asked, and which answers are the learner's grade."""

import json
from typing import Any

import pytest

from openedx_certificates.testing.clients import make_client
from openedx_certificates.wire.client import OpenEdxClient
from openedx_certificates.wire.exceptions import OpenEdxNonsense, OpenEdxNotFound, UnusableGrade
from openedx_certificates.wire.grades import EdxGrade
from tools.simulator import Fault, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
OTHER_COURSE_ID = "course-v1:MITx+6.00x+2T2026"


@pytest.fixture
def client(openedx: SimulatedOpenEdx) -> OpenEdxClient:
    """A client of an Open edX with Alice, passed, and Bob, not passed."""
    openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.85, letter_grade="B")
    openedx.enroll(COURSE_ID, "bob", passed=False, percent=0.3)
    return make_client(openedx.url)


def grade(**changes: Any) -> dict[str, Any]:
    """Alice's grade as Open edX words it, with these changes."""
    return {
        "username": "alice",
        "email": "",
        "course_id": COURSE_ID,
        "passed": True,
        "percent": 0.85,
        "letter_grade": "B",
    } | changes


class TestWhatIsAsked:
    def test_one_question_with_the_token_brings_the_grade(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        alices = client.fetch_grade(COURSE_ID, "alice")

        assert alices == EdxGrade("alice", COURSE_ID, passed=True, percent=0.85, letter_grade="B")
        (request,) = openedx.requests
        assert request.method == "GET"
        assert request.query == {"username": "alice"}
        assert request.authorization == "Bearer service-worker-token"
        assert request.headers["accept"] == "application/json"

    def test_a_grade_that_is_not_passed_is_a_grade(self, client: OpenEdxClient):
        bobs = client.fetch_grade(COURSE_ID, "bob")

        assert bobs == EdxGrade("bob", COURSE_ID, passed=False, percent=0.3, letter_grade=None)

    @pytest.mark.parametrize(
        ("course_id", "encoded"),
        [
            pytest.param(COURSE_ID, "course-v1%3AMITx%2B6.00x%2B1T2026", id="colon and plus"),
            pytest.param("MITx/6.00x/2012", "MITx%2F6.00x%2F2012", id="slashes of an old course"),
        ],
    )
    def test_a_course_id_is_one_part_of_the_path(
        self, openedx: SimulatedOpenEdx, course_id: str, encoded: str
    ):
        openedx.enroll(course_id, "alice", passed=True, percent=0.85)

        alices = make_client(openedx.url).fetch_grade(course_id, "alice")

        assert alices.course_id == course_id
        (request,) = openedx.requests
        assert request.path == f"/api/grades/v1/courses/{encoded}/"

    def test_a_course_id_cannot_change_the_question(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        with pytest.raises(OpenEdxNotFound):
            client.fetch_grade("../../x?username=bob#", "alice")

        (request,) = openedx.requests
        assert request.path == "/api/grades/v1/courses/..%2F..%2Fx%3Fusername%3Dbob%23/"
        assert request.query == {"username": "alice"}

    @pytest.mark.parametrize(
        ("username", "encoded"),
        [
            pytest.param("a.b-c_d@e+f", "a.b-c_d%40e%2Bf", id="every character of a username"),
            pytest.param("a&username=bob", "a%26username%3Dbob", id="a second parameter"),
            pytest.param("a#b%41", "a%23b%2541", id="a fragment and an escape"),
            pytest.param("a b", "a+b", id="a space"),
            pytest.param("josé", "jos%C3%A9", id="not ASCII"),
        ],
    )
    def test_a_username_is_asked_for_exactly(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, username: str, encoded: str
    ):
        openedx.enroll(COURSE_ID, username, passed=True, percent=0.5)

        assert client.fetch_grade(COURSE_ID, username).username == username
        (request,) = openedx.requests
        assert request.target.endswith(f"/?username={encoded}")

    def test_open_edx_may_live_under_a_path(self, openedx: SimulatedOpenEdx):
        with pytest.raises(OpenEdxNotFound):
            make_client(f"{openedx.url}/lms/").fetch_grade(COURSE_ID, "alice")

        (request,) = openedx.requests
        assert request.path.startswith("/lms/api/grades/v1/courses/course-v1")

    def test_the_token_is_not_shown_where_the_settings_are(self):
        assert "service-worker-token" not in repr(vars(make_client("http://openedx.test")))


class TestWhichAnswerIsTheGrade:
    @pytest.mark.parametrize("username", ["alice", "Alice", "ALICE"])
    def test_the_username_may_come_in_another_case(self, client: OpenEdxClient, username: str):
        alices = client.fetch_grade(COURSE_ID, username)

        assert (alices.username, alices.percent) == ("alice", 0.85)

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param([], id="an empty list"),
            pytest.param([grade(), grade()], id="two grades"),
            pytest.param([grade(username="bob")], id="another learner's"),
            pytest.param([grade(username="al\u0131ce")], id="another learner's, by a dotless i"),
            pytest.param([grade(username="alicé")], id="another learner's, by an accent"),
            pytest.param([grade(course_id=OTHER_COURSE_ID)], id="another course's"),
            pytest.param([grade(username="bob"), grade()], id="another learner's before it"),
            pytest.param([grade(username=None)], id="nobody's"),
            pytest.param([grade(percent=None)], id="percent null"),
            pytest.param([grade(percent=2.5)], id="percent 2.5"),
            pytest.param([grade(percent=float("nan"))], id="percent NaN"),
            pytest.param([grade(percent=float("inf"))], id="percent Infinity"),
            pytest.param([grade(passed=None)], id="passed null"),
            pytest.param([grade(letter_grade="B" * 11)], id="letter of 11"),
            pytest.param([None], id="null in a list"),
            pytest.param([[grade()]], id="a list in a list"),
        ],
    )
    def test_an_answer_without_exactly_this_grade_is_unusable(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, answer: list[Any]
    ):
        openedx.set_fault(Fault("json", text=json.dumps(answer)))

        with pytest.raises(UnusableGrade) as caught:
            client.fetch_grade(COURSE_ID, "alice")

        assert caught.value.retryable
        assert openedx.request_count == 1

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(grade(), id="the grade without a list"),
            pytest.param({"next": None, "results": [grade()]}, id="a page"),
            pytest.param({}, id="an empty object"),
            pytest.param(None, id="null"),
            pytest.param("alice", id="a string"),
            pytest.param(0.85, id="a number"),
        ],
    )
    def test_an_answer_that_is_no_list_is_nonsense(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, answer: object
    ):
        openedx.set_fault(Fault("json", text=json.dumps(answer)))

        with pytest.raises(OpenEdxNonsense):
            client.fetch_grade(COURSE_ID, "alice")

    def test_a_percent_of_five_thousand_digits_is_a_refused_grade(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        text = json.dumps([grade(percent="PERCENT")]).replace('"PERCENT"', "9" * 5000)
        openedx.set_fault(Fault("json", text=text))

        with pytest.raises(UnusableGrade, match="percent is out of range"):
            client.fetch_grade(COURSE_ID, "alice")

    def test_the_error_tells_the_rule_and_not_the_value(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        openedx.set_grade(COURSE_ID, "alice", percent="mallory\nERROR")

        with pytest.raises(UnusableGrade, match="percent is not a number") as caught:
            client.fetch_grade(COURSE_ID, "alice")

        assert "mallory" not in str(caught.value)
