"""What MITx Online's model of a grade tells of the certificate."""

import pytest

from courses.factories import CourseRunEnrollmentFactory, CourseRunGradeFactory
from courses.models import CourseRunGrade

pytestmark = pytest.mark.django_db


@pytest.fixture
def grade() -> CourseRunGrade:
    """A passing grade of a learner who has paid."""
    paid = CourseRunEnrollmentFactory.create()
    return CourseRunGradeFactory.create(user=paid.user, course_run=paid.run)


def test_a_learner_who_passed_and_paid_has_earned_it(grade: CourseRunGrade):
    assert grade.is_certificate_eligible


@pytest.mark.parametrize(
    "fields", [{"passed": False, "grade": 0.4}, {"passed": True, "grade": 0.0}], ids=str
)
def test_a_grade_that_did_not_pass_earns_none(grade: CourseRunGrade, fields: dict[str, object]):
    CourseRunGrade.objects.filter(pk=grade.pk).update(**fields)
    grade.refresh_from_db()

    assert not grade.is_certificate_eligible


@pytest.mark.parametrize(
    "fields", [{"enrollment_mode": "audit"}, {"active": False}, {"user__is_active": False}], ids=str
)
def test_without_an_active_paid_enrollment_there_is_none(fields: dict[str, object]):
    enrollment = CourseRunEnrollmentFactory.create(**fields)
    grade = CourseRunGradeFactory.create(user=enrollment.user, course_run=enrollment.run)

    assert not grade.is_certificate_eligible
