"""The rows that a sweep or the webhook left, in one word, to be compared."""

from collections.abc import Collection

from tools.benchmarks.stage import Stage

# By the database, which orders and hashes a hundred thousand rows in no time.
_ROWS = """
WITH facts AS (
    SELECT user_id, course_run_id,
        format('grade %%s %%s %%s %%s', grade, letter_grade, passed, set_by_admin) AS fact
    FROM courses_courserungrade
    UNION ALL
    SELECT user_id, course_run_id, format('certificate %%s', is_revoked)
    FROM courses_courseruncertificate
    UNION ALL
    SELECT grade.user_id, grade.course_run_id, 'audit'
    FROM courses_courserungradeaudit AS audit
    JOIN courses_courserungrade AS grade ON grade.id = audit.course_run_grade_id
    UNION ALL
    SELECT user_id, course_run_id, 'deletion'
    FROM openedx_certificates_courseruncertificatedeletion
)
SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(
    username || ' ' || course_run_id || ' ' || fact, E'\n' ORDER BY username, course_run_id, fact
), ''))
FROM facts
JOIN users_user ON users_user.id = facts.user_id
JOIN courses_courserun AS run ON run.id = facts.course_run_id
-- The run to get warm on is not live, and not everybody's.
WHERE run.live AND coalesce(username = ANY(%(usernames)s::text[]), true)
"""
_STAMPS = """
SELECT md5(coalesce(string_agg(fact, E'\n' ORDER BY fact), '')) FROM (
    SELECT format('grade %s %s', id, updated_on) AS fact FROM courses_courserungrade
    UNION ALL
    SELECT format('certificate %s %s %s', id, uuid, updated_on) FROM courses_courseruncertificate
) AS facts
"""


def digest_rows(stage: Stage, database: str, usernames: Collection[str] | None = None) -> str:
    """Return what the grades and certificates say, with their audits and deletions.

    Args:
        stage: with the database.
        database: with the rows.
        usernames: only of these learners; of all by default.
    """
    values = {"usernames": None if usernames is None else list(usernames)}
    return str(stage.ask(database, _ROWS, values))


def digest_stamps(stage: Stage, database: str) -> str:
    """Return which rows there are and when each was written last: a pass that writes nothing leaves it."""
    return str(stage.ask(database, _STAMPS))
