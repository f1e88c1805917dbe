"""The app in a host without any of our site, and without the libraries that are extras."""

import json
import os
import subprocess
import sys

import pytest

from courses.models import CourseRun, CourseRunCertificate
from main.settings import BASE_DIR
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
reply = Client().post(
    "/api/openedx_webhook/certificate/",
    {event},
    content_type="application/json",
    headers={{"authorization": "Bearer " + token.getvalue().strip()}},
)
done = io.StringIO()
call_command("process_certificate_requests", stdout=done)
print(json.dumps([reply.status_code, reply.json()]))
"""


def test_it_passes_its_checks_and_issues_a_certificate_by_the_webhook(
    production: dict[str, str], openedx: SimulatedOpenEdx, dana: User, run: CourseRun
):
    event = {"email": dana.email, "course_id": run.courseware_id}

    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(extras=EXTRAS, event=event)],
        cwd=BASE_DIR,
        env={
            **{name: production[name] for name in ("DATABASE_URL", "OPENEDX_API_BASE_URL")},
            "OPENEDX_SERVICE_WORKER_API_TOKEN": openedx.token,
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "site_tests.bare_host.settings",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer == [200, {"certificate_status": "created"}]
    assert CourseRunCertificate.objects.get().user == dana
