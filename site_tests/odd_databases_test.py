"""Databases and roles with other defaults than PostgreSQL's: served all the same, or refused."""

import re
from collections.abc import Iterator

import pytest
from django.db import connection

from courses.models import CourseRun
from site_tests.fixtures import execute
from site_tests.processes import Programs
from tools.processes import wait_until
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

CHECK = ("check", "--database", "default")
ODD = {
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "0",
    "default_transaction_isolation": "serializable",
    "array_nulls": "off",
    "lock_timeout": "0",
}


def url_of(database: str, *, role: str | None = None) -> str:
    settings = connection.settings_dict
    user = f"{role}:secret" if role else f"{settings['USER']}:{settings['PASSWORD']}"
    return f"postgres://{user}@{settings['HOST']}:{settings['PORT']}/{database}"


@pytest.fixture
def url(role: str) -> str:
    """The tests' database, for a role with settings that a test may change."""
    return url_of(connection.settings_dict["NAME"], role=role)


@pytest.fixture
def odd_role(role: str) -> str:
    """The role, with all settings that we could not work with."""
    execute(*[f"ALTER ROLE {role} SET {name} = '{value}'" for name, value in ODD.items()])
    return role


@pytest.fixture
def odd_database(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[str]:
    """An empty database of the encoding that the test asks for, in the locale C."""
    name = f"odd_{connection.settings_dict['NAME']}"
    execute(
        f"CREATE DATABASE {name} ENCODING '{request.param}' TEMPLATE template0 "
        "LOCALE 'C' LOCALE_PROVIDER libc"
    )
    yield url_of(name)
    execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_whatever_the_roles_settings_are_an_event_is_served(
    programs: Programs, odd_role: str, url: str, dana: User, run: CourseRun
):
    web = programs.start_web_server(DATABASE_URL=url)
    event = {"email": dana.email, "course_id": run.courseware_id}

    replies = [web.post(event), web.post(event)]

    assert [(reply.status_code, reply.json()) for reply in replies if reply] == [
        (200, {"certificate_status": "created"}),
        (200, {"certificate_status": "exists"}),
    ]
    programs.run_command(*CHECK, "--fail-level", "WARNING", DATABASE_URL=url)


def test_each_setting_that_can_not_be_asked_for_is_named_with_what_mends_it(
    programs: Programs, odd_role: str, url: str
):
    environment = {"DATABASE_URL": url, "DATABASE_BEHIND_PGBOUNCER": "True"}

    with pytest.raises(RuntimeError) as refused:
        programs.run_command(*CHECK, **environment)

    told = str(refused.value)
    assert set(re.findall(r"\(main\.E018\) (\w+) is", told)) == set(ODD)
    execute(*re.findall(r"ALTER ROLE [^;]+;", told))
    programs.run_command(*CHECK, "--fail-level", "WARNING", **environment)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("lock_timeout = '9s'", r"\(main.W009\) lock_timeout is '9000ms'"),
        ("synchronous_commit = off", r"\(main.W011\) synchronous_commit is 'off'"),
    ],
)
def test_what_is_unwise_is_told_and_keeps_no_program_from_starting(
    programs: Programs, role: str, url: str, setting: str, told: str
):
    execute(f"ALTER ROLE {role} SET lock_timeout = '1s'", f"ALTER ROLE {role} SET {setting}")
    environment = {"DATABASE_URL": url, "DATABASE_BEHIND_PGBOUNCER": "True"}

    assert re.search(told, programs.run_command(*CHECK, **environment))
    programs.start_web_server(**environment)


@pytest.mark.parametrize("odd_database", ["LATIN1", "SQL_ASCII"], indirect=True)
def test_a_database_that_can_not_hold_each_name_is_refused(programs: Programs, odd_database: str):
    refusal = r"\(main.E017\) The database's encoding is (LATIN1|SQL_ASCII)"

    with pytest.raises(RuntimeError, match=refusal):
        programs.run_command("migrate", DATABASE_URL=odd_database)
    with pytest.raises(RuntimeError, match=refusal):
        programs.start_web_server(DATABASE_URL=odd_database)
    watch = programs.start_command(
        "process_certificate_requests", "--watch", DATABASE_URL=odd_database
    )
    assert watch.wait() != 0
    assert re.search(refusal, watch.words)


@pytest.mark.parametrize("odd_database", ["UTF8"], indirect=True)
def test_a_database_that_knows_case_of_few_letters_is_warned_of(
    programs: Programs, odd_database: str
):
    assert "(main.W010) lower('ÉI') is 'Éi'" in programs.run_command(
        *CHECK, DATABASE_URL=odd_database
    )


def test_a_database_that_is_away_keeps_no_program_from_starting(programs: Programs):
    away = "postgres://nobody@127.0.0.1:1/none"

    web = programs.start_web_server(DATABASE_URL=away)
    watch = programs.start_command("process_certificate_requests", "--watch", DATABASE_URL=away)
    told = programs.run_command(*CHECK, DATABASE_URL=away)

    reply = web.post({})
    assert reply is not None
    assert reply.status_code == 503
    assert "no issues" in told
    wait_until(lambda: "trying again" in watch.words, lambda: watch.words)
    assert watch.is_running
