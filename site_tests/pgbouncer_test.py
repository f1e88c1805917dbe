"""The site behind a real PgBouncer, which is set up as docs/pgbouncer.md says."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, transaction

from courses.models import CourseRun
from site_tests.fixtures import execute
from site_tests.pgbouncer import PgBouncer, find_pgbouncer, read_role_statements
from site_tests.processes import Programs
from users.models import User

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        find_pgbouncer() is None,
        reason="there is no PgBouncer here, and only root can have `make pgbouncer` install it",
    ),
]

BEHIND = {"DATABASE_BEHIND_PGBOUNCER": "True"}
MODES = ["transaction", "session"]


@pytest.fixture
def pgbouncer(role: str, tmp_path: Path) -> Iterator[PgBouncer]:
    """A PgBouncer before the tests' database, not started yet."""
    with PgBouncer(connection.settings_dict, role, "secret", tmp_path) as pgbouncer:
        yield pgbouncer


@pytest.mark.parametrize("mode", MODES)
def test_an_event_is_served_behind_pgbouncer(
    programs: Programs, pgbouncer: PgBouncer, role: str, dana: User, run: CourseRun, mode: str
):
    execute(*read_role_statements(role))
    pgbouncer.start(pool_mode=mode)
    web = programs.start_web_server(DATABASE_URL=pgbouncer.url, **BEHIND)
    event = {"email": dana.email, "course_id": run.courseware_id}

    replies = [web.post(event), web.post(event)]

    assert [(reply.status_code, reply.json()) for reply in replies if reply] == [
        (200, {"certificate_status": "created"}),
        (200, {"certificate_status": "exists"}),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_webhook_behind_a_lock_is_answered_behind_pgbouncer(
    programs: Programs, pgbouncer: PgBouncer, role: str, dana: User, run: CourseRun, mode: str
):
    execute(*read_role_statements(role))
    pgbouncer.start(pool_mode=mode)
    web = programs.start_web_server(DATABASE_URL=pgbouncer.url, **BEHIND)

    with ThreadPoolExecutor(1) as executor, transaction.atomic():
        execute("SET LOCAL lock_timeout = 0", "LOCK TABLE openedx_certificates_certificaterequest")
        reply = executor.submit(
            web.post, {"email": dana.email, "course_id": run.courseware_id}
        ).result()

    assert reply is not None
    assert reply.status_code == 503
    # It was PostgreSQL that ended the wait.
    assert '"sqlstate": "55P03"' in web.words


@pytest.mark.parametrize(
    ("environment", "changes"),
    [
        (BEHIND, {}),
        # As is often advised: it drops the time-out without a word.
        ({}, {"ignore_startup_parameters": "options"}),
    ],
    ids=["as-documented", "options-ignored"],
)
def test_a_lock_time_out_that_the_role_lacks_is_named_with_what_mends_it(
    programs: Programs,
    pgbouncer: PgBouncer,
    role: str,
    environment: dict[str, str],
    changes: dict[str, str],
):
    pgbouncer.start(**changes)
    environment = {"DATABASE_URL": pgbouncer.url, **environment}
    check = ("check", "--database", "default")
    mends = (
        f"ALTER ROLE {role} IN DATABASE {connection.settings_dict['NAME']} "
        "SET lock_timeout = '1000ms';"
    )

    with pytest.raises(RuntimeError) as refused:
        programs.run_command(*check, **environment)

    assert "(main.E018) lock_timeout is '0ms' for the database" in str(refused.value)
    assert mends in str(refused.value)
    with pytest.raises(RuntimeError, match="lock_timeout is '0ms'"):
        programs.start_web_server(**environment)

    execute(mends)
    pgbouncer.stop()
    pgbouncer.start(**changes)

    programs.run_command(*check, "--fail-level", "WARNING", **environment)
