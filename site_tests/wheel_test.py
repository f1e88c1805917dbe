"""The app from its wheel, in an empty environment and a host without any of our site."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from main.settings import BASE_DIR
from site_tests.fixtures import execute
from tools.simulator import SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
CORE = {
    *("celery", "django", "django-oauth-toolkit", "djangorestframework"),
    *("drf-spectacular", "requests"),
}
EXTRAS = {"drf-spectacular-sidecar", "prometheus-client", "tqdm"}
HOST = ("cms", "courses", "openedx", "users")
# Prints what is answered to an event that is bad, one of no learner, and Dana's, and what is left.
SCRIPT = f"""
import io, json
import django
django.setup()
from django.core.management import call_command
from django.test import Client
from courses.models import *
from openedx.models import OpenEdxUser
from openedx_certificates.models import CertificateRequest
from users.models import User

call_command("migrate", verbosity=0)
call_command("check", "--fail-level", "WARNING", stdout=io.StringIO())
dana, _ = User.objects.get_or_create(username="dana", email="dana@example.com")
OpenEdxUser.objects.get_or_create(user=dana, edx_username="dana")
course, _ = Course.objects.get_or_create(title="6.00x", readable_id="course-v1:MITx+6.00x")
run, _ = CourseRun.objects.get_or_create(course=course, courseware_id="{COURSE_ID}")
CourseRunEnrollment.objects.get_or_create(user=dana, run=run, enrollment_mode="verified")
token = io.StringIO()
call_command("create_webhook_token", stdout=token)

def post(body):
    reply = Client().post(
        "/api/openedx_webhook/certificate/",
        body,
        content_type="application/json",
        headers={{"authorization": "Bearer " + token.getvalue().strip()}},
    )
    return reply.status_code, reply.json()

replies = [
    post("no JSON"),
    post({{"email": "x@example.com", "course_id": "none"}}),
    post({{"email": "dana@example.com", "course_id": "{COURSE_ID}"}}),
]
call_command("process_certificate_requests", stdout=io.StringIO())
rows = [model.objects.count() for model in (CertificateRequest, CourseRunCertificate)]
print(json.dumps([replies, rows, django.apps.apps.get_app_config("openedx_certificates").path]))
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's wheel, made from this source."""
    folder = tmp_path_factory.mktemp("wheel")
    _run("pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, BASE_DIR)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the wheel, what it asks for, and the host's driver of PostgreSQL."""
    folder = tmp_path_factory.mktemp("environment")
    _run("venv", folder)
    # What pip would choose today is not what was tested.
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{each.name}=={each.version}\n" for each in distributions()))
    python = folder / "bin" / "python"
    host = ("psycopg[binary]", "django-environ")
    _run("pip", "--python", python, "install", "--constraint", pins, wheel, *host)
    return python


@pytest.fixture
def database_url(transactional_db: None) -> Iterator[str]:
    """An empty database."""
    server, name = connection.settings_dict, f"bare_{connection.settings_dict['NAME']}"
    execute(f"CREATE DATABASE {name}")
    yield (
        f"postgres://{server['USER']}:{server['PASSWORD']}@{server['HOST']}:{server['PORT']}/{name}"
    )
    execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def walk(
    python: Path, database_url: str, openedx: SimulatedOpenEdx, tmp_path: Path
) -> Callable[[str], list[Any]]:
    """Migrate the host and send the events, in a mode; see SCRIPT."""
    openedx.enroll(COURSE_ID, "dana", passed=True, percent=0.9)
    for package in HOST:
        shutil.copytree(BASE_DIR / package, tmp_path / package)
    shutil.copytree(BASE_DIR / "site_tests" / "bare_host", tmp_path / "site_tests" / "bare_host")

    def send(mode: str) -> list[Any]:
        result = subprocess.run(
            [python, "-c", SCRIPT],
            cwd=tmp_path,
            env={
                "DATABASE_URL": database_url,
                "OPENEDX_API_BASE_URL": openedx.url,
                "OPENEDX_SERVICE_WORKER_API_TOKEN": openedx.token,
                "OPENEDX_CERTIFICATES_MODE": mode,
                "PATH": os.environ["PATH"],
                "DJANGO_SETTINGS_MODULE": "site_tests.bare_host.settings",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return send


def test_it_holds_the_app_alone(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()

    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"openedx_certificates"}
    assert {
        "openedx_certificates/migrations/0001_initial.py",
        "openedx_certificates/templates/admin/openedx_certificates/today.html",
        "openedx_certificates/static/openedx_certificates/today.css",
    } <= set(names)
    assert [name for name in names if "test" in name] == []


def test_it_is_installed_with_the_core_dependencies_alone(python: Path):
    listed = json.loads(_run("pip", "--python", python, "list", "--format", "json"))

    installed = {each["name"].lower() for each in listed}
    assert installed >= {*CORE, "openedx-certificates"}
    assert not installed & EXTRAS


def test_it_passes_its_checks_and_issues_a_certificate_by_the_webhook(
    python: Path, walk: Callable[[str], list[Any]]
):
    (bad, of_nobody, of_dana), rows, path = walk("all")

    # By the app's own table of errors: this host has no handler for them.
    assert (bad[0], list(bad[1])) == (400, ["error"])
    assert of_nobody == [404, {"error": "User not found."}]
    assert of_dana == [200, {"certificate_status": "created"}]
    assert rows == [1, 1]
    assert Path(path).is_relative_to(python.parent.parent)


def test_while_it_is_off_each_event_is_the_old_views(walk: Callable[[str], list[Any]]):
    replies, rows, _path = walk("off")

    assert replies == [[200, {"answered_by": "the old view"}]] * 3
    assert rows == [0, 0]


def _run(module: str, *arguments: str | Path) -> str:
    """Run a module of Python, and return what it prints."""
    quiet = ("--disable-pip-version-check",) if module == "pip" else ()
    command = [sys.executable, "-m", module, *quiet, *map(os.fspath, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
