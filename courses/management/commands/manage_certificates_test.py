"""`manage.py manage_certificates`: what an administrator types, reads, and finds afterwards."""

import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from courses.factories import CourseRunCertificateFactory, CourseRunFactory, CourseRunGradeFactory
from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade, CourseRunGradeAudit
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.testing.scenes import FAILED, Enrolls
from tools.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("manage_certificates", *arguments, stdout=out)
    return out.getvalue()


class TestCreate:
    def test_alone_it_sweeps_every_eligible_run(self, run: CourseRun, enrolled: Enrolls):
        other = CourseRunFactory.create(self_paced=True)
        enrolled(run)
        enrolled(other)
        enrolled(other, mode="audit")

        report = manage("--create")

        assert CourseRunCertificate.objects.count() == 2
        assert report.startswith("2 run(s), 3 learner(s). Grades: 3 created, ")
        assert "Certificates: 2 created, 0 existing" in report
        assert "1 not paid" in report

    def test_with_a_run_it_sweeps_that_run(self, run: CourseRun, enrolled: Enrolls):
        enrolled(run)
        enrolled(CourseRunFactory.create())

        manage("--create", "--run", run.courseware_id)

        assert CourseRunCertificate.objects.get().course_run == run

    @pytest.mark.parametrize("by", ["email", "username"])
    def test_with_a_user_it_asks_for_that_learner(self, by: str, run: CourseRun, enrolled: Enrolls):
        dana, _ = enrolled(run), enrolled(run)

        manage("--create", "--user", getattr(dana, by).upper() if by == "email" else dana.username)

        assert CourseRunCertificate.objects.get().user == dana

    def test_force_waives_the_date_and_nothing_else(self, enrolled: Enrolls):
        run = CourseRunFactory.create(certificate_available_date=None)
        dana, auditor = enrolled(run), enrolled(run, mode="audit")

        assert "its date has not come" in manage(
            "--create", "--run", run.courseware_id, "--user", dana.email
        )
        manage("--create", "--run", run.courseware_id, "--force")

        assert CourseRunCertificate.objects.get().user == dana
        assert "no paid enrollment" in manage(
            "--create", "--run", run.courseware_id, "--user", auditor.email, "--force"
        )

    def test_it_can_be_repeated(self, run: CourseRun, enrolled: Enrolls):
        dana = enrolled(run)
        one = ("--create", "--run", run.courseware_id, "--user", dana.email)

        assert "was created" in manage(*one)
        assert "existed before" in manage(*one)
        assert CourseRunCertificate.all_objects.count() == 1

    def test_a_run_that_fails_ends_with_an_error_that_names_it_after_the_report(
        self, run: CourseRun, enrolled: Enrolls
    ):
        unknown = CourseRunFactory.create()
        dana = enrolled(run)
        out = StringIO()

        with pytest.raises(CommandError, match=r"1 run\(s\) and 0 learner\(s\) failed") as error:
            call_command("manage_certificates", "--create", stdout=out)

        assert unknown.courseware_id in str(error.value)
        assert "Certificates: 1 created" in out.getvalue()
        assert CourseRunCertificate.objects.get().user == dana

    def test_an_open_edx_that_can_not_tell_about_one_learner_is_an_error(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        openedx.set_fault("401")

        with pytest.raises(CommandError, match="OPENEDX_SERVICE_WORKER_API_TOKEN"):
            manage("--create", "--run", run.courseware_id, "--user", dana.email)

    def test_a_lack_of_ours_is_an_error_that_names_it(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        settings,
    ):
        dana = enrolled(run)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(tmp_path / "missing.pem"))
        settings.OPENEDX_API_BASE_URL = openedx.url.replace("http:", "https:")

        with pytest.raises(CommandError, match="our bundle of trusted certificates"):
            manage("--create", "--run", run.courseware_id, "--user", dana.email)

    def test_progress_is_shown_when_asked_for(
        self, run: CourseRun, enrolled: Enrolls, capsys: pytest.CaptureFixture[str]
    ):
        enrolled(run)

        manage("--create", "--progress")
        shown = capsys.readouterr().err

        assert "1/1" in shown
        assert "created=1" in shown

        manage("--create", "--no-progress")

        assert not capsys.readouterr().err.strip()


class TestOverride:
    def test_a_grade_is_set_and_the_certificate_issued_in_the_same_call(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, admin_user: User
    ):
        dana = enrolled(run, **FAILED)
        manage("--create", "--run", run.courseware_id)

        report = manage(
            *("--create", "--run", run.courseware_id, "--user", dana.email),
            *("--grade", "0.9", "--letter-grade", "A", "--by", admin_user.username),
        )

        assert report == "The grade was set. The certificate was created.\n"
        grade = CourseRunGrade.objects.get()
        assert (grade.grade, grade.letter_grade, grade.passed) == (0.9, "A", True)
        assert grade.set_by_admin
        assert CourseRunGradeAudit.objects.get().acting_user == admin_user
        assert CourseRunCertificate.objects.get().user == dana

    def test_zero_is_a_grade_and_takes_the_certificate_in_the_same_call(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        manage("--create")

        report = manage(
            "--create", "--run", run.courseware_id, "--user", dana.email, "--grade", "0.0"
        )

        assert "the certificate was deleted" in report
        assert not CourseRunCertificate.all_objects.exists()
        assert CourseRunCertificateDeletion.objects.get().user == dana
        grade = CourseRunGrade.objects.get()
        assert (grade.grade, grade.passed, grade.set_by_admin) == (0.0, False, True)

        manage("--create")

        assert not CourseRunCertificate.all_objects.exists()

    def test_open_edx_is_not_asked(self, run: CourseRun, user: User, openedx: SimulatedOpenEdx):
        manage("--create", "--run", run.courseware_id, "--user", user.email, "--grade", "1")

        assert openedx.request_count == 0
        assert CourseRunCertificate.objects.get().user == user

    def test_a_revoked_certificate_stays_revoked(self, run: CourseRun, user: User):
        CourseRunCertificateFactory.create(user=user, course_run=run, is_revoked=True)

        report = manage(
            "--create", "--run", run.courseware_id, "--user", user.email, "--grade", "0.9"
        )

        assert "--unrevoke" in report
        assert CourseRunCertificate.all_objects.get().is_revoked


class TestRevoke:
    def test_a_certificate_is_revoked_and_given_back(self, run: CourseRun, user: User):
        CourseRunGradeFactory.create(user=user, course_run=run)
        CourseRunCertificateFactory.create(user=user, course_run=run)
        one = ("--run", run.courseware_id, "--user", user.username)

        assert manage("--revoke", *one) == "The certificate is revoked.\n"
        assert CourseRunCertificate.all_objects.get().is_revoked

        assert manage("--unrevoke", *one) == "The certificate is valid again.\n"
        assert not CourseRunCertificate.all_objects.get().is_revoked

    @pytest.mark.parametrize("action", ["--revoke", "--unrevoke"])
    def test_without_a_certificate_it_is_an_error(self, action: str, run: CourseRun, user: User):
        with pytest.raises(CommandError, match="has no certificate"):
            manage(action, "--run", run.courseware_id, "--user", user.email)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "one of the arguments --create --revoke --unrevoke is required"),
        ("--create --revoke --run R --user U", "not allowed with argument"),
        ("--revoke", "need both --user and --run"),
        ("--revoke --user U", "need both --user and --run"),
        ("--unrevoke --run R", "need both --user and --run"),
        ("--revoke --run R --user U --force", "--force goes with --create only"),
        ("--revoke --run R --user U --grade 0.0", "--grade goes with --create only"),
        ("--unrevoke --run R --user U --letter-grade A", "--letter-grade goes with --create only"),
        ("--create --grade 0.9", "need both --user and --run"),
        ("--create --run R --grade 0.0", "need both --user and --run"),
        ("--create --user U --grade 0.9", "need both --user and --run"),
        ("--create --run R --user U --letter-grade A", "--letter-grade goes with --grade only"),
        ("--create --run R --user U --by U", "--by goes with --grade only"),
        ("--create --run R --user U --grade 0.9 --force", "leave --force out"),
        ("--create --run R --user U --grade 90", "--grade goes from 0.0 to 2.0"),
        ("--create --run R --user U --grade=-0.1", "--grade goes from 0.0 to 2.0"),
        ("--create --run R --user U --grade nan", "--grade goes from 0.0 to 2.0"),
        ("--create --run R --user U --grade A", "invalid float value"),
        ("--create --run R --user U --grade 1 --letter-grade ABCDEFGHIJK", "1 to 10 characters"),
        ("--create --run R --user nobody@example.com", "There is no user"),
        ("--create --run none --user U", "There is no course run none"),
        ("--create --run R --user U --grade 1 --by nobody", "There is no user"),
    ],
)
def test_a_wrong_combination_is_named_and_changes_nothing(arguments: str, message: str):
    UserFactory.create(username="U")
    CourseRunFactory.create(courseware_id="R")

    with pytest.raises(CommandError, match=message):
        manage(*arguments.split())

    assert not CourseRunGrade.objects.exists()
    assert not CourseRunCertificate.all_objects.exists()


def test_an_empty_user_is_not_everybody(run: CourseRun, enrolled: Enrolls):
    enrolled(run)

    with pytest.raises(CommandError, match="There is no user"):
        manage("--create", "--user", "")

    assert not CourseRunCertificate.objects.exists()
