"""Grades and certificates of a whole page written in one statement each, with an array a column.

The inserts tell whom a simultaneous transaction was quicker for: the ORM's
`bulk_create(ignore_conflicts=True)` does not, and nobody must get a certificate by a grade that
somebody else has just stored differently. The ORM's `bulk_update` took more time than all the rest
of a page.
"""

from collections.abc import Collection, Mapping
from uuid import uuid4

from django.db import connection

from courses.api.rules import ReportedGrade
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade

_GRADES = """
INSERT INTO courses_courserungrade (
    user_id, course_run_id, grade, passed, letter_grade, set_by_admin, created_on, updated_on
)
SELECT user_id, %(course_run)s, grade, passed, letter_grade, false,
    statement_timestamp(), statement_timestamp()
FROM unnest(
    %(users)s::bigint[], %(grades)s::float8[], %(passed)s::boolean[], %(letter_grades)s::varchar[]
) AS reported (user_id, grade, passed, letter_grade)
ORDER BY user_id
ON CONFLICT (user_id, course_run_id) DO NOTHING
RETURNING *
"""
_CHANGED_GRADES = """
UPDATE courses_courserungrade AS stored
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
_CERTIFICATES = """
INSERT INTO courses_courseruncertificate (
    user_id, course_run_id, uuid, is_revoked, issue_date, created_on, updated_on
)
SELECT
    user_id, %(course_run)s, uuid, false,
    statement_timestamp(), statement_timestamp(), statement_timestamp()
FROM unnest(%(users)s::bigint[], %(uuids)s::uuid[]) AS earned (user_id, uuid)
ORDER BY user_id
ON CONFLICT (user_id, course_run_id) DO NOTHING
RETURNING *
"""


def insert_grades(
    course_run: CourseRun, grades: Mapping[int, ReportedGrade]
) -> dict[int, CourseRunGrade]:
    """Store the grades of learners who have none, by their ids; return those that were stored.

    Whose grade a simultaneous transaction has stored is left out, once that one has committed.
    """
    if not grades:
        return {}
    inserted = CourseRunGrade.objects.raw(
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


def update_grades(grades: Collection[CourseRunGrade]) -> None:
    """Store what Open edX reports of grades that exist; the caller has locked the rows."""
    if not grades:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _CHANGED_GRADES,
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


def insert_certificates(
    course_run: CourseRun, users: Collection[int]
) -> dict[int, CourseRunCertificate]:
    """Create certificates for learners who have none, by their ids; return those that were created.

    Whose certificate a simultaneous transaction has created is left out, once that one has
    committed.
    """
    if not users:
        return {}
    inserted = CourseRunCertificate.all_objects.raw(
        _CERTIFICATES,
        {
            "course_run": course_run.pk,
            "users": list(users),
            "uuids": [uuid4() for _ in users],
        },
    )
    return {certificate.user_id: certificate for certificate in inserted}
