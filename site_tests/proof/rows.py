"""A state of the specification as rows, and rows as such a state.

The specification counts ticks; here a tick of the lease is a lease's length, one of a zero the part
of 20 hours that the scope says, and so on. The clock stands still.
"""

import time
from datetime import timedelta
from itertools import cycle
from math import ceil
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connection
from django.utils import timezone

from openedx_certificates.held.backoff import GIVE_UP_AFTER, longest_wait
from openedx_certificates.models import CertificateRequest
from openedx_certificates.rules import ZERO_GRADE_CONFIRMATION
from openedx_certificates.settings import app_settings
from openedx_certificates.testing.factories import (
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    UserFactory,
)
from openedx_certificates.wire.grades import EdxGrade
from tools.proof.graph import State
from tools.proof.scopes import Scope

NONE: Final = -9
#: The leases of the process that takes the step, and of any other.
LEASES: Final = {"me": uuid4(), "other": uuid4()}
GRADES: Final[dict[str, dict[str, Any]]] = {
    "passed": {"passed": True, "percent": 0.9, "letter_grade": "A"},
    "failed": {"passed": False, "percent": 0.3, "letter_grade": None},
    "zero": {"passed": False, "percent": 0.0, "letter_grade": None},
}
#: The ways to be without a paid enrollment: its mode, whether it is active, whether the account is.
_UNPAID: Final = (("audit", True, True), ("verified", False, True), ("verified", True, False))
_STATUSES: Final = {
    "open": ("open", ""),
    "certified": ("exists", ""),
    "unpaid": ("not_eligible", "no_paid_enrollment"),
    "notpassed": ("not_eligible", "grade_not_passed"),
    "failed": ("failed", ""),
}
#: How long ago something was that does not matter.
_LONG: Final = timedelta(days=1)
_WINDOW: Final = timedelta(minutes=10)

_CLEAR: Final = """
DELETE FROM openedx_certificates_certificaterequest;
DELETE FROM openedx_certificates_courseruncertificatedeletion;
DELETE FROM openedx_certificates_zeronote;
DELETE FROM courses_courserungradeaudit;
DELETE FROM courses_courserungrade;
DELETE FROM courses_courseruncertificate;
UPDATE courses_courserunenrollment
SET enrollment_mode = %(mode)s, active = %(active)s, updated_on = %(enrolled_on)s
WHERE user_id = %(user)s;
UPDATE users_user SET is_active = %(account)s WHERE id = %(user)s;
"""
# Beside an open request it must not be taken for an answer of lately; of two settled ones the later
# is started again.
_OLDER: Final = """
INSERT INTO openedx_certificates_certificaterequest (
    user_id, course_run_id, created_on, updated_on, status, reason, settled_on, deliveries
) VALUES (
    %(user)s, %(run)s, %(now)s, %(now)s, 'not_eligible', 'no_paid_enrollment', %(older_on)s, 5
);
"""
_REQUEST: Final = """
INSERT INTO openedx_certificates_certificaterequest (
    user_id, course_run_id, created_on, updated_on, status, reason, settled_on, deliveries,
    not_passed_answers, lease, leased_until, next_attempt_on, failing_since, last_delivered_on
) VALUES (
    %(user)s, %(run)s, %(now)s, %(now)s, %(status)s, %(reason)s, %(settled_on)s, %(deliveries)s,
    %(patience)s, %(lease)s, %(leased_until)s, %(due)s, %(failing_since)s, %(delivered)s
);
"""
_GRADE: Final = """
INSERT INTO courses_courserungrade (
    user_id, course_run_id, created_on, updated_on, grade, passed, letter_grade, set_by_admin
) VALUES (
    %(user)s, %(run)s, %(now)s, %(stored_on)s, %(percent)s, %(passed)s, %(letter_grade)s, false
);
"""
_CERTIFICATE: Final = """
INSERT INTO courses_courseruncertificate (
    user_id, course_run_id, created_on, updated_on, uuid, is_revoked, issue_date
) VALUES (%(user)s, %(run)s, %(now)s, %(now)s, %(uuid)s, %(revoked)s, %(now)s);
"""
_NOTE: Final = """
INSERT INTO openedx_certificates_zeronote (certificate_uuid, reported_on, created_on, updated_on)
VALUES (%(uuid)s, %(reported_on)s, %(now)s, %(now)s);
"""
# All that the specification knows of the learner, in one row. Of two requests the open one counts.
_READ: Final = """
SELECT
    request.status, request.reason, request.lease, request.leased_until, request.deliveries,
    request.not_passed_answers AS patience, request.next_attempt_on AS due, request.settled_on,
    CASE WHEN request.failing_since IS NOT NULL
        THEN %(now)s - greatest(request.failing_since, request.last_delivered_on) END AS failing_for,
    grade.grade AS percent, grade.passed, grade.letter_grade,
    enrollment.enrollment_mode = 'verified' AND enrollment.active AND account.is_active AS paid,
    enrollment.updated_on AS enrolled_on,
    (SELECT count(*) FROM courses_courseruncertificate AS every WHERE user_id = %(user)s) AS certs,
    coalesce(certificate.is_revoked, false) AS revoked, %(now)s - note.reported_on AS zero_for
FROM courses_courserunenrollment AS enrollment
JOIN users_user AS account ON account.id = enrollment.user_id
LEFT JOIN courses_courserungrade AS grade ON grade.user_id = enrollment.user_id
LEFT JOIN courses_courseruncertificate AS certificate ON certificate.user_id = enrollment.user_id
LEFT JOIN openedx_certificates_zeronote AS note ON note.certificate_uuid = certificate.uuid
LEFT JOIN openedx_certificates_certificaterequest AS request ON request.user_id = enrollment.user_id
WHERE enrollment.user_id = %(user)s
ORDER BY (request.status = 'open') DESC, request.id DESC
LIMIT 1
"""
_RECORDS: Final = """
SELECT
    (SELECT count(*) FROM openedx_certificates_courseruncertificatedeletion),
    (SELECT count(*) FROM courses_courserungradeaudit)
"""


class Rows:
    """The learner's rows: put as a state has them, and read as one."""

    def __init__(self, scope: Scope) -> None:
        self._now = timezone.now()
        self._scope = scope
        self.user, self.other = UserFactory.create(), UserFactory.create()
        self.run = CourseRunFactory.create()
        for user in (self.user, self.other):
            CourseRunEnrollmentFactory.create(user=user, run=self.run)
        self._unpaid = cycle(_UNPAID)
        # A window is over because of the time, or because the enrollment was saved since.
        self._is_saved_since = cycle((False, True))
        self._lease = timedelta(seconds=app_settings.REQUEST_LEASE)
        # In the specification a wait is one tick, and none is longer than two.
        self._wait = longest_wait() / 2
        self._zero = ZERO_GRADE_CONFIRMATION / scope.zero
        self._give_up = GIVE_UP_AFTER / scope.give_up

    def put(self, state: State) -> None:
        """Have the learner's rows as the state has them, and no others."""
        row, now, statements = state["row"], self._now, [_CLEAR]
        values: dict[str, Any] = {
            "user": self.user.pk,
            "run": self.run.pk,
            "now": now,
            "enrolled_on": now - _LONG,
        }
        mode = ("verified", True, True) if state["paid"] else next(self._unpaid)
        values |= dict(zip(("mode", "active", "account"), mode, strict=True))
        if row["status"] != "none":
            statements += [_OLDER, _REQUEST]
            values["older_on"] = now - (_WINDOW / 2 if row["status"] == "open" else _LONG)
            values |= self._request(row)
            if row["status"] == "certified" and state["revoked"]:
                values["status"] = "revoked"
        if state["grade"] != "none":
            statements.append(_GRADE)
            # An answer that is late was asked for an hour ago.
            is_late = state["me"] and state["me"]["late"]
            values |= GRADES[state["grade"]]
            values["stored_on"] = now - (timedelta(minutes=30) if is_late else _LONG)
        if state["certs"]:
            statements.append(_CERTIFICATE)
            values |= {"uuid": uuid4(), "revoked": state["revoked"]}
        if state["note"] != NONE:
            statements.append(_NOTE)
            values["reported_on"] = now - state["note"] * self._zero
        with connection.cursor() as cursor:
            cursor.execute("".join(statements), values)

    def read(self) -> State:
        """Return the learner's rows as a state has them."""
        with connection.cursor() as cursor:
            cursor.execute(_READ, {"user": self.user.pk, "now": self._now})
            columns = [column.name for column in cursor.description]
            found = SimpleNamespace(**dict(zip(columns, cursor.fetchone(), strict=True)))
        names = {known: name for name, known in _STATUSES.items()}
        status, is_open = found.status, found.status == "open"
        # How a certificate came to be is of no interest here.
        is_certified = status in ("created", "exists", "revoked")
        name = "certified" if is_certified else names.get((status, found.reason), "none")
        return {
            "row": {
                "status": "open" if is_open else name,
                "lease": "none" if found.lease is None else _name_of(found.lease),
                "left": self._left(found) if is_open or name == "unpaid" else 0,
                "n": found.deliveries if is_open else 0,
                "patience": found.patience if is_open else 0,
                "due": _until(found.due - self._now, self._wait) if is_open else 0,
                "failing": _since(found.failing_for, self._give_up, self._scope.give_up)
                if is_open
                else NONE,
            },
            "grade": _name_of_grade(found),
            "paid": found.paid,
            "certs": found.certs,
            "revoked": found.revoked,
            "note": _since(found.zero_for, self._zero, self._scope.zero),
        }

    def count_records(self) -> tuple[int, int]:
        """Return how many deletions of a certificate, and changes of a grade, are recorded."""
        with connection.cursor() as cursor:
            cursor.execute(_RECORDS)
            deletions, audits = cursor.fetchone()
        return deletions, audits

    def claimed(self, state: State) -> CertificateRequest:
        """Return the request as the process has it that claimed it, whatever has become of it since."""
        request = CertificateRequest.objects.latest("pk")
        request.user, request.course_run = self.user, self.run
        request.deliveries = state["me"]["n"]
        request.not_passed_answers = state["row"]["patience"]
        request.last_attempt_on = self._now
        # The first failure alone does not end it, if an event came since.
        request.failing_since = self._now - GIVE_UP_AFTER
        request.last_delivered_on = self._now - (state["me"]["old"] * GIVE_UP_AFTER)
        return request

    def answer(self, state: State) -> EdxGrade:
        """Return what Open edX has told the process."""
        told = state["me"]["told"]
        return self.grade(
            told, asked_ago=timedelta(hours=1) if state["me"]["late"] else timedelta(0)
        )

    def grade(self, name: str, *, asked_ago: timedelta = timedelta(0)) -> EdxGrade:
        """Return the grade with this name, asked for so long ago."""
        return EdxGrade(
            username=str(self.user.edx_username),
            course_id=self.run.courseware_id,
            asked_at=time.monotonic() - asked_ago.total_seconds(),
            **GRADES[name],
        )

    def _request(self, row: dict[str, Any]) -> dict[str, Any]:
        status, reason = _STATUSES[row["status"]]
        now, failing = self._now, row["failing"]
        enrolled_on = now - 2 * _LONG
        settled_on = None if row["status"] == "open" else now - _WINDOW / 2
        if row["status"] == "unpaid":
            # One tick of the window is left, none, or it is to come: a clock was ahead.
            settled_on = now + (row["left"] - 1.5) * _WINDOW
            if not row["left"] and next(self._is_saved_since):
                settled_on, enrolled_on = now - _WINDOW / 2, now - _WINDOW / 4
        lease = LEASES.get(row["lease"])
        since = now - max(failing, 0) * self._give_up
        return {
            "status": status,
            "reason": reason,
            "enrolled_on": enrolled_on,
            "settled_on": settled_on,
            "deliveries": row["n"],
            "patience": row["patience"],
            "lease": lease,
            "leased_until": now + row["left"] * self._lease if lease else None,
            "due": now + row["due"] * self._wait,
            "failing_since": None if failing == NONE else since - _LONG,
            "delivered": since,
        }

    def _left(self, found: SimpleNamespace) -> int:
        """Return how much is left of the lease, or of the time in which an answer is repeated."""
        if found.status == "open":
            left = found.leased_until and _until(found.leased_until - self._now, self._lease)
            return left or 0
        if found.settled_on < found.enrolled_on <= self._now:
            return 0
        return _until(found.settled_on + _WINDOW - self._now, _WINDOW)


def _until(wait: timedelta, tick: timedelta) -> int:
    # Three is as far away as a moment can be, and counts as none.
    return min(max(ceil(wait / tick), 0), 3)


def _since(ago: timedelta | None, tick: timedelta, most: int) -> int:
    return NONE if ago is None else min(ago // tick, most)


def _name_of_grade(found: SimpleNamespace) -> str:
    if found.percent is None:
        return "none"
    stored = {name: getattr(found, name) for name in ("passed", "percent", "letter_grade")}
    return next((name for name, values in GRADES.items() if values == stored), "odd")


def _name_of(lease: UUID) -> str:
    return next((name for name, known in LEASES.items() if known == lease), "new")
