"""What the environment must hold, as an operator meets it: `manage.py` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = {
    "SECRET_KEY": "a-key-of-fifty-characters-and-more-0123456789-abcdefgh",
    "ALLOWED_HOSTS": "mitxonline.example.org",
    "OPENEDX_API_BASE_URL": "https://courses.example.org",
    "OPENEDX_SERVICE_WORKER_API_TOKEN": "token",
    "CELERY_BROKER_URL": "redis://localhost:6379/0",
    "SECURE_SSL_REDIRECT": "True",
    "SECURE_HSTS_SECONDS": "31536000",
    "DATABASE_URL": "postgres://nobody@localhost/none",
}


def manage(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "name",
    ["SECRET_KEY", "OPENEDX_SERVICE_WORKER_API_TOKEN", "OPENEDX_API_BASE_URL", "DATABASE_URL"],
)
def test_without_debug_a_missing_variable_is_named_at_start(name: str):
    environment = {key: value for key, value in PRODUCTION.items() if key != name}

    result = manage("check", environment=environment)

    assert result.returncode != 0
    assert f"{name} is not set" in result.stderr


def test_a_log_level_that_is_none_is_named_at_start():
    result = manage("check", environment=PRODUCTION | {"LOG_LEVEL": "LOUD"})

    assert result.returncode != 0
    assert "LOG_LEVEL is none of DEBUG, INFO, WARNING, ERROR, CRITICAL" in result.stderr


def test_the_production_environment_has_nothing_to_complain_of():
    result = manage("check", "--deploy", "--fail-level", "WARNING", environment=PRODUCTION)

    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_what_is_not_safe_is_named_before_a_deployment():
    environment = PRODUCTION | {"SECRET_KEY": "short", "SECURE_SSL_REDIRECT": "False"}

    result = manage("check", "--deploy", "--fail-level", "WARNING", environment=environment)

    assert result.returncode != 0
    assert "security.W009" in result.stderr
    assert "security.W008" in result.stderr


def test_the_server_does_not_start_with_what_can_not_work():
    result = subprocess.run(
        [sys.executable, "-c", "import main.wsgi"],
        cwd=ROOT,
        env={**PRODUCTION, "PATH": os.environ["PATH"], "EDX_API_CLIENT_TIMEOUT": "31"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode != 0
    assert "openedx_certificates.E002" in result.stderr


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_celery_does_not_start_with_what_can_not_work(program: str, tmp_path: Path):
    result = subprocess.run(
        [sys.executable, "-m", "celery", "--workdir", ROOT, "--app", "main.celery", program],
        cwd=tmp_path,
        env={**PRODUCTION, "PATH": os.environ["PATH"], "EDX_API_PAGE_SIZE": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert result.returncode != 0
    assert "openedx_certificates.E003" in result.stderr


def test_the_tests_run_on_postgresql():
    assert connection.vendor == "postgresql"


def test_without_a_broker_a_task_runs_where_it_is_called():
    environment = {**PRODUCTION, "CELERY_BROKER_URL": ""}

    result = manage("check", "--fail-level", "WARNING", environment=environment)

    assert result.returncode == 0, result.stderr


def test_a_log_line_in_production_is_one_line_of_json_with_its_fields():
    script = (
        "import logging, django; django.setup();"
        "logging.getLogger('courses').warning('two\\nlines', extra={'course_id': 'a\\nb'})"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**PRODUCTION, "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "main.settings"},
        capture_output=True,
        text=True,
        check=True,
    )

    (line,) = result.stderr.splitlines()
    assert '"event": "two\\nlines"' in line
    assert '"course_id": "a\\nb"' in line
    assert '"level": "warning"' in line
