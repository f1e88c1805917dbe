"""From a stored grade to the certificate, and back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx_certificates.api import (
    manage_course_run_certificate_access,
    process_course_run_grade_certificate,
)
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunGradeFactory,
)
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana(user: User, run: CourseRun) -> User:
    """A learner with a paid enrollment."""
    CourseRunEnrollmentFactory.create(user=user, run=run)
    return user


class TestProcess:
    def test_an_eligible_grade_creates_the_certificate(self, dana: User, run: CourseRun):
        grade = CourseRunGradeFactory.create(user=dana, course_run=run)

        certificate, created, deleted = process_course_run_grade_certificate(grade)

        assert (created, deleted) == (True, False)
        assert certificate == CourseRunCertificate.objects.get(user=dana, course_run=run)

    def test_again_it_returns_the_one_there_is(self, dana: User, run: CourseRun):
        grade = CourseRunGradeFactory.create(user=dana, course_run=run)
        first, _, _ = process_course_run_grade_certificate(grade)

        assert process_course_run_grade_certificate(grade) == (first, False, False)

    @pytest.mark.parametrize(
        "fields", [{"passed": False, "grade": 0.4}, {"passed": True, "grade": 0.0}], ids=str
    )
    def test_a_grade_that_did_not_pass_creates_none(
        self, fields: dict[str, object], dana: User, run: CourseRun
    ):
        grade = CourseRunGradeFactory.create(user=dana, course_run=run, **fields)

        assert process_course_run_grade_certificate(grade) == (None, False, False)

    @pytest.mark.parametrize(
        "fields", [{"enrollment_mode": "audit"}, {"active": False}, None], ids=str
    )
    def test_without_an_active_paid_enrollment_there_is_none_unless_forced(
        self, fields: dict[str, object] | None, user: User, run: CourseRun
    ):
        if fields is not None:
            CourseRunEnrollmentFactory.create(user=user, run=run, **fields)
        grade = CourseRunGradeFactory.create(user=user, course_run=run)

        assert process_course_run_grade_certificate(grade) == (None, False, False)

        certificate, created, _ = process_course_run_grade_certificate(
            grade, should_force_create=True
        )

        assert created
        assert certificate == CourseRunCertificate.objects.get()

    def test_an_account_that_was_given_up_earns_none_unless_forced(
        self, dana: User, run: CourseRun
    ):
        User.objects.filter(pk=dana.pk).update(is_active=False)
        grade = CourseRunGradeFactory.create(user=dana, course_run=run)

        assert process_course_run_grade_certificate(grade) == (None, False, False)

        certificate, created, _ = process_course_run_grade_certificate(
            grade, should_force_create=True
        )

        assert created
        assert certificate == CourseRunCertificate.objects.get()

    def test_a_zero_deletes_the_certificate_and_keeps_a_record(self, dana: User, run: CourseRun):
        grade = CourseRunGradeFactory.create(user=dana, course_run=run, grade=0.0, passed=False)
        certificate = CourseRunCertificateFactory.create(user=dana, course_run=run)

        assert process_course_run_grade_certificate(grade) == (None, False, True)

        assert not CourseRunCertificate.all_objects.exists()
        record = CourseRunCertificateDeletion.objects.get()
        assert (record.user, record.course_run) == (dana, run)
        assert record.certificate_uuid == certificate.uuid
        assert record.grade["grade"] == 0.0

    @pytest.mark.parametrize("percent", [0.0, 0.9])
    @pytest.mark.parametrize("force", [False, True])
    def test_a_revoked_certificate_is_left_alone(
        self, percent: float, force: bool, dana: User, run: CourseRun
    ):
        grade = CourseRunGradeFactory.create(user=dana, course_run=run, grade=percent)
        revoked = CourseRunCertificateFactory.create(user=dana, course_run=run, is_revoked=True)

        assert process_course_run_grade_certificate(grade, should_force_create=force) == (
            revoked,
            False,
            False,
        )
        assert CourseRunCertificate.all_objects.get().is_revoked
        assert not CourseRunCertificateDeletion.objects.exists()

    def test_an_old_copy_of_the_grade_decides_nothing(self, dana: User, run: CourseRun):
        old_copy = CourseRunGradeFactory.create(user=dana, course_run=run, passed=True)
        CourseRunGrade.objects.update(grade=0.0, passed=False, set_by_admin=True)

        assert process_course_run_grade_certificate(old_copy) == (None, False, False)
        assert not CourseRunCertificate.all_objects.exists()

    def test_a_grade_that_is_gone_earns_nothing(self, dana: User, run: CourseRun):
        grade = CourseRunGradeFactory.create(user=dana, course_run=run)
        CourseRunGrade.objects.all().delete()

        assert process_course_run_grade_certificate(grade) == (None, False, False)


class TestAccess:
    def test_a_certificate_is_revoked_and_given_back(self, dana: User, run: CourseRun):
        certificate = CourseRunCertificateFactory.create(user=dana, course_run=run)

        assert manage_course_run_certificate_access(dana, run.courseware_id, True)
        assert not CourseRunCertificate.objects.exists()
        assert CourseRunCertificate.all_objects.get() == certificate

        assert manage_course_run_certificate_access(dana, run.courseware_id, False)
        assert CourseRunCertificate.objects.get() == certificate

    def test_without_a_certificate_it_says_so(self, dana: User, run: CourseRun):
        assert not manage_course_run_certificate_access(dana, run.courseware_id, True)

    def test_no_other_certificate_is_touched(self, dana: User, run: CourseRun):
        CourseRunCertificateFactory.create(user=dana, course_run=run)
        CourseRunCertificateFactory.create(course_run=run)
        CourseRunCertificateFactory.create(user=dana)

        manage_course_run_certificate_access(dana, run.courseware_id, True)

        assert CourseRunCertificate.objects.count() == 2


def test_the_issued_are_those_not_revoked_and_issued_by_now(run: CourseRun):
    issued = CourseRunCertificateFactory.create(course_run=run)
    CourseRunCertificateFactory.create(course_run=run, is_revoked=True)
    CourseRunCertificateFactory.create(
        course_run=run, issue_date=timezone.now() + timedelta(hours=1)
    )

    assert list(CourseRunCertificate.objects.all()) == [issued]
    assert CourseRunCertificate.all_objects.count() == 3
