"""Which records of the grades API are grades, and why the others are refused."""

import math
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openedx_certificates.wire.grades import EdxGrade, RefusedGrade, RepeatedKey, parse_grade

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
ABSENT = object()


def record(**changes: Any) -> dict[str, Any]:
    """Alice's grade as Open edX words it, with these changes."""
    whole = {
        "username": "alice",
        "email": "",
        "course_id": COURSE_ID,
        "passed": True,
        "percent": 0.85,
        "letter_grade": "B",
    }
    return {name: value for name, value in (whole | changes).items() if value is not ABSENT}


def test_a_record_as_open_edx_promises_it_is_a_grade():
    grade = parse_grade(record(), course_id=COURSE_ID, asked_at=0.0)

    assert grade == EdxGrade("alice", COURSE_ID, passed=True, percent=0.85, letter_grade="B")


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        pytest.param({"percent": 0.0}, "percent", 0.0, id="no points"),
        pytest.param({"percent": 2.0}, "percent", 2.0, id="the most points there are"),
        pytest.param({"percent": 1}, "percent", 1.0, id="a whole number of points"),
        pytest.param({"percent": 1.0000001}, "percent", 1.0000001, id="a little over all points"),
        pytest.param({"passed": False}, "passed", False, id="not passed"),
        pytest.param({"letter_grade": None}, "letter_grade", None, id="letter null"),
        pytest.param({"letter_grade": ABSENT}, "letter_grade", None, id="letter missing"),
        pytest.param({"letter_grade": ""}, "letter_grade", "", id="letter empty"),
        pytest.param(
            {"letter_grade": "Pass (1st)"}, "letter_grade", "Pass (1st)", id="letter of 10"
        ),
        pytest.param(
            {"letter_grade": "éééééééééé"}, "letter_grade", "éééééééééé", id="10 in 20 bytes"
        ),
        pytest.param({"username": "a.b-c_d@e+f"}, "username", "a.b-c_d@e+f", id="username in full"),
        pytest.param({"email": 7, "section": []}, "username", "alice", id="other fields ignored"),
    ],
)
def test_what_lies_within_the_limits_is_taken_as_it_is(changes, field, value):
    grade = parse_grade(record(**changes), course_id=COURSE_ID, asked_at=0.0)

    assert isinstance(grade, EdxGrade)
    assert getattr(grade, field) == value


@pytest.mark.parametrize("percent", [-0.0, 0, 0.0], ids=["minus zero", "whole zero", "zero"])
def test_a_zero_has_no_sign(percent):
    grade = parse_grade(record(percent=percent), course_id=COURSE_ID, asked_at=0.0)

    assert isinstance(grade, EdxGrade)
    assert isinstance(grade.percent, float)
    assert math.copysign(1, grade.percent) == 1


REFUSED_FOR_THE_LEARNER = [
    pytest.param({"percent": ABSENT}, "percent is not a number", id="percent missing"),
    pytest.param({"percent": None}, "percent is not a number", id="percent null"),
    pytest.param({"percent": "0.85"}, "percent is not a number", id="percent a string"),
    pytest.param({"percent": True}, "percent is not a number", id="percent a boolean"),
    pytest.param({"percent": {"of": 0.5}}, "percent is not a number", id="percent an object"),
    pytest.param({"percent": [0.5]}, "percent is not a number", id="percent a list"),
    pytest.param({"percent": math.nan}, "percent is out of range", id="percent NaN"),
    pytest.param({"percent": math.inf}, "percent is out of range", id="percent Infinity"),
    pytest.param({"percent": -math.inf}, "percent is out of range", id="percent -Infinity"),
    pytest.param({"percent": -0.1}, "percent is out of range", id="percent -0.1"),
    pytest.param({"percent": 2.0000001}, "percent is out of range", id="percent 2.0000001"),
    pytest.param({"percent": 85}, "percent is out of range", id="percent 85"),
    pytest.param({"percent": 10**400}, "percent is out of range", id="percent of 401 digits"),
    pytest.param({"percent": -(10**400)}, "percent is out of range", id="percent of -401 digits"),
    pytest.param({"passed": ABSENT}, "passed is not a boolean", id="passed missing"),
    pytest.param({"passed": None}, "passed is not a boolean", id="passed null"),
    pytest.param({"passed": "true"}, "passed is not a boolean", id="passed a string"),
    pytest.param({"passed": 1}, "passed is not a boolean", id="passed 1"),
    pytest.param({"passed": {}}, "passed is not a boolean", id="passed an object"),
    pytest.param({"letter_grade": "B" * 11}, "letter_grade does not fit", id="letter of 11"),
    pytest.param({"letter_grade": "B\0"}, "letter_grade does not fit", id="letter with NUL"),
    pytest.param({"letter_grade": "\ud800"}, "letter_grade does not fit", id="letter a surrogate"),
    pytest.param({"letter_grade": "B\u2028"}, "letter_grade does not fit", id="letter of 2 lines"),
    pytest.param({"letter_grade": 4}, "letter_grade is not a text", id="letter a number"),
    pytest.param({"letter_grade": False}, "letter_grade is not a text", id="letter a boolean"),
    pytest.param({"letter_grade": ["B"]}, "letter_grade is not a text", id="letter a list"),
    pytest.param(
        {"course_id": "course-v1:MITx+6.00x+2T2026"},
        "course_id is another course's",
        id="other run",
    ),
    pytest.param(
        {"course_id": COURSE_ID.upper()}, "course_id is another course's", id="other case"
    ),
    pytest.param({"course_id": ABSENT}, "course_id is another course's", id="course_id missing"),
    pytest.param({"course_id": None}, "course_id is another course's", id="course_id null"),
    pytest.param(
        {"course_id": [COURSE_ID]}, "course_id is another course's", id="course_id a list"
    ),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED_FOR_THE_LEARNER)
def test_a_record_that_breaks_a_rule_is_refused_for_its_learner(changes, reason):
    assert parse_grade(record(**changes), course_id=COURSE_ID, asked_at=0.0) == RefusedGrade(
        "alice", reason
    )


@pytest.mark.parametrize(
    "username",
    [
        pytest.param(ABSENT, id="missing"),
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param(7, id="a number"),
        pytest.param(True, id="a boolean"),
        pytest.param(["alice"], id="a list"),
        pytest.param("ali\0ce", id="NUL"),
        pytest.param("alice\n", id="line feed"),
        pytest.param("alice\x7f", id="DEL"),
        pytest.param("alice\x85", id="next line"),
        pytest.param("alice\u2028", id="line separator"),
        pytest.param("alice\u2029", id="paragraph separator"),
        pytest.param("ali\ud800ce", id="lone surrogate"),
    ],
)
def test_a_record_of_nobody_is_refused_without_a_name(username):
    refused = parse_grade(record(username=username), course_id=COURSE_ID, asked_at=0.0)

    assert refused == RefusedGrade(None, "username is not a name")


# Hypothesis leaves lone surrogates out of its texts unless it is told to draw them.
@given(st.text(st.characters(exclude_categories=())))
@example("no-break\u00a0space")
@example("a soft\u00adhyphen")
@example("\ue000")
@example("\u0378")
def test_a_name_holds_no_control_character_no_surrogate_and_no_end_of_a_line(username):
    parsed = parse_grade(record(username=username), course_id=COURSE_ID, asked_at=0.0)

    categories = {unicodedata.category(character) for character in username}
    is_name = username != "" and not categories & {"Cc", "Cs", "Zl", "Zp"}
    assert parsed.username == (username if is_name else None)


@pytest.mark.parametrize(
    "nonsense",
    [[], ["alice"], None, "alice", 0.85, True],
    ids=["an empty list", "a list", "null", "a string", "a number", "a boolean"],
)
def test_a_record_that_is_no_object_is_refused(nonsense):
    refused = parse_grade(nonsense, course_id=COURSE_ID, asked_at=0.0)

    assert refused == RefusedGrade(None, "the record is not an object")


PAIRS = list(record().items())


@pytest.mark.parametrize(
    ("odd", "username"),
    [
        pytest.param(RepeatedKey([*PAIRS, ("passed", True)]), "alice", id="the same value twice"),
        pytest.param(RepeatedKey([*PAIRS, ("passed", False)]), "alice", id="two values"),
        pytest.param(RepeatedKey([*PAIRS, ("username", "bob")]), None, id="two usernames"),
        pytest.param(RepeatedKey([("a", 1), ("a", 1)]), None, id="no username"),
        pytest.param(record(section=RepeatedKey([])), "alice", id="in an object of the record"),
        pytest.param(record(section=[[RepeatedKey([])]]), "alice", id="in a list of lists"),
        pytest.param(record(section={"a": {"b": RepeatedKey([])}}), "alice", id="deep in it"),
    ],
)
def test_a_record_in_which_a_key_stands_twice_is_refused(odd, username):
    refused = parse_grade(odd, course_id=COURSE_ID, asked_at=0.0)

    assert refused == RefusedGrade(username, "a key stands twice")


@pytest.mark.parametrize("field", ["percent", "passed", "letter_grade", "course_id", "username"])
def test_a_reason_does_not_hold_the_value_it_is_about(field):
    refused = parse_grade(record(**{field: ["mallory\nERROR"]}), course_id=COURSE_ID, asked_at=0.0)

    assert isinstance(refused, RefusedGrade)
    assert field in refused.reason
    assert "mallory" not in refused.reason
