"""Two transactions over one learner that overlap: the second waits, and acts on what is true then."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import TypeVar

import pytest
from django.db import connection, transaction

from courses import api as courses_api
from courses.models import (
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
    CourseRunEnrollmentAudit,
    CourseRunGrade,
    CourseRunGradeAudit,
)
from openedx_certificates.api import (
    ensure_course_run_grade,
    manage_course_run_certificate_access,
    override_user_grade,
    process_course_run_grade_certificate,
)
from openedx_certificates.issuing.fetching import GradePage
from openedx_certificates.issuing.learner import issue_for_grade
from openedx_certificates.issuing.pages import LearnerResult, apply_page
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.rules import Terms
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import at_once, in_thread
from openedx_certificates.wire.grades import EdxGrade
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

Result = TypeVar("Result")
PATIENCE_SECONDS = 10
SOMEBODY_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"


def overlap(first: Callable[[], object], second: Callable[[], Result]) -> Result:
    """Commit `first` only when `second` waits for it, and return what `second` returned."""
    has_acted = threading.Event()

    def run_first() -> None:
        try:
            with transaction.atomic():
                first()
                has_acted.set()
                wait_until_somebody_waits()
        finally:
            connection.close()

    def run_second() -> Result:
        try:
            assert has_acted.wait(PATIENCE_SECONDS)
            return second()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as executor:
        one, other = executor.submit(run_first), executor.submit(run_second)
        one.result()
        return other.result()


def wait_until_somebody_waits() -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute(SOMEBODY_WAITS)
            if cursor.fetchone()[0]:
                return
        # PostgreSQL does not tell that a statement has begun to wait.
        time.sleep(0.005)
    raise AssertionError("Nobody waits for the first transaction.")


def reported(percent: float, *, passed: bool) -> SimpleNamespace:
    return SimpleNamespace(percent=percent, passed=passed, letter_grade=None)


@pytest.fixture
def run(transactional_db: None) -> CourseRun:
    return CourseRunFactory.create(self_paced=True)


@pytest.fixture
def dana(run: CourseRun) -> User:
    """A learner with a paid enrollment."""
    dana = UserFactory.create()
    CourseRunEnrollmentFactory.create(user=dana, run=run)
    return dana


def test_a_sync_does_not_overwrite_an_override_it_has_not_seen(dana: User, run: CourseRun):
    CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.5)

    overlap(
        lambda: override_user_grade(dana, 0.9, "A", run.courseware_id),
        lambda: ensure_course_run_grade(dana, run, reported(0.2, passed=False), should_update=True),
    )

    grade = CourseRunGrade.objects.get()
    assert (grade.grade, grade.set_by_admin) == (0.9, True)


def test_an_answer_does_not_overwrite_the_grade_that_it_has_waited_for(dana: User, run: CourseRun):
    CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.2, passed=False)
    first, second = (
        EdxGrade("dana", run.courseware_id, passed=percent > 0.5, percent=percent, letter_grade="")
        for percent in (0.9, 0.3)
    )

    overlap(
        lambda: issue_for_grade(dana.pk, run, first, Terms()),
        lambda: issue_for_grade(dana.pk, run, second, Terms()),
    )

    assert CourseRunGrade.objects.get().grade == 0.9


def test_an_override_acts_on_the_grade_as_a_sync_left_it(dana: User, run: CourseRun):
    CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.4, passed=False)

    overlap(
        lambda: ensure_course_run_grade(dana, run, reported(0.6, passed=True), should_update=True),
        lambda: override_user_grade(dana, 0.9, "A", run.courseware_id),
    )

    assert CourseRunGrade.objects.get().passed
    assert CourseRunGradeAudit.objects.latest("pk").data_before["grade"] == 0.6


def test_a_certificate_is_not_created_for_a_grade_that_was_just_taken_away(
    dana: User, run: CourseRun
):
    grade = CourseRunGradeFactory.create(user=dana, course_run=run)

    result = overlap(
        lambda: override_user_grade(dana, 0.0, None, run.courseware_id),
        lambda: process_course_run_grade_certificate(grade),
    )

    assert result == (None, False, False)
    assert not CourseRunCertificate.all_objects.exists()


def test_a_certificate_that_was_just_revoked_is_not_deleted(dana: User, run: CourseRun):
    grade = CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.0, passed=False)
    CourseRunCertificateFactory.create(user=dana, course_run=run)

    overlap(
        lambda: manage_course_run_certificate_access(dana, run.courseware_id, True),
        lambda: process_course_run_grade_certificate(grade),
    )

    assert CourseRunCertificate.all_objects.get().is_revoked
    assert not CourseRunCertificateDeletion.objects.exists()


def test_a_certificate_that_was_just_deleted_can_not_be_revoked(dana: User, run: CourseRun):
    grade = CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.0, passed=False)
    CourseRunCertificateFactory.create(user=dana, course_run=run)

    is_there = overlap(
        lambda: process_course_run_grade_certificate(grade),
        lambda: manage_course_run_certificate_access(dana, run.courseware_id, True),
    )

    assert is_there is False
    assert CourseRunCertificateDeletion.objects.count() == 1


def test_a_certificate_that_somebody_else_inserts_meanwhile_is_the_one(dana: User, run: CourseRun):
    grade = CourseRunGradeFactory.create(user=dana, course_run=run)

    certificate, created, _ = overlap(
        lambda: CourseRunCertificateFactory.create(user=dana, course_run=run),
        lambda: process_course_run_grade_certificate(grade),
    )

    assert not created
    assert certificate == CourseRunCertificate.all_objects.get()


@pytest.mark.site("A host changes and mirrors enrollments by functions of its own.")
def test_an_event_mirrors_the_enrollment_as_an_administrator_left_it(
    dana: User, run: CourseRun, admin_user: User
):
    overlap(
        lambda: courses_api.change_enrollment(dana, run, acting_user=admin_user, active=False),
        lambda: courses_api.create_local_enrollment(dana, run, mode="verified"),
    )

    assert CourseRunEnrollment.objects.filter(user=dana).exists()
    change = CourseRunEnrollmentAudit.objects.latest("pk")
    assert (change.data_before["active"], change.data_after["active"]) == (False, True)


@pytest.mark.site("The lock time-out is the site's setting.")
def test_a_lock_that_is_held_for_long_is_not_waited_for_for_ever(dana: User, run: CourseRun):
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")

        assert cursor.fetchone() == ("1s",)


class TestAPageOfASweep:
    """A learner settled elsewhere at the same moment does not disturb the others of the page."""

    def sweep(self, run: CourseRun, *learners: User) -> list[LearnerResult]:
        grades = [
            (EdxGrade(str(learner.pk), run.courseware_id, True, 0.9, "A"), learner.pk)
            for learner in learners
        ]
        return apply_page(GradePage(grades, []), run, is_due=True, may_delete=False)

    @pytest.fixture
    def others(self, run: CourseRun) -> list[User]:
        others = UserFactory.create_batch(3)
        for other in others:
            CourseRunEnrollmentFactory.create(user=other, run=run)
        return others

    def test_a_new_grade_and_certificate_of_a_webhook_are_taken_as_they_are(
        self, dana: User, others: list[User], run: CourseRun
    ):
        def issue() -> None:
            grade, _, _ = ensure_course_run_grade(dana, run, reported(0.8, passed=True))
            process_course_run_grade_certificate(grade)

        results = overlap(issue, lambda: self.sweep(run, dana, *others))

        assert {result.user: result.certificate for result in results} == {
            dana.pk: "exists",
            **{other.pk: "created" for other in others},
        }
        assert CourseRunCertificate.all_objects.count() == 4
        # The webhook's grade came first, and the sweep's is a change of it.
        assert CourseRunGrade.objects.get(user=dana).grade == 0.9
        assert CourseRunGradeAudit.objects.get().course_run_grade.user == dana

    def test_a_grade_an_administrator_just_set_decides(
        self, dana: User, others: list[User], run: CourseRun
    ):
        results = overlap(
            lambda: override_user_grade(dana, 0.0, None, run.courseware_id),
            lambda: self.sweep(run, dana, *others),
        )

        assert {result.certificate for result in results if result.user == dana.pk} == {
            "grade_not_passed"
        }
        assert CourseRunGrade.objects.get(user=dana).set_by_admin
        assert CourseRunCertificate.all_objects.count() == 3

    def test_a_certificate_that_appears_without_its_grade_is_not_doubled(
        self, dana: User, others: list[User], run: CourseRun
    ):
        results = overlap(
            lambda: CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=True),
            lambda: self.sweep(run, dana, *others),
        )

        assert {result.user: result.certificate for result in results}[dana.pk] == "revoked"
        assert CourseRunCertificate.all_objects.get(user=dana).is_revoked
        assert CourseRunCertificate.all_objects.count() == 4

    def test_two_pages_of_the_same_learners_in_another_order_are_in_no_deadlock(
        self, others: list[User], run: CourseRun
    ):
        for other in others:
            CourseRunGradeFactory.create(user=other, course_run=run, grade=0.5)

        at_once(*[lambda: self.sweep(run, *others), lambda: self.sweep(run, *reversed(others))] * 4)

        assert CourseRunCertificate.all_objects.count() == 3
        assert CourseRunGradeAudit.objects.count() == 3

    @pytest.mark.site("The lock time-out is the site's setting.")
    def test_a_learner_whose_row_somebody_keeps_locked_stops_nobody_else(
        self, dana: User, others: list[User], run: CourseRun, caplog: pytest.LogCaptureFixture
    ):
        for learner in (dana, *others):
            CourseRunGradeFactory.create(user=learner, course_run=run, grade=0.5)

        with ThreadPoolExecutor(1) as executor, transaction.atomic():
            list(CourseRunGrade.objects.filter(user=dana).select_for_update())
            results = executor.submit(
                in_thread(partial(self.impatient_sweep, run, dana, *others))
            ).result()

        assert {result.user: result.certificate for result in results} == {
            dana.pk: None,
            **{other.pk: "created" for other in others},
        }
        (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert (vars(line)["user_id"], vars(line)["sqlstate"]) == (dana.pk, "55P03")

    def impatient_sweep(self, run: CourseRun, *learners: User) -> list[LearnerResult]:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        try:
            return self.sweep(run, *learners)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
