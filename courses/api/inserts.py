"""New rows for a whole page in one statement, which tells whom a simultaneous one was quicker for.

The ORM's `bulk_create(ignore_conflicts=True)` does not say which rows it made, and whoever passes
must not get a certificate by a grade that somebody else has just stored differently.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import uuid4

from courses.api.rules import ReportedGrade
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade

_GRADES = """
INSERT INTO courses_courserungrade (
    user_id, course_run_id, grade, passed, letter_grade, set_by_admin, created_on, updated_on
)
SELECT user_id, %(course_run)s, grade, passed, letter_grade, false, %(now)s, %(now)s
FROM unnest(
    %(users)s::bigint[], %(grades)s::float8[], %(passed)s::boolean[], %(letter_grades)s::varchar[]
) AS reported (user_id, grade, passed, letter_grade)
ORDER BY user_id
ON CONFLICT (user_id, course_run_id) DO NOTHING
RETURNING *
"""
_CERTIFICATES = """
INSERT INTO courses_courseruncertificate (
    user_id, course_run_id, uuid, is_revoked, issue_date, created_on, updated_on
)
SELECT user_id, %(course_run)s, uuid, false, %(now)s, %(now)s, %(now)s
FROM unnest(%(users)s::bigint[], %(uuids)s::uuid[]) AS earned (user_id, uuid)
ORDER BY user_id
ON CONFLICT (user_id, course_run_id) DO NOTHING
RETURNING *
"""


def insert_grades(
    course_run: CourseRun, grades: Mapping[int, ReportedGrade], now: datetime
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
            "now": now,
            "users": list(grades),
            "grades": [grade.percent for grade in grades.values()],
            "passed": [grade.passed for grade in grades.values()],
            "letter_grades": [grade.letter_grade for grade in grades.values()],
        },
    )
    return {grade.user_id: grade for grade in inserted}


def insert_certificates(
    course_run: CourseRun, users: Collection[int], now: datetime
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
            "now": now,
            "users": list(users),
            "uuids": [uuid4() for _ in users],
        },
    )
    return {certificate.user_id: certificate for certificate in inserted}
