"""How PostgreSQL finds what webhooks and scrapes look up, asked by EXPLAIN with full tables."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oauth2_provider.models import AccessToken

from courses.models import CourseRun
from openedx_certificates.issuing.fetching import fetch_grade_pages
from openedx_certificates.testing.crowd import ROWS, analyze, make_crowd
from openedx_certificates.testing.factories import (
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    UserFactory,
)
from openedx_certificates.testing.webhooks import Knock, is_of_the_hosts_save
from openedx_certificates.webhooks.tokens import find_last_end
from tools.simulator import SimulatedOpenEdx

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.site("The crowd is made by SQL for the tables of the host beside the app."),
]

# The applications are a handful of rows, and the pause is one, here and anywhere: nothing is faster
# than to read such a table whole.
SCANNED = re.compile(
    r"Seq Scan on (?!oauth2_provider_application\b|openedx_certificates_openedxpause\b)"
)


@pytest.fixture
def full_run(db: None) -> CourseRun:
    """A run with a crowd of learners, beside many other runs and tokens."""
    run = CourseRunFactory.create()
    make_crowd(run)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO courses_courserun (course_id, courseware_id, title, run_tag, live,
                                           is_self_paced, created_on, updated_on)
            SELECT {run.course_id}, 'course-v1:MITx+filler+' || n, '', '', false,
                   false, now(), now()
            FROM generate_series(1, {ROWS}) AS n;
            """
        )
    AccessToken.objects.bulk_create(
        AccessToken(token=f"filler-{number}", expires=timezone.now()) for number in range(ROWS)
    )
    analyze()
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
        and not is_of_the_hosts_save(query["sql"])
    ]
    assert len(plans) >= 20
    assert not [plan for plan in plans if SCANNED.search(plan)]
    for index in ("users_user_email_lower_unique", "openedx_certificates_request_one_open"):
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
