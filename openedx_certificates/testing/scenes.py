"""Fixtures for the rules: a run, and people in it."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
import time_machine
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    UserFactory,
    ZeroNoteFactory,
)
from tools.simulator import SimulatedOpenEdx
from users.models import User

Enrolls = Callable[..., User]
Clock = time_machine.Traveller
Result = TypeVar("Result")
_DATABASE_NOW = re.compile(r"(statement|clock)_timestamp\(\)", re.IGNORECASE)
PASSED = {"passed": True, "percent": 0.9, "letter_grade": "A"}
FAILED = {"passed": False, "percent": 0.3, "letter_grade": None}
ZERO = {"passed": False, "percent": 0.0, "letter_grade": None}


@pytest.fixture
def run(db: None) -> CourseRun:
    """A live, instructor-paced run with certificates due since yesterday."""
    return CourseRunFactory.create(courseware_id="course-v1:MITx+6.00x+1T2026")


@pytest.fixture
def enrolled(openedx: SimulatedOpenEdx) -> Enrolls:
    """Make a learner with a paid enrollment here, and with a grade over there."""

    def make(
        run: CourseRun,
        *,
        mode: str = "verified",
        active: bool = True,
        user: User | None = None,
        **grade: Any,
    ) -> User:
        learner = user or UserFactory.create()
        CourseRunEnrollmentFactory.create(
            user=learner, run=run, enrollment_mode=mode, active=active
        )
        openedx.enroll(run.courseware_id, str(learner.edx_username), **(grade or PASSED))
        return learner

    return make


@pytest.fixture
def certificate(db: None) -> CourseRunCertificate:
    """Ana's certificate of statistics."""
    return CourseRunCertificateFactory.create(
        user__name="Ana Díaz",
        user__username="ana.the.learner",
        user__email="ana@example.net",
        course_run__courseware_id="course-v1:MITxT+18.6501x+R1",
        course_run__title="Statistics in spring",
        course_run__course__title="Fundamentals of Statistics",
        course_run__course__readable_id="course-v1:MITxT+18.6501x",
        # In New York it is still the 24th.
        issue_date=datetime(2026, 11, 25, 1, 30, tzinfo=UTC),
    )


@contextmanager
def travel(moment: datetime, *, tick: bool = False) -> Iterator[Clock]:
    """Let it be that moment for the block, by Python's clock and by the database's.

    The database's is moved as far as our statements ask for it: what they call `now` is Python's.
    Connections made before, by other threads than the caller's, keep their own.
    """
    moved: list[BaseDatabaseWrapper] = []

    def tell(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        return execute(_DATABASE_NOW.sub(f"timestamptz '{timezone.now().isoformat()}'", sql), *args)

    def move(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
        if tell not in connection.execute_wrappers:
            connection.execute_wrappers.append(tell)
            moved.append(connection)

    with time_machine.travel(moment, tick=tick) as traveller:
        connection_created.connect(move)
        move(connections["default"])
        try:
            yield traveller
        finally:
            connection_created.disconnect(move)
            for each in moved:
                each.execute_wrappers.remove(tell)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that stands still from now on, and is moved by hand; the database's goes by it."""
    with travel(timezone.now()) as traveller:
        yield traveller


def certify(
    user: User, run: CourseRun, *, zero_reported_on: datetime | None, **fields: Any
) -> CourseRunCertificate:
    """Give the learner a certificate of the run, and note when a 0.0 was reported for it."""
    certificate: CourseRunCertificate = CourseRunCertificateFactory.create(
        user=user, course_run=run, **fields
    )
    if zero_reported_on is not None:
        ZeroNoteFactory.create(certificate_uuid=certificate.uuid, reported_on=zero_reported_on)
    return certificate


def has_certificate(user: User, run: CourseRun) -> bool:
    """Whether the learner has a valid certificate of the run."""
    return CourseRunCertificate.objects.filter(user=user, course_run=run).exists()


def request_of(user: User, run: CourseRun) -> CertificateRequest:
    """Return the learner's only request of the run, as it is in the database."""
    return CertificateRequest.objects.get(user=user, course_run=run)


def in_thread(act: Callable[[], Result]) -> Callable[[], Result]:
    """Let a thread run the act, and give the thread's connection back at its end."""

    def run_it() -> Result:
        try:
            return act()
        finally:
            connection.close()

    return run_it


def at_once(*acts: Callable[[], Result]) -> list[Result]:
    """Run the acts in threads that start together, and return what each returned."""
    start = threading.Barrier(len(acts))

    def run_one(act: Callable[[], Result]) -> Result:
        start.wait()
        return in_thread(act)()

    with ThreadPoolExecutor(len(acts)) as executor:
        return [future.result() for future in [executor.submit(run_one, act) for act in acts]]
