import json
import math

import pytest

from tools.simulator import CoursesFileError, load_courses

COURSE_ID = "course-v1:MITx+6.00x+2026"


def write(tmp_path, text):
    path = tmp_path / "courses.json"
    path.write_text(text, encoding="utf-8")
    return path


def a_file(tmp_path, *learners):
    content = {"courses": [{"course_id": COURSE_ID, "learners": list(learners)}]}
    return write(tmp_path, json.dumps(content))


def find_learner(courses, course_id, username):
    return courses.find_course(course_id).find_learner(username)


def test_a_file_names_courses_and_learners_and_their_grades(tmp_path):
    path = a_file(
        tmp_path,
        {
            "username": "alice",
            "email": "alice@example.com",
            "passed": True,
            "percent": 0.91,
            "letter_grade": "A",
        },
    )

    courses = load_courses(path)

    assert (len(courses), courses.learner_count) == (1, 1)
    assert find_learner(courses, COURSE_ID, "alice").answer(COURSE_ID) == {
        "username": "alice",
        "email": "",
        "course_id": COURSE_ID,
        "passed": True,
        "percent": 0.91,
        "letter_grade": "A",
    }


def test_a_learner_needs_no_more_than_a_username(tmp_path):
    courses = load_courses(a_file(tmp_path, {"username": "bob", "comment": "has not begun"}))

    bob = find_learner(courses, COURSE_ID, "bob")
    assert (bob.enrolled, bob.computable, bob.passed, bob.percent) == (True, True, False, 0.0)


def test_nonsense_in_a_grade_is_kept_as_it_stands(tmp_path):
    path = write(
        tmp_path,
        '{"courses": [{"course_id": "c", "learners": ['
        '{"username": "nan", "percent": NaN, "passed": null},'
        '{"username": "text", "percent": "0.9"},'
        '{"username": "whole", "record": ["no", "object"]}]}]}',
    )

    courses = load_courses(path)

    assert math.isnan(find_learner(courses, "c", "nan").percent)
    assert find_learner(courses, "c", "nan").passed is None
    assert find_learner(courses, "c", "text").percent == "0.9"
    assert find_learner(courses, "c", "whole").answer("c") == ["no", "object"]


def test_a_learner_of_two_courses_counts_once(tmp_path):
    path = write(
        tmp_path,
        json.dumps(
            {
                "courses": [
                    {"course_id": "a", "learners": [{"username": "alice"}]},
                    {"course_id": "b", "learners": [{"username": "alice"}, {"username": "bob"}]},
                    {"course_id": "empty"},
                ]
            }
        ),
    )

    courses = load_courses(path)

    assert (len(courses), courses.learner_count) == (3, 2)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("{\n  nonsense", "line 2 column 3", id="not-json"),
        pytest.param("[]", "the file: ", id="a-list"),
        pytest.param("{}", "the file: 'courses'", id="no-courses"),
        pytest.param('{"courses": [], "cuorses": []}', "the file: unknown: cuorses", id="typo"),
        pytest.param('{"courses": [1]}', "courses[0]: ", id="course"),
        pytest.param('{"courses": [{}]}', "courses[0]: 'course_id'", id="no-id"),
        pytest.param(
            '{"courses": [{"course_id": "c", "learners": [{}]}]}',
            "courses[0].learners[0]: ",
            id="no-username",
        ),
        pytest.param(
            '{"courses": [{"course_id": "c", "learners": [{"username": "a", "enrolled": 1}]}]}',
            "courses[0].learners[0]: enrolled must be true or false",
            id="flag",
        ),
        pytest.param(
            '{"courses": [{"course_id": "c", "learners": [{"username": "a", "pased": true}]}]}',
            "courses[0].learners[0]: unknown: pased",
            id="unknown-field",
        ),
    ],
)
def test_a_malformed_file_is_refused_with_its_name_and_the_place(tmp_path, text, place):
    path = write(tmp_path, text)

    with pytest.raises(CoursesFileError) as refusal:
        load_courses(path)

    assert str(refusal.value).startswith(f"{path}: ")
    assert place in str(refusal.value)


def test_a_file_that_is_not_there_or_not_utf_8_is_refused_by_name(tmp_path):
    with pytest.raises(CoursesFileError, match=r"absent\.json: No such file"):
        load_courses(tmp_path / "absent.json")

    (tmp_path / "latin.json").write_bytes(b'"\xe9"')
    with pytest.raises(CoursesFileError, match="can't decode byte"):
        load_courses(tmp_path / "latin.json")
