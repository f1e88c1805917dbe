"""How PostgreSQL finds what a webhook looks up, asked by EXPLAIN with full tables."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from openedx.conftest import Knock
from openedx.simulator import SimulatedOpenEdx
from users.factories import UserFactory

pytestmark = pytest.mark.django_db

# Enough for the planner to prefer an index by far; a million plans alike.
ROWS = 20_000


@pytest.fixture
def full_tables(db: None) -> None:
    """Many learners, each with an account, an enrollment, a grade and a certificate in one run."""
    run = CourseRunFactory.create()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO users_user (username, email, name, global_id, password, is_staff,
                                    is_active, is_superuser, created_on, updated_on)
            SELECT 'user-' || n, 'User-' || n || '@example.com', '', '', '', false,
                   true, false, now(), now()
            FROM generate_series(1, {ROWS}) AS n;

            INSERT INTO openedx_openedxuser (user_id, platform, edx_username, has_been_synced,
                                             has_sync_error, created_on, updated_on)
            SELECT id, 'edx', username, true, false, now(), now() FROM users_user;

            INSERT INTO courses_courserunenrollment (user_id, run_id, enrollment_mode, active,
                                                     edx_enrolled, created_on, updated_on)
            SELECT id, {run.pk}, 'verified', true, true, now(), now() FROM users_user;

            INSERT INTO courses_courserungrade (user_id, course_run_id, grade, passed,
                                                set_by_admin, created_on, updated_on)
            SELECT id, {run.pk}, 0.5, true, false, now(), now() FROM users_user;

            INSERT INTO courses_courseruncertificate (user_id, course_run_id, uuid, is_revoked,
                                                      created_on, updated_on)
            SELECT id, {run.pk}, gen_random_uuid(), false, now(), now() FROM users_user;

            INSERT INTO courses_courserun (course_id, courseware_id, title, run_tag, live,
                                           is_self_paced, created_on, updated_on)
            SELECT {run.course_id}, 'course-v1:MITx+filler+' || n, '', '', false,
                   false, now(), now()
            FROM generate_series(1, {ROWS}) AS n;

            INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, resource,
                                                     created, updated)
            SELECT 'filler-' || n, encode(sha256(('filler-' || n)::bytea), 'hex'), now(), '', '[]',
                   now(), now()
            FROM generate_series(1, {ROWS}) AS n;

            ANALYZE;
            """
        )


def test_every_look_up_of_a_webhook_is_an_index_scan(
    full_tables: None, openedx: SimulatedOpenEdx, staff_token: str, knock: Knock
):
    run = CourseRunFactory.create()
    dana = UserFactory.create(email="Dana@example.com")
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    openedx.enroll(run.courseware_id, dana.edx_username, passed=True, percent=0.9)
    event = {"email": "DANA@example.com", "course_id": run.courseware_id}

    with CaptureQueriesContext(connection) as statements:
        response = knock("openedx-certificate-webhook", event, token=staff_token)

    assert response.status_code == 200
    plans = [
        plan_of(query["sql"])
        for query in statements.captured_queries
        if query["sql"].startswith("SELECT")
    ]
    assert len(plans) >= 8
    # The table of applications holds a handful of rows, here and anywhere.
    scanned = re.compile(r"Seq Scan on (?!oauth2_provider_application\b)")
    assert not [plan for plan in plans if scanned.search(plan)]
    assert any("users_user_email_lower_unique" in plan for plan in plans), plans


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join([statement, *[line for (line,) in cursor.fetchall()]])
