"""The app in a host without any of our site, and without the libraries that are extras."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from courses.models import CourseRun, CourseRunCertificate
from main.settings import BASE_DIR
from openedx_certificates.models import CertificateRequest
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

EXTRAS = [
    *(
        "csp",
        "django_structlog",
        "drf_spectacular_sidecar",
        "health_check",
        "main",
        "prometheus_client",
    ),
    *("psycopg_pool", "structlog", "tqdm", "whitenoise"),
]
SCRIPT = """
import io, json, sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {extras}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, NotInstalled())
import django
django.setup()
from django.core.management import call_command
from django.test import Client

call_command("check", "--fail-level", "WARNING", stdout=io.StringIO())
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

# By the app's own table of errors: this host has no handler for them.
replies = [post("no JSON"), post({{"email": "x@example.com", "course_id": "none"}}), post({event})]
call_command("process_certificate_requests", stdout=io.StringIO())
print(json.dumps(replies))
"""


@pytest.fixture
def replies(
    production: dict[str, str], openedx: SimulatedOpenEdx, dana: User, run: CourseRun
) -> Callable[[str], list[Any]]:
    """Send a bad event, one of nobody, and Dana's, in a mode, and return what is answered."""

    def send(mode: str) -> list[Any]:
        event = {"email": dana.email, "course_id": run.courseware_id}
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(extras=EXTRAS, event=event)],
            cwd=BASE_DIR,
            env={
                **{name: production[name] for name in ("DATABASE_URL", "OPENEDX_API_BASE_URL")},
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


def test_it_passes_its_checks_and_issues_a_certificate_by_the_webhook(
    replies: Callable[[str], list[Any]], dana: User
):
    bad, of_nobody, of_dana = replies("all")

    assert (bad[0], list(bad[1])) == (400, ["error"])
    assert of_nobody == [404, {"error": "User not found."}]
    assert of_dana == [200, {"certificate_status": "created"}]
    assert CourseRunCertificate.objects.get().user == dana


def test_while_it_is_off_each_event_is_the_old_views(replies: Callable[[str], list[Any]]):
    assert replies("off") == [[200, {"answered_by": "the old view"}]] * 3
    assert not CertificateRequest.objects.exists()
