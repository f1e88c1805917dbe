import pytest
import requests

from tools.simulator import (
    FAULT_WORDS,
    Fault,
    FaultError,
    Learner,
    SimulatedCourse,
    SimulatedOpenEdx,
)

COURSE_ID = "course-v1:MITx+6.00x+2026"
ALICE = {"username": "alice"}
BOB = {"username": "bob"}


@pytest.fixture
def openedx():
    learners = [Learner("alice"), Learner("bob"), Learner("carol")]
    with SimulatedOpenEdx([SimulatedCourse(COURSE_ID, learners)]) as openedx:
        yield openedx


def ask(openedx, **query):
    path = f"/api/grades/v1/courses/{COURSE_ID}/"
    return requests.get(openedx.url + path, params=query, timeout=10)


def statuses(openedx, *queries):
    return [ask(openedx, **query).status_code for query in queries]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("all", [503, 503, 503]),
        ("pages", [200, 200, 503]),
        ("page:1", [200, 200, 503]),
        ("page:2", [200, 200, 200]),
        ("username:bob", [200, 503, 200]),
        ("username:Bob", [200, 503, 200]),
    ],
)
def test_a_fault_meets_only_the_answers_it_is_for(openedx, place, expected):
    openedx.set_fault(Fault.parse("503", on=place))

    assert statuses(openedx, ALICE, BOB, {}) == expected


def test_one_page_of_many_can_fail(openedx):
    openedx.set_fault(Fault("503", page=2))
    first = ask(openedx, page_size=1).json()

    assert requests.get(first["next"], timeout=10).status_code == 503

    openedx.clear_fault()
    second = requests.get(first["next"], timeout=10).json()
    openedx.set_fault(Fault("503", page=2))
    assert requests.get(second["next"], timeout=10).status_code == 200


def test_a_fault_can_be_for_the_next_few_answers_only(openedx):
    openedx.set_fault(Fault("503", count=2, username="bob"))

    assert statuses(openedx, BOB, ALICE, BOB, BOB) == [503, 200, 503, 200]


def test_several_faults_can_follow_each_other(openedx):
    openedx.set_fault(Fault("500", count=1), Fault("429", count=1), Fault("502", username="bob"))

    assert statuses(openedx, ALICE, ALICE, ALICE, BOB) == [500, 429, 200, 502]


def test_any_fault_can_come_late(openedx):
    openedx.set_fault(Fault("503", delay_ms=5))

    assert ask(openedx).status_code == 503


@pytest.mark.parametrize(
    "words",
    [
        "nonsense",
        "",
        "200",
        "600",
        "5033",
        "malformed:1",
        "delay:soon",
        "delay:-1",
        "html:99",
        "html:1000",
        "hang:nan",
        "hang:inf",
        "redirect:elsewhere",
        "429:soon",
    ],
)
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(FaultError):
        Fault.parse(words)


@pytest.mark.parametrize("place", ["", "page", "page:x", "page:0", "username:", "somewhere"])
def test_places_that_mean_nothing_are_refused(place):
    with pytest.raises(FaultError):
        Fault.parse("503", on=place)


def test_every_word_of_the_table_is_understood():
    for entry in FAULT_WORDS:
        for words in entry.split(", "):
            Fault.parse(words.partition("[")[0])
