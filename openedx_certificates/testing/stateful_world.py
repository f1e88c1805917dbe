"""Makers of the stateful test's world: the model's learners as rows, and over at Open edX."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.test import Client, override_settings
from django.urls import reverse
from oauth2_provider.models import AccessToken

from courses.models import (
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
    CourseRunGrade,
    CourseRunGradeAudit,
)
from openedx_certificates.models import (
    CertificateRequest,
    CourseRunCertificateDeletion,
    OpenEdxPause,
)
from openedx_certificates.testing.factories import (
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import FAILED, PASSED, ZERO, Clock
from openedx_certificates.testing.stateful_model import Model, Reply, Seat
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

TOKEN = "staff-token"
Row = TypeVar("Row", CertificateRequest, CourseRunCertificate)

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
AVAILABLE_ON = {"due": START - timedelta(days=1), "not due": START + timedelta(days=10)}
LEARNERS = ("ada", "ben", "cleo")
SEATS = [(learner, run) for learner in LEARNERS for run in AVAILABLE_ON]
GRADES: dict[str, dict[str, Any]] = {"passed": PASSED, "failed": FAILED, "zero": ZERO}


class World:
    """Real learners, runs, requests and questions by the names the model gives them."""

    def __init__(
        self,
        openedx: SimulatedOpenEdx,
        client: Client,
        staff: User,
        clock: Clock,
    ) -> None:
        self.openedx, self.staff, self.clock = openedx, staff, clock
        self._client = client
        self.users = {name: UserFactory.create() for name in LEARNERS}
        self.runs = {
            name: CourseRunFactory.create(certificate_available_date=available_on)
            for name, available_on in AVAILABLE_ON.items()
        }
        for learner, run in SEATS:
            CourseRunEnrollmentFactory.create(user=self.users[learner], run=self.runs[run])
        self._token = AccessToken.objects.create(
            user=staff, token=TOKEN, expires=START + timedelta(days=10_000), scope="read write"
        ).token
        self._names = {user.edx_username: name for name, user in self.users.items()}
        self._names |= {run.courseware_id: name for name, run in self.runs.items()}
        self._keys = {(self.find(seat)[1].pk, self.find(seat)[0].pk): seat for seat in SEATS}

    def clean(self) -> None:
        """Have everybody enrolled and paid, and nothing else, as it was at the start."""
        for model in (CertificateRequest, OpenEdxPause, CourseRunCertificateDeletion):
            model.objects.all().delete()
        CourseRunCertificate.all_objects.all().delete()
        CourseRunGradeAudit.objects.all().delete()
        CourseRunGrade.objects.all().delete()
        CourseRunEnrollment.all_objects.update(enrollment_mode="verified", active=True)
        self.openedx.clear_fault()
        self.openedx.clear_requests()
        self.clock.move_to(START)

    def grade(self, seat: Seat, grade: str) -> None:
        """Have Open edX know the learner's grade."""
        run, user = self.find(seat)
        self.openedx.enroll(run.courseware_id, str(user.edx_username), **GRADES[grade])

    def find(self, seat: Seat) -> tuple[CourseRun, User]:
        """Return the run and the learner."""
        return self.runs[seat[1]], self.users[seat[0]]

    def requests_of(self, seat: Seat) -> QuerySet[CertificateRequest]:
        """Return the learner's requests of the run, oldest first."""
        run, user = self.find(seat)
        return CertificateRequest.objects.filter(course_run=run, user=user).order_by("pk")

    def find_requests(self) -> dict[Seat, list[CertificateRequest]]:
        """Return everybody's requests, oldest first."""
        return self._by_seat(CertificateRequest.objects.order_by("pk"))

    def find_certificates(self) -> dict[Seat, list[CourseRunCertificate]]:
        """Return everybody's certificates, revoked or not."""
        return self._by_seat(CourseRunCertificate.all_objects.all())

    def knock(self, seat: Seat, *, is_async: bool) -> Reply:
        """Post an event, and return the reply."""
        run, user = self.find(seat)
        with override_settings(OPENEDX_CERTIFICATES_WEBHOOK_ASYNC=is_async):
            reply = self._client.post(
                reverse("openedx-certificate-webhook"),
                {"email": user.email, "course_id": run.courseware_id},
                content_type="application/json",
                headers={"authorization": f"Bearer {self._token}"},
            )
        return reply.status_code, reply.json()

    def set_faults(self, faults: dict[str | None, str], *first: Fault) -> None:
        """Have Open edX fail in these ways, a learner's own before everybody's, and no other."""
        own = [
            Fault.parse(word, on=f"username:{self.users[learner].edx_username}")
            for learner, word in faults.items()
            if learner is not None
        ]
        everybodys = [Fault.parse(faults[None])] if None in faults else []
        self.openedx.set_fault(*first, *own, *everybodys)

    def take_questions(self, model: Model) -> list[Seat]:
        """Return the learners that were asked for since the last time; a question that was retried is one."""
        asked: list[Seat] = []
        for request in self.openedx.requests:
            if request.username is None:
                continue
            seat = self._names[request.username], self._names[request.course_id]
            if asked[-1:] != [seat] or model.find_fault(seat) != "close":
                asked.append(seat)
        self.openedx.clear_requests()
        return asked

    def _by_seat(self, rows: Iterable[Row]) -> dict[Seat, list[Row]]:
        found: dict[Seat, list[Row]] = {seat: [] for seat in SEATS}
        for row in rows:
            found[self._keys[row.user_id, row.course_run_id]].append(row)
        return found
