"""schemathesis makes up requests by the staff's schema, and the running site answers as it says.

It loads the schema from the site, and checks of each reply whether it is one the schema tells of, in
status, headers and body; that what the schema allows is taken, and what it forbids refused; that no
method but POST and no caller without a token gets through; and that nothing is a 500.
"""

import base64
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from courses.factories import CourseRunCertificateFactory, CourseRunEnrollmentFactory
from courses.models import CourseRun
from site_tests.processes import Programs
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS_MIN = 2_000
# Of schemathesis's own choosing, for each of the two webhooks; some come on top, and always do.
EXAMPLES = 950
PATIENCE_SECONDS = 540
PASSED = {"passed": True, "percent": 0.9, "letter_grade": "A"}
FAILED = {"passed": False, "percent": 0.3, "letter_grade": None}
# By learner, what Open edX says: of the last ones nothing.
GRADES = {"passed": PASSED, "failed": FAILED, "unpaid": PASSED, "untold": None, "revoked": None}


@pytest.fixture
def emails(run: CourseRun, openedx: SimulatedOpenEdx) -> list[str]:
    """Learners that get each of the certificate webhook's replies."""
    users = {
        name: UserFactory.create(openedx_user__edx_username=name, email=f"{name}@example.com")
        for name in GRADES
    }
    for name, user in users.items():
        if name != "unpaid":
            CourseRunEnrollmentFactory.create(user=user, run=run)
        if grade := GRADES[name]:
            openedx.enroll(run.courseware_id, name, **grade)
    CourseRunCertificateFactory.create(user=users["revoked"], course_run=run, is_revoked=True)
    return [user.email for user in users.values()]


def test_no_request_made_up_by_the_schema_gets_a_reply_it_does_not_tell_of(
    programs: Programs, run: CourseRun, emails: list[str], tmp_path: Path
):
    # Half of the made-up events are about a learner known here, half about a known run. What
    # the schema forbids is refused before it is looked up: no 404.
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(f"""
        [dictionaries]
        emails = {{ values = {json.dumps(emails)} }}
        course_ids = {{ values = {json.dumps([run.courseware_id])} }}
        [parameters]
        "body.email" = {{ dictionary = "emails", probability = 0.5 }}
        "body.course_id" = {{ dictionary = "course_ids", probability = 0.5 }}
        [checks]
        positive_data_acceptance.expected-statuses = ["2xx", "404"]
        negative_data_rejection.expected-statuses = ["400", "401", "405", "415"]
        """)
    report = tmp_path / "report.ndjson"
    server = programs.start_web_server()

    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={configuration}", "run"),
            f"{server.url}/api/schema/webhooks/",
            f"--header=Authorization: Bearer {server.token}",
            # The same requests each time.
            "--generation-deterministic",
            f"--max-examples={EXAMPLES}",
            "--checks=all",
            "--continue-on-failure",
            f"--report-ndjson-path={report}",
        ],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    replies = read_replies(report)
    statuses = Counter(reply["status_code"] for reply in replies)
    assert statuses.total() >= REQUESTS_MIN, statuses
    assert set(statuses) == {200, 201, 202, 400, 401, 404, 405, 415}
    bodies = [read_body(reply) for reply in replies]
    outcomes = {body.get("reason") or body.get("certificate_status") for body in bodies} - {None}
    assert outcomes == {
        *("created", "exists", "revoked", "deferred"),
        *("grade_not_passed", "no_paid_enrollment"),
    }
    assert "Traceback" not in server.words


def read_replies(report: Path) -> list[dict[str, Any]]:
    """Return the replies to all requests, in their order."""
    events = [json.loads(line) for line in report.read_text().splitlines()]
    scenarios = [event["ScenarioFinished"] for event in events if "ScenarioFinished" in event]
    return [
        interaction["response"]
        for scenario in scenarios
        for interaction in scenario["recorder"]["interactions"].values()
    ]


def read_body(reply: dict[str, Any]) -> dict[str, Any]:
    return json.loads(base64.b64decode(reply["content"]["$base64"]))
