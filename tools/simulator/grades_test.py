import math
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from tools.simulator import (
    Learner,
    LearnerFieldError,
    SimulatedCourse,
    SimulatedOpenEdx,
    UnknownLearnerError,
)

COURSE_ID = "course-v1:MITx+6.00x+2026"
TOKEN = "service-worker-token"


@pytest.fixture
def openedx():
    learners = [Learner(f"learner-{number}", percent=number / 1000) for number in range(120)]
    learners[7] = Learner("unworkable", percent=None, computable=False)
    learners[50] = Learner("gone", enrolled=False)
    courses = [
        SimulatedCourse(COURSE_ID, learners),
        SimulatedCourse(
            "course-v1:MITx+8.01+2026",
            [Learner("alice", "alice@example.com", passed=True, percent=0.91, letter_grade="A")],
        ),
    ]
    with SimulatedOpenEdx(courses, token=TOKEN) as openedx:
        yield openedx


def ask(openedx, course_id=COURSE_ID, /, token=TOKEN, **query):
    url = f"{openedx.url}/api/grades/v1/courses/{quote(course_id, safe='')}/"
    return get(url, token, **query)


def get(url, token=TOKEN, **query):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(url, params=query, headers=headers, timeout=10)


def read_pages(openedx, **query):
    pages = [ask(openedx, **query).json()]
    while pages[-1]["next"]:
        pages.append(get(pages[-1]["next"]).json())
    return pages


def usernames(page):
    return [grade["username"] for grade in page["results"]]


def test_a_question_for_one_learner_is_answered_with_a_list_of_one_grade(openedx):
    reply = ask(openedx, "course-v1:MITx+8.01+2026", username="alice")

    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json() == [
        {
            "username": "alice",
            "email": "",
            "course_id": "course-v1:MITx+8.01+2026",
            "passed": True,
            "percent": 0.91,
            "letter_grade": "A",
        }
    ]


def test_a_learner_is_found_in_any_case_and_answered_in_the_spelling_of_open_edx(openedx):
    openedx.set_grade("course-v1:MITx+8.01+2026", "ALICE", percent=0.5)

    (grade,) = ask(openedx, "course-v1:MITx+8.01+2026", username="Alice").json()

    assert (grade["username"], grade["percent"]) == ("alice", 0.5)


def test_the_pages_joined_are_all_enrolled_learners_whose_grade_can_be_computed(openedx):
    pages = read_pages(openedx)

    expected = [f"learner-{number}" for number in range(120) if number not in {7, 50}]
    assert [name for page in pages for name in usernames(page)] == expected
    # Open edX pages over enrollments, so the page of the grade that failed is one short.
    assert [len(page["results"]) for page in pages] == [49, 50, 19]


@pytest.mark.parametrize(
    ("page_size", "lengths"),
    [("70", [69, 49]), ("1000", [118]), ("0", [49, 50, 19]), ("many", [49, 50, 19])],
)
def test_page_size_is_honoured_where_it_makes_sense(openedx, page_size, lengths):
    pages = read_pages(openedx, page_size=page_size)

    assert [len(page["results"]) for page in pages] == lengths


def test_previous_leads_back_to_the_page_before(openedx):
    first, second, third = read_pages(openedx)

    assert first["previous"] is None
    assert usernames(get(third["previous"]).json()) == usernames(second)
    back_at_first = get(second["previous"]).json()
    assert usernames(back_at_first) == usernames(first)
    assert back_at_first["previous"] is None


def test_links_are_built_from_the_host_header(openedx):
    url = f"{openedx.url}/api/grades/v1/courses/{quote(COURSE_ID)}/"
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "lms.example.com"}

    reply = requests.get(url, headers=headers, timeout=10)

    link = urlsplit(reply.json()["next"])
    assert (link.scheme, link.netloc) == ("http", "lms.example.com")
    assert list(parse_qs(link.query)) == ["cursor"]


def test_an_enrollment_made_between_two_pages_moves_nobody(openedx):
    first = ask(openedx).json()
    openedx.unenroll(COURSE_ID, "learner-3")
    openedx.enroll(COURSE_ID, "late")

    second = get(first["next"]).json()
    third = get(second["next"]).json()

    assert usernames(second)[0] == "learner-51"
    assert usernames(third)[-1] == "late"


@pytest.mark.parametrize("cursor", ["rubbish", "%FF", "cD14", "cD0" + "5" * 40])
def test_a_cursor_that_is_none_is_a_404(openedx, cursor):
    assert ask(openedx, cursor=cursor).status_code == 404


def test_an_old_release_answers_the_whole_course_in_a_bare_list():
    learners = [Learner(f"learner-{number}") for number in range(60)]
    learners.append(Learner("unworkable", computable=False))
    with SimulatedOpenEdx([SimulatedCourse(COURSE_ID, learners)], bare_list=True) as openedx:
        grades = ask(openedx, page_size=10).json()
        one = ask(openedx, username="learner-3").json()

    assert [grade["username"] for grade in grades] == [f"learner-{n}" for n in range(60)]
    assert [grade["username"] for grade in one] == ["learner-3"]


@pytest.mark.parametrize(
    ("course_id", "username", "error_code"),
    [
        pytest.param(COURSE_ID, "nobody", "user_does_not_exist", id="stranger"),
        pytest.param(COURSE_ID, "alice", "user_not_enrolled", id="of-another-course"),
        pytest.param(COURSE_ID, "gone", "user_not_enrolled", id="unenrolled"),
        pytest.param(
            "course-v1:MITx+none+2026", "alice", "course_does_not_exist", id="unknown-course"
        ),
        pytest.param("MITx/none/2026", "alice", "course_does_not_exist", id="old-course"),
        pytest.param("not a course", "alice", "invalid_course_key", id="no-course-key"),
    ],
)
def test_who_or_what_is_not_there_is_a_404_with_its_code(openedx, course_id, username, error_code):
    reply = ask(openedx, course_id, username=username)

    assert reply.status_code == 404
    assert reply.json()["error_code"] == error_code
    assert reply.json()["developer_message"]


def test_a_grade_that_cannot_be_computed_is_an_empty_list(openedx):
    reply = ask(openedx, username="unworkable")

    assert (reply.status_code, reply.json()) == (200, [])


@pytest.mark.parametrize("token", [None, "another"])
def test_without_the_right_token_nothing_is_told(openedx, token):
    reply = ask(openedx, "course-v1:MITx+8.01+2026", token=token, username="alice")

    assert reply.status_code == 401
    assert reply.json()["developer_message"]
    assert "WWW-Authenticate" in reply.headers


@pytest.mark.parametrize("username", ["a.b-c_d", "alice@example.com", "a+b", "a&username=b", "é/?"])
@pytest.mark.parametrize("course_id", [COURSE_ID, "MITx/6.00x/2012_Fall", "course-v1:Ü+50%+a b"])
def test_odd_ids_arrive_as_they_were_meant(course_id, username):
    course = SimulatedCourse(course_id, [Learner(username), Learner("b")])
    with SimulatedOpenEdx([course]) as openedx:
        grades = ask(openedx, course_id, username=username).json()

        assert [(grade["username"], grade["course_id"]) for grade in grades] == [
            (username, course_id)
        ]
        assert openedx.requests[0].course_id == course_id
        assert openedx.requests[0].username == username


def test_a_username_that_is_not_encoded_asks_for_another(openedx):
    url = f"{openedx.url}/api/grades/v1/courses/{COURSE_ID}/?username=learner-1&username=learner-2"

    assert [grade["username"] for grade in get(url).json()] == ["learner-2"]


def test_other_methods_and_paths_are_refused_as_by_open_edx(openedx):
    url = f"{openedx.url}/api/grades/v1/courses/{COURSE_ID}/"
    headers = {"Authorization": f"Bearer {TOKEN}"}

    assert requests.post(url, json={}, headers=headers, timeout=10).status_code == 405
    assert requests.head(url, headers=headers, timeout=10).status_code == 405
    assert get(f"{openedx.url}/api/other/").status_code == 404
    redirect = requests.get(
        url[:-1] + "?username=a", headers=headers, timeout=10, allow_redirects=False
    )
    assert redirect.status_code == 301
    assert redirect.headers["Location"] == f"/api/grades/v1/courses/{COURSE_ID}/?username=a"


def test_a_grade_can_be_changed_to_any_nonsense_while_it_runs(openedx):
    openedx.set_grade(COURSE_ID, "learner-1", percent="0.9", passed=None)
    openedx.set_grade(COURSE_ID, "learner-2", percent=math.nan)
    openedx.set_grade(COURSE_ID, "learner-3", username="mallory", course_id="another")
    openedx.set_grade(COURSE_ID, "learner-4", record="no object at all")

    first, second, third, fourth = ask(openedx, page_size=5).json()["results"][1:]
    assert (first["percent"], first["passed"]) == ("0.9", None)
    assert math.isnan(second["percent"])
    assert (third["username"], third["course_id"]) == ("mallory", "another")
    assert fourth == "no object at all"
    assert "NaN" in ask(openedx, username="learner-2").text


def test_the_latest_word_on_a_grade_wins(openedx):
    openedx.set_grade(COURSE_ID, "learner-1", username="mallory", percent=1.0)
    openedx.set_grade(COURSE_ID, "learner-1", passed=True)

    (grade,) = ask(openedx, username="learner-1").json()

    assert (grade["username"], grade["percent"], grade["passed"]) == ("learner-1", 1.0, True)


def test_who_was_enrolled_while_it_runs_is_answered_for(openedx):
    openedx.enroll("course-v1:MITx+new+2026", "bob", "bob@example.com", passed=True, percent=0.8)
    openedx.unenroll(COURSE_ID, "learner-1")
    openedx.enroll(COURSE_ID, "learner-1")

    (bob,) = ask(openedx, "course-v1:MITx+new+2026", username="bob").json()
    (again,) = ask(openedx, username="learner-1").json()

    assert (bob["passed"], bob["percent"]) == (True, 0.8)
    assert again["percent"] == 0.001


def test_a_typing_error_in_a_change_is_not_swallowed(openedx):
    with pytest.raises(LearnerFieldError, match="pased"):
        openedx.set_grade(COURSE_ID, "learner-1", pased=True)
    with pytest.raises(UnknownLearnerError, match="nobody"):
        openedx.set_grade(COURSE_ID, "nobody", passed=True)
    with pytest.raises(UnknownLearnerError, match="no-course"):
        openedx.set_grade("no-course", "nobody", passed=True)
