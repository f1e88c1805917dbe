"""What DATABASES becomes of a URL."""

from typing import Any

import pytest

from main.database.configuration import configure
from main.environment import Environment


def options_of(url: str) -> dict[str, Any]:
    databases = configure(Environment(), url, pool_size=7, lock_timeout=1.0)
    options: dict[str, Any] = databases["default"]["OPTIONS"]
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
        "options": "-c lock_timeout=1000",
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

    assert options_of(url)["options"] == "-c lock_timeout=1000 -c lock_timeout=9s"
