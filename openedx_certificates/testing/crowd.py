"""A crowd of learners in one run, so that PostgreSQL plans as among a million; for tests of its plans."""

from typing import Final

from django.db import connection

from courses.models import CourseRun

# Enough for the planner to prefer an index by far.
ROWS: Final = 20_000

_FILL = """
INSERT INTO users_user (username, email, name, global_id, password, is_staff,
                        is_active, is_superuser, created_on, updated_on)
SELECT 'user-' || n, 'User-' || n || '@example.com', 'Anna of ' || n || ' Streets', '', '', false,
       true, false, now(), now()
FROM generate_series(1, {rows}) AS n;

INSERT INTO openedx_openedxuser (user_id, platform, edx_username, has_been_synced,
                                 has_sync_error, created_on, updated_on)
SELECT id, 'edx', username, true, false, now(), now() FROM users_user;

INSERT INTO courses_courserunenrollment (user_id, run_id, enrollment_mode, active,
                                         edx_enrolled, created_on, updated_on)
SELECT id, {run}, 'verified', true, true, now(), now() FROM users_user;

INSERT INTO courses_courserungrade (user_id, course_run_id, grade, passed,
                                    set_by_admin, created_on, updated_on)
SELECT id, {run}, 0.5, true, false, now(), now() FROM users_user;

INSERT INTO courses_courseruncertificate (user_id, course_run_id, uuid, is_revoked,
                                          created_on, updated_on)
SELECT id, {run}, lpad(to_hex(split_part(username, '-', 2)::int), 32, '0')::uuid,
       false, now(), now()
FROM users_user;

INSERT INTO openedx_certificates_certificaterequest (user_id, course_run_id, status, settled_on,
                                        last_delivered_on, next_attempt_on,
                                        created_on, updated_on)
SELECT id, {run}, CASE WHEN id % 100 = 0 THEN 'open' ELSE 'created' END,
       CASE WHEN id % 100 = 0 THEN NULL ELSE now() END, now(), now(), now(), now()
FROM users_user;

INSERT INTO openedx_certificates_zeronote (certificate_uuid, reported_on, created_on, updated_on)
SELECT uuid, now(), now(), now() FROM courses_courseruncertificate;
"""


def make_crowd(run: CourseRun) -> None:
    """Make learners, each with an account, an enrollment, a grade, a certificate and a request.

    The most requests are settled, as they are kept for months. The n-th learner is `user-n`, and the
    certificate's uuid is n. There must be no other users.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FILL.format(rows=ROWS, run=run.pk))


def analyze() -> None:
    """Let PostgreSQL learn how many rows there are."""
    with connection.cursor() as cursor:
        # PostgreSQL may be at it by itself.
        cursor.execute("SET LOCAL lock_timeout = 0; ANALYZE;")
