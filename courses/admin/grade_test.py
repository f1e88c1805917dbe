"""What a grade set in the admin does."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from courses.api import ensure_course_run_grade
from courses.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeAuditFactory,
    CourseRunGradeFactory,
)
from courses.models import CourseRunCertificate, CourseRunGrade, CourseRunGradeAudit
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.wire.grades import EdxGrade

AUDITS = reverse("admin:courses_courserungradeaudit_changelist")
ADD = reverse("admin:courses_courserungrade_add")
NO_AUDITS = {"audits-TOTAL_FORMS": 0, "audits-INITIAL_FORMS": 0}


def page_of(grade: CourseRunGrade) -> str:
    return reverse("admin:courses_courserungrade_change", args=[grade.pk])


@pytest.fixture
def set_grade(admin_client):
    """Save a grade's page as the administrator, and return what the message says."""

    def save(stored: CourseRunGrade, /, **fields: object) -> list[str]:
        response = admin_client.post(page_of(stored), {**fields, **NO_AUDITS})
        assert response.status_code == 302
        return [str(message) for message in get_messages(response.wsgi_request)]

    return save


@pytest.fixture
def grade(db: None) -> CourseRunGrade:
    """A passing grade from Open edX, of a learner with a paid enrollment and a certificate."""
    enrollment = CourseRunEnrollmentFactory.create()
    both = {"user": enrollment.user, "course_run": enrollment.run}
    CourseRunCertificateFactory.create(**both)
    return CourseRunGradeFactory.create(grade=0.6, letter_grade="C", passed=True, **both)


def test_a_change_is_audited_in_the_administrators_name(set_grade, grade, admin_user):
    set_grade(grade, grade="0.9", letter_grade="A")

    audit = CourseRunGradeAudit.objects.get(course_run_grade=grade)
    assert audit.acting_user == admin_user
    assert audit.data_before
    assert audit.data_after
    assert (audit.data_before["grade"], audit.data_after["grade"]) == (0.6, 0.9)
    assert (audit.data_before["letter_grade"], audit.data_after["letter_grade"]) == ("C", "A")


def test_open_edx_does_not_overwrite_it(set_grade, grade):
    set_grade(grade, grade="0.9", letter_grade="A")
    reported = EdxGrade("anna", grade.course_run.courseware_id, True, 0.7, "B")

    ensure_course_run_grade(grade.user, grade.course_run, reported, should_update=True)

    grade.refresh_from_db()
    assert (grade.grade, grade.set_by_admin) == (0.9, True)


def test_zero_deletes_the_certificate_at_once_and_leaves_its_record(set_grade, grade):
    certificate = CourseRunCertificate.objects.get(user=grade.user)

    said = set_grade(grade, grade="0.0", letter_grade="")

    assert "The certificate was deleted; a record of it is kept." in said
    assert not CourseRunCertificate.all_objects.exists()
    record = CourseRunCertificateDeletion.objects.get()
    assert record.certificate_uuid == certificate.uuid
    grade.refresh_from_db()
    assert (grade.passed, grade.letter_grade) == (False, None)


def test_zero_leaves_a_revoked_certificate(set_grade, grade):
    CourseRunCertificate.objects.update(is_revoked=True)

    set_grade(grade, grade="0")

    assert CourseRunCertificate.all_objects.get().is_revoked


def test_saving_without_a_change_sets_nothing(set_grade, grade):
    set_grade(grade, grade="0.6", letter_grade="C")

    grade.refresh_from_db()
    assert not grade.set_by_admin
    assert not CourseRunGradeAudit.objects.exists()


@pytest.mark.parametrize("other_grade", ["0.1", "1.2"])
def test_a_learner_who_passed_stays_so(set_grade, grade, other_grade):
    set_grade(grade, grade=other_grade, letter_grade="C")

    grade.refresh_from_db()
    assert grade.passed
    assert CourseRunCertificate.objects.exists()


def test_a_learner_who_is_let_pass_gets_the_certificate(set_grade, grade):
    CourseRunCertificate.objects.all().delete()
    CourseRunGrade.objects.update(passed=False)

    said = set_grade(grade, grade="0.6", letter_grade="C", should_force_pass="on")

    assert "The certificate was issued." in said
    assert CourseRunCertificate.objects.filter(user=grade.user).exists()


@pytest.mark.parametrize(
    ("run", "mode", "said"),
    [
        (
            {"certificate_available_date": timezone.now() + timedelta(days=9)},
            "verified",
            "The certificate is issued when the run's date for it has come.",
        ),
        ({}, "audit", "No certificate: no active, paid enrollment in the run."),
    ],
    ids=["before_the_date", "not_paid"],
)
def test_a_certificate_that_is_not_earned_or_not_due_is_not_issued(set_grade, run, mode, said):
    enrollment = CourseRunEnrollmentFactory.create(
        run=CourseRunFactory.create(**run), enrollment_mode=mode
    )
    grade = CourseRunGradeFactory.create(
        user=enrollment.user, course_run=enrollment.run, passed=False
    )

    messages = set_grade(grade, grade="0.9", should_force_pass="on")

    assert said in messages
    assert not CourseRunCertificate.all_objects.exists()


def test_a_grade_stays_with_its_learner_and_its_run(set_grade, grade, user):
    other_run = CourseRunFactory.create()

    set_grade(grade, grade="0.9", user=user.pk, course_run=other_run.pk, set_by_admin="")

    changed = CourseRunGrade.objects.get(pk=grade.pk)
    assert (changed.user, changed.course_run) == (grade.user, grade.course_run)


@pytest.mark.parametrize("wrong", ["-0.1", "2.01", "nan", "inf", "", "A"])
def test_a_grade_out_of_range_is_an_error_in_the_form(admin_client, grade, wrong):
    response = admin_client.post(page_of(grade), {"grade": wrong, **NO_AUDITS})

    assert response.status_code == 200
    assert "grade" in response.context["adminform"].form.errors
    grade.refresh_from_db()
    assert grade.grade == 0.6


def test_a_letter_too_long_is_an_error_in_the_form(admin_client, grade):
    response = admin_client.post(
        page_of(grade), {"grade": "0.5", "letter_grade": "A" * 11, **NO_AUDITS}
    )

    assert "letter_grade" in response.context["adminform"].form.errors


def test_a_new_grade_is_set_by_the_administrator(admin_client):
    enrollment = CourseRunEnrollmentFactory.create()

    response = admin_client.post(
        ADD,
        {
            "user": enrollment.user_id,
            "course_run": enrollment.run_id,
            "grade": "0.9",
            "should_force_pass": "on",
        },
    )

    assert response.status_code == 302
    grade = CourseRunGrade.objects.get(user=enrollment.user, course_run=enrollment.run)
    assert (grade.grade, grade.passed, grade.set_by_admin) == (0.9, True, True)
    assert CourseRunCertificate.objects.filter(user=enrollment.user).exists()


def test_a_second_grade_in_a_run_is_an_error_in_the_form(admin_client, grade):
    response = admin_client.post(
        ADD,
        {"user": grade.user_id, "course_run": grade.course_run_id, "grade": "0.9"},
    )

    assert b"with this User and Course run already exists" in response.content


def test_the_grades_page_shows_who_changed_it(set_grade, grade, admin_client, admin_user):
    set_grade(grade, grade="0.9", letter_grade="C")

    shown = admin_client.get(page_of(grade)).content.decode()

    assert admin_user.username in shown
    assert "grade: 0.6 → 0.9, set_by_admin: False → True" in shown


@pytest.mark.parametrize(
    ("made_by", "expected"), [("administrator", ["0.9"]), ("sync", ["0.7"]), ("", ["0.7", "0.9"])]
)
def test_the_changes_are_filtered_by_who_made_them(admin_client, admin_user, made_by, expected):
    for grade, acting_user in (("0.9", admin_user), ("0.7", None)):
        CourseRunGradeAuditFactory.create(acting_user=acting_user, data_after={"grade": grade})

    audits = admin_client.get(AUDITS, {"made_by": made_by}).context["cl"].result_list

    assert [audit.data_after["grade"] for audit in audits] == expected


def test_a_change_tells_what_was_and_what_became(admin_client):
    CourseRunGradeAuditFactory.create(
        data_before={"grade": 0.4, "passed": False, "updated_on": "Monday"},
        data_after={"grade": 0.85, "passed": True, "updated_on": "Tuesday"},
    )

    shown = admin_client.get(AUDITS).content.decode()

    assert "grade: 0.4 → 0.85, passed: False → True<" in shown
    assert "sync with Open edX" in shown


def test_a_change_outlives_its_grade(admin_client):
    CourseRunGradeAuditFactory.create(course_run_grade=None)

    assert admin_client.get(AUDITS).status_code == 200
