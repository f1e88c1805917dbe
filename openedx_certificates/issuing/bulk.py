"""Grades of a whole page written in one statement each, with an array a column.

The insert tells which grades a simultaneous transaction stored first: the ORM's
`bulk_create(ignore_conflicts=True)` does not, and no learner must get a certificate by a grade that
another process has just stored differently. The ORM's `bulk_update` took more time than all the rest
of a page.
"""

from collections.abc import Collection, Mapping

from django.db import connection

from openedx_certificates import host
from openedx_certificates.rules import ReportedGrade

_GRADES = """
INSERT INTO {grades} (
    user_id, course_run_id, grade, passed, letter_grade, set_by_admin, created_on, updated_on
)
SELECT user_id, %(course_run)s, grade, passed, letter_grade, false,
    statement_timestamp(), statement_timestamp()
FROM unnest(
    %(users)s::bigint[], %(grades)s::float8[], %(passed)s::boolean[], %(letter_grades)s::varchar[]
) AS reported (user_id, grade, passed, letter_grade)
ORDER BY user_id
ON CONFLICT DO NOTHING
RETURNING *
"""
_CHANGED_GRADES = """
UPDATE {grades} AS stored
SET grade = changed.grade,
    passed = changed.passed,
    letter_grade = changed.letter_grade,
    updated_on = statement_timestamp()
FROM unnest(
    %(ids)s::bigint[], %(grades)s::float8[], %(passed)s::boolean[], %(letter_grades)s::varchar[]
) AS changed (id, grade, passed, letter_grade)
WHERE stored.id = changed.id
RETURNING stored.id, stored.updated_on
"""


def insert_grades(
    course_run: host.CourseRun, grades: Mapping[int, ReportedGrade]
) -> dict[int, host.Grade]:
    """Store the grades of learners without one, by their ids; return those that were stored.

    A learner is left out if a simultaneous transaction stored the grade, once that has committed.
    """
    if not grades:
        return {}
    inserted = host.read_rows(
        "courses.CourseRunGrade",
        _GRADES,
        {
            "course_run": course_run.pk,
            "users": list(grades),
            "grades": [grade.percent for grade in grades.values()],
            "passed": [grade.passed for grade in grades.values()],
            "letter_grades": [grade.letter_grade for grade in grades.values()],
        },
    )
    return {grade.user_id: grade for grade in inserted}


def update_grades(grades: Collection[host.Grade]) -> None:
    """Store what Open edX reports of grades that exist; the caller has locked the rows."""
    if not grades:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            host.sql(_CHANGED_GRADES),
            {
                "ids": [grade.pk for grade in grades],
                "grades": [grade.grade for grade in grades],
                "passed": [grade.passed for grade in grades],
                "letter_grades": [grade.letter_grade for grade in grades],
            },
        )
        updated_on = dict(cursor.fetchall())
    for grade in grades:
        grade.updated_on = updated_on[grade.pk]
