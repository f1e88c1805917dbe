"""What DATABASES becomes of a URL."""

from typing import Any

import pytest

from main.database.configuration import configure
from main.environment import Environment

SESSION = (
    "-c DateStyle=ISO,\\ MDY -c IntervalStyle=postgres -c extra_float_digits=1 "
    "-c default_transaction_isolation=read\\ committed -c array_nulls=on -c lock_timeout=1000ms"
)


def database_of(url: str, *, behind_pgbouncer: bool = False) -> dict[str, Any]:
    databases = configure(
        Environment(), url, pool_size=7, lock_timeout=1.0, behind_pgbouncer=behind_pgbouncer
    )
    return databases["default"]


def options_of(url: str) -> dict[str, Any]:
    options: dict[str, Any] = database_of(url)["OPTIONS"]
    return options


def test_a_plain_url_gets_what_finds_a_dead_server_out():
    options = options_of("postgres://user@db.example.org/mitxonline")

    assert options == {
        "connect_timeout": 3,
        "target_session_attrs": "read-write",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": SESSION,
        "pool": {"max_size": 7},
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("connect_timeout", 9),
        ("target_session_attrs", "any"),
        ("keepalives_idle", 60),
        ("tcp_user_timeout", 0),
        ("sslmode", "require"),
    ],
)
def test_the_urls_own_options_win(name: str, value: object):
    options = options_of(f"postgres://user@db.example.org/mitxonline?{name}={value}")

    assert options[name] == value


def test_the_urls_own_parameters_of_the_session_come_last_and_win():
    url = "postgres://user@db.example.org/mitxonline?options=-c%20lock_timeout%3D9s"

    assert options_of(url)["options"] == f"{SESSION} -c lock_timeout=9s"


def test_pgbouncer_is_sent_nothing_that_it_refuses_or_answers_wrongly():
    url = "postgres://user@pgbouncer.example.org:6432/mitxonline"

    database = database_of(url, behind_pgbouncer=True)

    assert database["DISABLE_SERVER_SIDE_CURSORS"]
    assert "options" not in database["OPTIONS"]
    assert database["OPTIONS"]["target_session_attrs"] == "any"
    assert database["OPTIONS"]["tcp_user_timeout"] == 10_000
