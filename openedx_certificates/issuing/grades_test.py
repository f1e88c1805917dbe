"""Storing grades: what Open edX may change, what it may not, and what is written down."""

import time
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade, CourseRunGradeAudit
from openedx_certificates.api import (
    ensure_course_run_grade,
    generate_course_run_certificates,
    override_user_grade,
    process_course_run_grade_certificate,
)
from openedx_certificates.issuing.learner import issue_for_grade
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.rules import Terms
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from openedx_certificates.testing.scenes import PASSED, ZERO, Enrolls, travel
from openedx_certificates.wire.exceptions import UnusableGrade
from openedx_certificates.wire.grades import EdxGrade
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Reported:
    """A grade as Open edX reports it."""

    percent: float = 0.7
    passed: bool = True
    letter_grade: str | None = "C"


class TestEnsure:
    def test_a_new_grade_is_stored_and_needs_no_audit_row(self, user: User, run: CourseRun):
        grade, created, updated = ensure_course_run_grade(user, run, Reported())

        assert (created, updated) == (True, False)
        assert grade == CourseRunGrade.objects.get(user=user, course_run=run)
        assert (grade.grade, grade.passed, grade.letter_grade) == (0.7, True, "C")
        assert not grade.set_by_admin
        assert not CourseRunGradeAudit.objects.exists()

    def test_an_existing_grade_changes_only_when_asked_to(self, user: User, run: CourseRun):
        stored = CourseRunGradeFactory.create(user=user, course_run=run, grade=0.2)

        grade, created, updated = ensure_course_run_grade(user, run, Reported())

        assert (grade, created, updated) == (stored, False, False)
        assert CourseRunGrade.objects.get().grade == 0.2

    def test_a_change_leaves_an_audit_row_of_a_sync(self, user: User, run: CourseRun):
        CourseRunGradeFactory.create(
            user=user, course_run=run, grade=0.2, passed=False, letter_grade=None
        )

        grade, created, updated = ensure_course_run_grade(user, run, Reported(), should_update=True)

        assert (created, updated) == (False, True)
        audit = CourseRunGradeAudit.objects.get()
        assert audit.course_run_grade == grade
        assert audit.acting_user is None
        assert audit.data_before["grade"] == 0.2
        assert audit.data_after["grade"] == 0.7
        assert (audit.data_before["passed"], audit.data_after["passed"]) == (False, True)

    def test_an_unchanged_grade_is_not_written(self, user: User, run: CourseRun):
        stored = CourseRunGradeFactory.create(
            user=user, course_run=run, grade=0.7, passed=True, letter_grade="C"
        )

        grade, _, updated = ensure_course_run_grade(user, run, Reported(), should_update=True)

        assert not updated
        assert grade.updated_on == stored.updated_on
        assert not CourseRunGradeAudit.objects.exists()

    def test_an_administrators_grade_is_never_overwritten(self, user: User, run: CourseRun):
        CourseRunGradeFactory.create(user=user, course_run=run, grade=0.2, set_by_admin=True)

        grade, _, updated = ensure_course_run_grade(user, run, Reported(), should_update=True)

        assert not updated
        assert grade.grade == CourseRunGrade.objects.get().grade == 0.2

    @pytest.mark.parametrize("percent", [-0.1, 2.5, float("nan"), float("inf")])
    def test_a_grade_out_of_range_is_refused(self, percent: float, user: User, run: CourseRun):
        with pytest.raises(ValueError, match="a grade goes from"):
            ensure_course_run_grade(user, run, Reported(percent=percent))


class TestAGradeThatIsStoredWhileOpenEdxIsAsked:
    @pytest.mark.parametrize(
        ("stored_ago", "asked_ago", "is_kept"),
        [
            pytest.param(1, 2, True, id="stored since the question"),
            pytest.param(2, 1, False, id="stored before the question"),
            pytest.param(-60, 1, False, id="dated by a clock that is ahead"),
        ],
    )
    def test_it_is_newer_than_the_answer(
        self, stored_ago: int, asked_ago: int, is_kept: bool, user: User, run: CourseRun
    ):
        stored = CourseRunGradeFactory.create(user=user, course_run=run, grade=0.9, passed=True)
        CourseRunGrade.objects.filter(pk=stored.pk).update(
            updated_on=timezone.now() - timedelta(seconds=stored_ago)
        )
        answer = EdxGrade(
            "dana", run.courseware_id, False, 0.3, None, asked_at=time.monotonic() - asked_ago
        )

        with pytest.raises(UnusableGrade) if is_kept else nullcontext():
            issue_for_grade(user.pk, run, answer, Terms())

        assert CourseRunGrade.objects.get().grade == (0.9 if is_kept else 0.3)
        assert CourseRunGradeAudit.objects.exists() == (not is_kept)


class TestZeroFromOpenEdx:
    @pytest.fixture
    def dana(self, enrolled: Enrolls, run: CourseRun) -> User:
        """A learner with a certificate, issued at noon; 0.0 is reported from then on."""
        return enrolled(run)

    @pytest.fixture
    def run(self, db: None) -> CourseRun:
        return CourseRunFactory.create(self_paced=True)

    def zero_at(
        self, hours: float, openedx: SimulatedOpenEdx, run: CourseRun, dana: User, **grade: object
    ) -> None:
        openedx.set_grade(run.courseware_id, dana.edx_username, **(grade or ZERO))
        with travel(NOON + timedelta(hours=hours)):
            generate_course_run_certificates(course_run=run)

    def test_once_reported_it_changes_nothing_and_is_logged(
        self,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
        caplog: pytest.LogCaptureFixture,
    ):
        generate_course_run_certificates()

        self.zero_at(1, openedx, run, dana)

        assert CourseRunGrade.objects.get().grade == PASSED["percent"]
        assert CourseRunCertificate.objects.filter(user=dana).exists()
        assert not CourseRunGradeAudit.objects.exists()
        (line,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert "held back" in line.getMessage()
        assert vars(line)["user_id"] == dana.pk

    @pytest.mark.parametrize(
        ("hours", "is_acted_on"),
        [([0, 19.99], False), ([0, 20], True), ([0, 48], True), ([0, 1, 2, 19], False)],
        ids=["19.99 hours", "20 hours", "two days", "often within the day"],
    )
    def test_it_counts_when_reported_again_20_hours_later(
        self,
        hours: list[float],
        is_acted_on: bool,
        run: CourseRun,
        dana: User,
        openedx: SimulatedOpenEdx,
    ):
        with travel(NOON - timedelta(days=1), tick=True):
            generate_course_run_certificates()
        uuid = CourseRunCertificate.objects.get().uuid

        for hour in hours:
            self.zero_at(hour, openedx, run, dana)

        assert CourseRunCertificate.all_objects.exists() is not is_acted_on
        assert (CourseRunGrade.objects.get().grade == 0.0) is is_acted_on
        assert CourseRunGradeAudit.objects.count() == is_acted_on
        if is_acted_on:
            deletion = CourseRunCertificateDeletion.objects.get()
            assert deletion.certificate_uuid == uuid
            assert (deletion.user, deletion.course_run) == (dana, run)
            assert deletion.certificate["uuid"] == str(uuid)
            assert deletion.reason == "Open edX reported a grade of 0.0"

    def test_another_grade_in_between_starts_the_time_anew(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx
    ):
        with travel(NOON - timedelta(days=1), tick=True):
            generate_course_run_certificates()

        self.zero_at(0, openedx, run, dana)
        self.zero_at(10, openedx, run, dana, **PASSED)
        self.zero_at(21, openedx, run, dana)
        self.zero_at(40, openedx, run, dana)

        assert CourseRunCertificate.objects.filter(user=dana).exists()

        self.zero_at(41, openedx, run, dana)

        assert not CourseRunCertificate.all_objects.exists()

    def test_the_note_is_kept_and_dropped_by_whoever_stores_the_grade(
        self, run: CourseRun, dana: User
    ):
        CourseRunGradeFactory.create(user=dana, course_run=run)
        CourseRunCertificateFactory.create(user=dana, course_run=run)

        for hours, percent in ((0, 0.0), (10, 0.85), (21, 0.0)):
            with travel(NOON + timedelta(hours=hours)):
                grade, _, _ = ensure_course_run_grade(
                    dana, run, Reported(percent=percent), should_update=True
                )
                process_course_run_grade_certificate(grade)

        assert CourseRunCertificate.objects.filter(user=dana).exists()

    def test_a_revoked_certificate_survives_it(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=True)

        self.zero_at(0, openedx, run, dana)
        self.zero_at(21, openedx, run, dana)

        assert CourseRunCertificate.all_objects.get().is_revoked
        assert not CourseRunCertificateDeletion.objects.exists()

    def test_without_a_certificate_it_is_stored_at_once(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx
    ):
        CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.4, passed=False)

        self.zero_at(0, openedx, run, dana)

        assert CourseRunGrade.objects.get().grade == 0.0

    def test_a_certificate_without_a_stored_grade_is_kept_as_long(
        self, run: CourseRun, dana: User, openedx: SimulatedOpenEdx
    ):
        CourseRunCertificateFactory.create(user=dana, course_run=run)

        self.zero_at(0, openedx, run, dana)

        assert CourseRunCertificate.objects.filter(user=dana).exists()
        assert not CourseRunGrade.objects.exists()

        self.zero_at(21, openedx, run, dana)

        assert not CourseRunCertificate.all_objects.exists()

    def test_before_the_certificates_date_it_counts_alike(
        self, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        run = CourseRunFactory.create(certificate_available_date=None)
        dana = enrolled(run)
        generate_course_run_certificates(user=dana, course_run=run, force=True)

        self.zero_at(0, openedx, run, dana)
        self.zero_at(21, openedx, run, dana)

        assert not CourseRunCertificate.all_objects.exists()


class TestOverride:
    def test_it_replaces_open_edxs_grade_for_good_and_leaves_an_audit_row(
        self, user: User, admin_user: User, run: CourseRun
    ):
        CourseRunGradeFactory.create(user=user, course_run=run, grade=0.4, passed=False)

        grade = override_user_grade(
            user, 0.95, "A", run.courseware_id, should_force_pass=True, acting_user=admin_user
        )

        assert grade == CourseRunGrade.objects.get()
        assert (grade.grade, grade.letter_grade, grade.passed) == (0.95, "A", True)
        assert grade.set_by_admin
        audit = CourseRunGradeAudit.objects.get()
        assert audit.acting_user == admin_user
        assert (audit.data_before["grade"], audit.data_after["grade"]) == (0.4, 0.95)

    def test_it_can_be_the_first_grade(self, user: User, run: CourseRun):
        grade = override_user_grade(user, 0.5, None, run.courseware_id)

        assert (grade.grade, grade.passed, grade.set_by_admin) == (0.5, False, True)
        assert not CourseRunGradeAudit.objects.exists()

    @pytest.mark.parametrize(
        ("passed", "override", "force", "passes"),
        [
            (False, 0.9, False, False),
            (True, 0.9, False, True),
            (False, 0.9, True, True),
            (True, 0.0, False, False),
            (True, 0.0, True, False),
        ],
    )
    def test_passed_stays_unless_it_is_forced_and_zero_never_passes(
        self,
        passed: bool,
        override: float,
        force: bool,
        passes: bool,
        user: User,
        run: CourseRun,
    ):
        CourseRunGradeFactory.create(user=user, course_run=run, grade=0.7, passed=passed)

        grade = override_user_grade(
            user, override, None, run.courseware_id, should_force_pass=force
        )

        assert grade.passed is passes

    def test_an_administrators_zero_takes_the_certificate_at_once(self, user: User, run: CourseRun):
        CourseRunGradeFactory.create(user=user, course_run=run)
        certificate = CourseRunCertificateFactory.create(user=user, course_run=run)

        grade = override_user_grade(user, 0.0, None, run.courseware_id)
        result = process_course_run_grade_certificate(grade)

        assert result == (None, False, True)
        deletion = CourseRunCertificateDeletion.objects.get()
        assert deletion.certificate_uuid == certificate.uuid
        assert deletion.reason == "an administrator set the grade to 0.0"

    @pytest.mark.parametrize("grade", [-0.1, 2.5, float("nan")])
    def test_a_grade_out_of_range_is_refused(self, grade: float, user: User, run: CourseRun):
        with pytest.raises(ValueError, match="a grade goes from"):
            override_user_grade(user, grade, None, run.courseware_id)

    def test_an_unknown_run_is_an_error(self, user: User):
        with pytest.raises(CourseRun.DoesNotExist):
            override_user_grade(user, 0.9, "A", "course-v1:MITx+none+1T2026")
