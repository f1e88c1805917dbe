"""What the webhook is measured against: (c), the barest honest way, a WSGI function with psycopg.

It keeps the promise, with the fewest statements that do: one look, one row that is committed before
Open edX is asked, one statement that stores what came of it. It knows neither refusals nor failures,
writes no log, counts nothing, and nobody is to run it.
"""

import hashlib
import http.client
import json
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlsplit

import psycopg

# As many as the site's own pool has.
_CONNECTIONS: Final = 10
_OPENEDX: Final = urlsplit(os.environ["OPENEDX_API_BASE_URL"])
_HEADERS: Final = {"Authorization": f"Bearer {os.environ['OPENEDX_SERVICE_WORKER_API_TOKEN']}"}
_LOOK: Final = """
SELECT learner.id, run.id, account.edx_username, certificate.is_revoked
FROM oauth2_provider_accesstoken AS token
JOIN users_user AS caller ON caller.id = token.user_id AND caller.is_staff AND caller.is_active
JOIN users_user AS learner ON LOWER(learner.email) = LOWER(%(email)s)
JOIN courses_courserun AS run ON run.courseware_id = %(course_id)s
JOIN openedx_openedxuser AS account ON account.user_id = learner.id
LEFT JOIN courses_courseruncertificate AS certificate
    ON certificate.user_id = learner.id AND certificate.course_run_id = run.id
WHERE token.token_checksum = %(checksum)s AND token.expires > now()
"""
_HOLD: Final = """
INSERT INTO openedx_certificates_certificaterequest AS held (
    user_id, course_run_id, created_on, updated_on, attempts, leased_until, lease
)
VALUES (%(user)s, %(run)s, now(), now(), 1, now() + interval '2 minutes', gen_random_uuid())
ON CONFLICT (user_id, course_run_id) WHERE status = 'open'
DO UPDATE SET deliveries = held.deliveries + 1, updated_on = now()
RETURNING id
"""
_SETTLE: Final = """
WITH paid AS (
    SELECT enrollment.id FROM courses_courserunenrollment AS enrollment
    JOIN users_user AS account ON account.id = enrollment.user_id AND account.is_active
    WHERE enrollment.user_id = %(user)s AND run_id = %(run)s
    AND active AND enrollment_mode = 'verified'
    FOR NO KEY UPDATE OF enrollment
), stored AS (
    INSERT INTO courses_courserungrade (
        user_id, course_run_id, grade, letter_grade, passed, set_by_admin, created_on, updated_on
    )
    VALUES (%(user)s, %(run)s, %(percent)s, %(letter)s, %(passed)s, false, now(), now())
    ON CONFLICT (user_id, course_run_id) DO UPDATE SET
        grade = EXCLUDED.grade, passed = EXCLUDED.passed, updated_on = now()
    WHERE NOT courses_courserungrade.set_by_admin
    RETURNING passed AND grade > 0 AS is_earned
), issued AS (
    INSERT INTO courses_courseruncertificate (
        user_id, course_run_id, uuid, is_revoked, issue_date, created_on, updated_on
    )
    SELECT %(user)s, %(run)s, gen_random_uuid(), false, now(), now(), now()
    FROM paid, stored WHERE is_earned
    ON CONFLICT DO NOTHING
    RETURNING uuid
)
UPDATE openedx_certificates_certificaterequest
SET status = 'created', settled_on = now(), updated_on = now(), lease = NULL, leased_until = NULL
FROM issued
WHERE id = %(request)s
"""

_places: Final = threading.Semaphore(_CONNECTIONS)
_idle: Final[queue.LifoQueue[psycopg.Connection[Any]]] = queue.LifoQueue()
_local: Final = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer an event as the webhook does."""
    if environ["REQUEST_METHOD"] != "POST":
        return _reply(start_response, "405 Method Not Allowed", {})
    event = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    token = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    checksum = hashlib.sha256(token.encode()).hexdigest()
    with _connection() as connection:
        found = connection.execute(_LOOK, {**event, "checksum": checksum}).fetchone()
        if found is None:
            return _reply(start_response, "404 Not Found", {})
        user, run, username, is_revoked = found
        if is_revoked is not None:
            status = "revoked" if is_revoked else "exists"
            return _reply(start_response, "200 OK", {"certificate_status": status})
        learner = {"user": user, "run": run}
        ((request,),) = connection.execute(_HOLD, learner).fetchall()
    grade = _ask_openedx(event["course_id"], username)
    values = {
        **learner,
        "request": request,
        "percent": grade["percent"],
        "letter": grade["letter_grade"],
        "passed": grade["passed"],
    }
    with _connection() as connection:
        is_settled = connection.execute(_SETTLE, values).rowcount
    status = "created" if is_settled else "not_eligible"
    return _reply(start_response, "200 OK", {"certificate_status": status})


def _ask_openedx(course_id: str, username: str) -> dict[str, Any]:
    if not hasattr(_local, "openedx"):
        _local.openedx = http.client.HTTPConnection(_OPENEDX.netloc, timeout=10)
    path = f"/api/grades/v1/courses/{quote(course_id, safe='')}/?username={quote(username)}"
    _local.openedx.request("GET", path, headers=_HEADERS)
    (grade,) = json.loads(_local.openedx.getresponse().read())
    return dict(grade)


@contextmanager
def _connection() -> Iterator[psycopg.Connection[Any]]:
    with _places:
        try:
            connection = _idle.get_nowait()
        except queue.Empty:
            connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        yield connection
        _idle.put(connection)


def _reply(start_response: Callable[..., Any], status: str, body: dict[str, str]) -> list[bytes]:
    content = json.dumps(body).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    start_response(status, headers)
    return [content]
