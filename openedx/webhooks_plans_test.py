"""How PostgreSQL finds what webhooks and scrapes look up, asked by EXPLAIN with full tables."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun
from openedx.api import fetch_grade_pages
from openedx.conftest import Knock
from openedx.simulator import SimulatedOpenEdx
from openedx.tokens import find_last_end
from users.factories import UserFactory

pytestmark = pytest.mark.django_db

# Enough for the planner to prefer an index by far; a million plans alike.
ROWS = 20_000
# The applications are a handful of rows, and the pause is one, here and anywhere: nothing is faster
# than to read such a table whole.
SCANNED = re.compile(r"Seq Scan on (?!oauth2_provider_application\b|courses_openedxpause\b)")


@pytest.fixture
def full_run(db: None) -> CourseRun:
    """Many learners, each with an account, an enrollment, a grade and a certificate in one run.

    And with a request: the most are settled, as they are kept for months.
    """
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

            INSERT INTO courses_certificaterequest (user_id, course_run_id, status, settled_on,
                                                    last_delivered_on, next_attempt_on,
                                                    created_on, updated_on)
            SELECT id, {run.pk}, CASE WHEN id % 100 = 0 THEN 'open' ELSE 'created' END,
                   CASE WHEN id % 100 = 0 THEN NULL ELSE now() END, now(), now(), now(), now()
            FROM users_user;

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

            -- PostgreSQL may be at it by itself.
            SET LOCAL lock_timeout = 0;
            ANALYZE;
            """
        )
    return run


def test_every_look_up_of_a_webhook_is_an_index_scan(
    full_run: CourseRun, openedx: SimulatedOpenEdx, staff_token: str, knock: Knock
):
    dana = UserFactory.create(email="Dana@example.com")
    CourseRunEnrollmentFactory.create(user=dana, run=full_run)
    openedx.enroll(full_run.courseware_id, dana.edx_username, passed=True, percent=0.9)
    event = {"email": "DANA@example.com", "course_id": full_run.courseware_id}
    openedx.set_fault("500")

    with CaptureQueriesContext(connection) as statements:
        held = knock("openedx-certificate-webhook", event, token=staff_token)
        openedx.clear_fault()
        settled = knock("openedx-certificate-webhook", event, token=staff_token)

    assert (held.status_code, settled.status_code) == (202, 200)
    plans = [
        plan_of(query["sql"])
        for query in statements.captured_queries
        if query["sql"].lstrip().startswith(("SELECT", "INSERT", "UPDATE"))
    ]
    assert len(plans) >= 20
    assert not [plan for plan in plans if SCANNED.search(plan)]
    for index in ("users_user_email_lower_unique", "courses_certificaterequest_one_open"):
        assert any(index in plan for plan in plans), plans


def test_learners_whom_open_edx_spells_in_another_case_are_found_by_an_index_scan(
    full_run: CourseRun, openedx: SimulatedOpenEdx
):
    # Few beside all there are, as they are in production: a scan is not nearly as cheap.
    for number in range(1, 11):
        openedx.enroll(full_run.courseware_id, f"USER-{number}", passed=True, percent=0.9)

    with CaptureQueriesContext(connection) as statements:
        (page,) = fetch_grade_pages(full_run)

    assert (len(page.graded), page.strangers) == (10, 0)
    plans = [plan_of(query["sql"]) for query in statements.captured_queries]
    assert len(plans) == 2
    assert not [plan for plan in plans if SCANNED.search(plan)]
    assert "openedx_edx_username_lower" in plans[1]


def test_the_last_token_is_found_by_the_few_who_are_staff(full_run: CourseRun, staff_token: str):
    with CaptureQueriesContext(connection) as statements:
        assert find_last_end()

    (query,) = statements.captured_queries
    plan = plan_of(query["sql"])
    assert "users_user_staff" in plan
    assert not SCANNED.search(plan), plan


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join([statement, *[line for (line,) in cursor.fetchall()]])
