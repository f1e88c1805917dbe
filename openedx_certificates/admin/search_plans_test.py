"""How PostgreSQL finds what a search of the admin means, asked by EXPLAIN with full tables."""

import re
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from openedx_certificates.testing.crowd import ROWS, analyze, make_crowd
from openedx_certificates.testing.factories import CourseRunFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.site("The crowd is made by SQL for the tables of the host beside the app."),
]

LEARNER = ROWS // 2
UUID_OF_LEARNER = UUID(int=LEARNER)
# Of runs there are some thousands at most, and their ids are compared without regard to case. The
# deletions are none here.
SCANNED = re.compile(
    r"Seq Scan on (?:users_user|openedx_openedxuser|courses_courserun(?:enrollment|grade|certificate)"
    r"|openedx_certificates_certificaterequest)\b"
)
LISTS = {
    "users_user",
    "courses_courserunenrollment",
    "courses_courserungrade",
    "courses_courseruncertificate",
    "openedx_certificates_certificaterequest",
}

# What is searched for, and how many rows there are of it in each list.
SEARCHES = {
    f"Anna <user-{LEARNER}@example.com>": 1,
    f"https://mitxonline.mit.edu/certificate/{UUID_OF_LEARNER}/": 1,
    f"user-{LEARNER}@example.com course-v1%3AMITx%2B6.00x%2B1T2026": 1,
    "somebody-else@example.com": 0,
}


@pytest.fixture
def full_tables(db: None) -> None:
    """Many learners, each with an enrollment, a grade, a certificate and a request in one run."""
    run = CourseRunFactory.create(courseware_id="course-v1:MITx+6.00x+1T2026")
    CourseRunFactory.create(courseware_id="course-v1:MITx+empty+1T2026")
    make_crowd(run)
    analyze()


def test_no_search_walks_through_a_table_of_learners(full_tables: None, admin_client: Client):
    walks = {
        (name, search): [
            plan for plan in plans_of(admin_client, name, search, count) if SCANNED.search(plan)
        ]
        for name in LISTS
        for search, count in SEARCHES.items()
    }

    assert not [found for found in walks.items() if found[1]]


def test_a_name_is_looked_for_by_one_walk_through_the_users(
    full_tables: None, admin_client: Client
):
    for name in LISTS:
        walks = [
            plan
            for plan in plans_of(admin_client, name, f"{LEARNER} anna", 1)
            if SCANNED.search(plan)
        ]
        assert len(walks) == 1
        assert '"users_user"."name"::text ~*' in walks[0]


def plans_of(client: Client, name: str, search: str, count: int) -> list[str]:
    """Search in the list, and return how each statement of it is carried out."""
    with CaptureQueriesContext(connection) as statements:
        reply = client.get(reverse(f"admin:{name}_changelist"), {"q": search})
    assert reply.context["cl"].result_count == count
    return [
        plan_of(statement["sql"])
        for statement in statements.captured_queries
        if statement["sql"].startswith("SELECT")
    ]


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join([statement, *[line for (line,) in cursor.fetchall()]])
