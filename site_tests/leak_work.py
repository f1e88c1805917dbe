"""Scenes of sweeps, held requests, and people at their work; for `leaks_test.py`."""

import io
import uuid
from contextlib import suppress

from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError

from courses.api import generate_course_run_certificates
from courses.factories import CourseRunCertificateFactory, CourseRunGradeFactory
from courses.tasks import generate_course_certificates
from openedx_certificates.api import process_requests
from openedx_certificates.tasks import process_certificate_requests
from openedx_certificates.testing.factories import CertificateRequestFactory
from site_tests.leak_stage import (
    COURSE_ID,
    ERRORS,
    LETTER,
    PASSED,
    PASSWORD,
    SCENES,
    SET,
    STRANGER,
    TEXT,
    UNKNOWN,
    Scene,
    Site,
    failing,
    scene,
)


@scene("a sweep")
def sweep(site: Site) -> None:
    site.let_pass(site.dana, percent="much")
    site.let_pass(site.erin)
    site.openedx.enroll(COURSE_ID, STRANGER, passed=True, percent=PASSED, letter_grade=LETTER)
    assert generate_course_run_certificates().learners == 2


def break_a_sweep_off(fault: str) -> Scene:
    def play(site: Site) -> None:
        site.let_pass(site.dana, site.erin)
        site.openedx.set_fault(fault)
        assert generate_course_run_certificates().failures

    return play


SCENES |= {
    f"a sweep that meets {fault[:12]}": break_a_sweep_off(fault)
    for fault in ("500", "close", "malformed", "html", f'json:{{"results": "{STRANGER}"}}')
}


def fail_in_a_sweep(error: Exception) -> Scene:
    def play(site: Site) -> None:
        site.let_pass(site.dana, site.erin)
        with failing(error, at="courses_courserungrade"):
            assert generate_course_run_certificates().failures

    return play


SCENES |= {f"a sweep with a {type(error).__name__}": fail_in_a_sweep(error) for error in ERRORS}


@scene("a sweep for one learner")
def sweep_one(site: Site) -> None:
    site.let_pass(site.erin)
    generate_course_run_certificates(user=site.erin)


@scene("the periodic task")
def sweep_all_by_the_task(site: Site) -> None:
    site.let_pass(site.dana)
    generate_course_certificates.apply()
    for error in (OperationalError(TEXT), ValueError(TEXT)):
        with failing(error, at='"courses_courserun"'):
            generate_course_certificates.apply(throw=False)


@scene("held requests")
def work_on_requests(site: Site) -> None:
    site.let_pass(site.dana)
    for learner in (site.dana, site.erin):
        CertificateRequestFactory.create(user=learner, course_run=site.run)
    process_requests(ignore_due=True)


@scene("held requests in an outage")
def pause(site: Site) -> None:
    site.settings.OPENEDX_PAUSE_AFTER_FAILURES = 1
    site.let_pass(site.dana, site.erin)
    for learner in (site.dana, site.erin):
        CertificateRequestFactory.create(user=learner, course_run=site.run)
    site.openedx.set_fault("500")
    process_requests()
    site.openedx.clear_fault()
    process_requests(ignore_due=True)


def fail_in_a_pass(error: Exception) -> Scene:
    def play(site: Site) -> None:
        site.let_pass(site.dana)
        CertificateRequestFactory.create(user=site.dana, course_run=site.run)
        for table in ("courses_courserungrade", "courses_courseruncertificate"):
            with failing(error, at=table):
                process_certificate_requests.apply(throw=False)

    return play


SCENES |= {f"a pass with a {type(error).__name__}": fail_in_a_pass(error) for error in ERRORS}

# --- People -------------------------------------------------------------------------------------


@scene("the admin")
def administer(site: Site) -> None:
    grade = CourseRunGradeFactory.create(
        user=site.dana, course_run=site.run, grade=PASSED, letter_grade=LETTER, passed=True
    )
    CertificateRequestFactory.create(user=site.dana, course_run=site.run)
    login = {"username": site.dana.email, "password": PASSWORD}
    assert site.client.post("/admin/login/?next=/admin/", login).status_code == 200
    login = {"username": site.staff.username, "password": PASSWORD}
    assert site.client.post("/admin/login/?next=/admin/", login).status_code == 302
    for address in (
        "/admin/",
        f"/admin/users/user/?q={site.dana.email}",
        f"/admin/users/user/{site.dana.pk}/change/",
        f"/admin/users/user/{site.dana.email}/change/",
        f"/admin/courses/courserungrade/{grade.pk}/change/",
        f"/admin/courses/certificaterequest/?q={site.dana.email}",
        f"/admin/{site.dana.email}/",
    ):
        assert site.client.get(address, follow=True).status_code in (200, 404)
    change = {"user": site.dana.pk, "course_run": site.run.pk, "grade": SET, "letter_grade": LETTER}
    site.client.post(f"/admin/courses/courserungrade/{grade.pk}/change/", change)
    add = "/admin/oauth2_provider/accesstoken/add/"
    form = {"user": site.staff.pk, "days": 7, "scopes": ["webhooks"], "form_id": uuid.uuid4()}
    site.tokens["made in the admin"] = site.client.post(add, form).context["token"].shown_once
    with failing(ValueError(TEXT), at='"users_user"'):
        assert site.client.get(f"/admin/users/user/?q={site.dana.email}").status_code == 500


@scene("the certificate's page")
def show(site: Site) -> None:
    certificate = CourseRunCertificateFactory.create(user=site.dana, course_run=site.run)
    for address in (
        f"{certificate.link}?email={site.dana.email}",
        f"{certificate.link}?format=json",
        f"/certificate/{site.dana.email}/",
    ):
        site.client.get(address)
    with failing(OperationalError(TEXT)):
        site.client.get(certificate.link)


@scene("commands")
def command(site: Site) -> None:
    site.let_pass(site.dana)
    CertificateRequestFactory.create(user=site.erin, course_run=site.run)

    def run(*arguments: str) -> None:
        # What is wrong is shown to whoever typed the command, and the log is not told.
        with suppress(CommandError):
            call_command(*arguments, stdout=io.StringIO(), stderr=io.StringIO())

    one = ("--user", site.dana.email, "--run", COURSE_ID)
    run("manage_certificates", "--create", *one, "--grade", str(SET), "--letter-grade", LETTER)
    run("manage_certificates", "--create", *one, "--grade", "0.0")
    run("manage_certificates", "--create", "--run", COURSE_ID)
    run("manage_certificates", "--revoke", *one)
    run("manage_certificates", "--create", "--user", UNKNOWN)
    run("replay_certificate_requests", "--user", site.erin.email)
    run("process_certificate_requests", "--all")
    run("create_webhook_token", "--username", "another", "--email", site.dana.email)
    with failing(IntegrityError(TEXT), at="courses_courserungrade"):
        run("manage_certificates", "--create", *one)
