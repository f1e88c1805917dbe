"""What an administrator's change of an enrollment leaves behind."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from courses.factories import (
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from courses.models import CourseRunEnrollment, CourseRunEnrollmentAudit

ENROLLMENTS = reverse("admin:courses_courserunenrollment_changelist")
ADD = reverse("admin:courses_courserunenrollment_add")
NO_AUDITS = {"audits-TOTAL_FORMS": 0, "audits-INITIAL_FORMS": 0}


def page_of(enrollment: CourseRunEnrollment) -> str:
    return reverse("admin:courses_courserunenrollment_change", args=[enrollment.pk])


def test_a_change_is_audited_in_the_administrators_name(admin_client, admin_user):
    enrollment = CourseRunEnrollmentFactory.create(enrollment_mode="verified")

    response = admin_client.post(
        page_of(enrollment),
        {"enrollment_mode": "verified", "change_status": "refunded", "edx_enrolled": "on"}
        | NO_AUDITS,
    )

    assert response.status_code == 302
    audit = CourseRunEnrollmentAudit.objects.get(enrollment=enrollment)
    assert audit.acting_user == admin_user
    assert audit.data_before
    assert audit.data_after
    assert (audit.data_before["active"], audit.data_after["active"]) == (True, False)
    assert audit.data_after["change_status"] == "refunded"


def test_saving_without_a_change_is_none(admin_client):
    enrollment = CourseRunEnrollmentFactory.create()

    admin_client.post(
        page_of(enrollment),
        {"enrollment_mode": "verified", "active": "on", "edx_enrolled": "on"} | NO_AUDITS,
    )

    assert not CourseRunEnrollmentAudit.objects.exists()


def test_an_enrollment_made_active_again_loses_the_reason_why_it_was_not(admin_client):
    enrollment = CourseRunEnrollmentFactory.create(active=False, change_status="refunded")

    admin_client.post(
        page_of(enrollment),
        {
            "enrollment_mode": "verified",
            "active": "on",
            "change_status": "refunded",
            "edx_enrolled": "on",
        }
        | NO_AUDITS,
    )

    enrollment.refresh_from_db()
    assert (enrollment.active, enrollment.change_status) == (True, None)


def test_an_enrollment_stays_with_its_learner_and_its_run(admin_client, user):
    enrollment = CourseRunEnrollmentFactory.create()

    admin_client.post(
        page_of(enrollment),
        {"enrollment_mode": "audit", "user": user.pk, "run": CourseRunFactory.create().pk}
        | NO_AUDITS,
    )

    changed = CourseRunEnrollment.all_objects.get(pk=enrollment.pk)
    assert changed.enrollment_mode == "audit"
    assert (changed.user, changed.run) == (enrollment.user, enrollment.run)


def test_a_new_enrollment_is_audited_too(admin_client, admin_user, user):
    run = CourseRunFactory.create()

    response = admin_client.post(
        ADD,
        {"user": user.pk, "run": run.pk, "enrollment_mode": "verified", "active": "on"} | NO_AUDITS,
    )

    assert response.status_code == 302
    enrollment = CourseRunEnrollment.objects.get(user=user, run=run)
    assert enrollment.enrollment_mode == "verified"
    audit = CourseRunEnrollmentAudit.objects.get(enrollment=enrollment)
    assert (audit.acting_user, audit.data_before) == (admin_user, None)
    assert ">created<" in admin_client.get(page_of(enrollment)).content.decode()


@pytest.mark.parametrize("active", [True, False])
def test_a_second_enrollment_in_a_run_is_an_error_in_the_form(admin_client, active):
    enrollment = CourseRunEnrollmentFactory.create(active=active)

    response = admin_client.post(
        ADD,
        {"user": enrollment.user_id, "run": enrollment.run_id, "enrollment_mode": "audit"},
    )

    assert b"with this User and Run already exists" in response.content


@pytest.mark.parametrize("mode", ["Verified", "honor", ""])
def test_a_mode_nobody_knows_is_an_error_in_the_form(admin_client, mode):
    enrollment = CourseRunEnrollmentFactory.create()

    response = admin_client.post(page_of(enrollment), {"enrollment_mode": mode} | NO_AUDITS)

    assert "enrollment_mode" in response.context["adminform"].form.errors


def test_a_mode_mirrored_from_open_edx_stays_possible(admin_client):
    enrollment = CourseRunEnrollmentFactory.create(enrollment_mode="honor")

    response = admin_client.post(page_of(enrollment), {"enrollment_mode": "honor"} | NO_AUDITS)

    assert response.status_code == 302


@pytest.mark.parametrize(("paid", "expected"), [("yes", ["verified"]), ("no", ["honor"])])
def test_the_list_is_filtered_by_paid(admin_client, paid, expected):
    for mode in ("verified", "honor"):
        CourseRunEnrollmentFactory.create(enrollment_mode=mode)

    shown = admin_client.get(ENROLLMENTS, {"paid": paid}).context["cl"].result_list

    assert [enrollment.enrollment_mode for enrollment in shown] == expected


@pytest.mark.parametrize(("is_revoked", "state"), [(False, "issued"), (True, "revoked")])
def test_list_and_user_page_answer_where_the_certificate_is(admin_client, is_revoked, state):
    enrollment = CourseRunEnrollmentFactory.create()
    both = {"user": enrollment.user, "course_run": enrollment.run}
    CourseRunGradeFactory.create(grade=0.85, letter_grade="B", **both)
    certificate = CourseRunCertificateFactory.create(is_revoked=is_revoked, **both)
    user_page = reverse("admin:users_user_change", args=[enrollment.user_id])

    for page in (ENROLLMENTS, user_page):
        shown = admin_client.get(page).content.decode()
        assert f'<a href="{certificate.link}">{state}</a>' in shown
        assert "0.85 (B)" in shown


def test_the_enrollments_page_shows_who_changed_it(admin_client, admin_user):
    enrollment = CourseRunEnrollmentFactory.create()
    admin_client.post(page_of(enrollment), {"enrollment_mode": "audit"} | NO_AUDITS)

    shown = admin_client.get(page_of(enrollment)).content.decode()

    assert admin_user.username in shown
    assert "enrollment_mode: verified → audit" in shown


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({"self_paced": True}, "at once"),
        ({"certificate_available_date": datetime(2026, 3, 1, tzinfo=UTC)}, "March 1, 2026"),
        ({"certificate_available_date": None}, "no date"),
    ],
    ids=["self_paced", "on_a_date", "no_date"],
)
def test_the_list_tells_from_when_on_the_run_has_certificates(admin_client, run, expected):
    CourseRunEnrollmentFactory.create(run=CourseRunFactory.create(**run))

    shown = admin_client.get(ENROLLMENTS).content.decode()

    assert f">{expected}</td>" in shown
