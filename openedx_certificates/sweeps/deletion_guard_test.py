"""The guard against mass deletion: a broken Open edX must not take a course's certificates away."""

import logging
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate, CourseRunGrade
from openedx_certificates.api import generate_course_run_certificates
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from openedx_certificates.testing.scenes import PASSED, ZERO, Enrolls, certify
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(hours=21)


@pytest.fixture
def certified(run: CourseRun, enrolled: Enrolls):
    """Make learners with a certificate and a grade that Open edX reports now.

    A 0.0 was reported before, long enough ago to count now.
    """

    def make(number: int, *, run: CourseRun = run, **grade: object) -> list[User]:
        learners = [enrolled(run, **grade) for _ in range(number)]
        for learner in learners:
            CourseRunGradeFactory.create(user=learner, course_run=run)
            certify(
                learner, run, zero_reported_on=timezone.now() - LONG_AGO if grade == ZERO else None
            )
        return learners

    return make


def certificates(run: CourseRun) -> int:
    return CourseRunCertificate.all_objects.filter(course_run=run).count()


def test_a_sweep_that_would_delete_too_many_deletes_none_and_calls_somebody(
    run: CourseRun, certified, caplog: pytest.LogCaptureFixture
):
    certified(6, **ZERO)
    certified(4, **PASSED)

    summary = generate_course_run_certificates()

    assert certificates(run) == 10
    assert not CourseRunCertificateDeletion.objects.exists()
    assert not CourseRunGrade.objects.filter(grade=0.0).exists()
    assert summary.as_dict()["certificates_kept"] == 6
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    fields = vars(line)
    assert fields["course_id"] == run.courseware_id
    assert (fields["deletions"], fields["certificates"]) == (6, 10)


def test_a_few_are_deleted_and_each_leaves_a_record(run: CourseRun, certified):
    lost = certified(5, **ZERO)

    generate_course_run_certificates(course_run=run)

    assert certificates(run) == 0
    records = CourseRunCertificateDeletion.objects.all()
    assert {record.user for record in records} == set(lost)
    assert {record.reason for record in records} == {"Open edX reported a grade of 0.0"}
    assert CourseRunGrade.objects.filter(grade=0.0).count() == 5


@pytest.mark.parametrize(("percent", "left"), [(10, 54), (9.9, 60)])
def test_of_a_large_run_a_share_may_be_deleted(
    run: CourseRun, certified, settings, percent: float, left: int
):
    settings.OPENEDX_CERTIFICATES_DELETIONS_MAX_PERCENT = percent
    certified(6, **ZERO)
    certified(54, **PASSED)

    generate_course_run_certificates(course_run=run)

    assert certificates(run) == left


def test_the_number_that_is_always_believed_is_a_setting(run: CourseRun, certified, settings):
    settings.OPENEDX_CERTIFICATES_DELETIONS_MAX = 2
    certified(3, **ZERO)

    generate_course_run_certificates(course_run=run)

    assert certificates(run) == 3


def test_zeros_are_counted_over_all_pages_of_the_run(run: CourseRun, certified, settings):
    settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
    certified(6, **ZERO)

    generate_course_run_certificates(course_run=run)

    assert certificates(run) == 6


def test_a_run_that_breaks_off_deletes_none(
    run: CourseRun, certified, settings, openedx: SimulatedOpenEdx
):
    settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
    certified(4, **ZERO)
    openedx.set_fault(Fault("500", page=2))

    summary = generate_course_run_certificates(course_run=run)

    assert certificates(run) == 4
    assert summary.as_dict()["certificates_kept"] == 2
    assert summary.learners == 2


def test_an_administrators_zeros_are_no_fault_and_count_at_once(run: CourseRun, certified):
    learners = certified(6, **PASSED)
    certified(6, **ZERO)
    CourseRunGrade.objects.filter(user__in=learners).update(
        grade=0.0, passed=False, set_by_admin=True
    )

    generate_course_run_certificates(course_run=run)

    assert certificates(run) == 6
    assert not CourseRunCertificate.all_objects.filter(user__in=learners).exists()


def test_revoked_certificates_are_not_at_stake(run: CourseRun, certified):
    certified(5, **ZERO)
    revoked = certified(3, **ZERO)
    CourseRunCertificate.all_objects.filter(user__in=revoked).update(is_revoked=True)

    generate_course_run_certificates(course_run=run)

    left = CourseRunCertificate.all_objects.filter(course_run=run)
    assert {certificate.user for certificate in left} == set(revoked)


def test_the_others_of_the_run_and_the_other_runs_go_on(
    run: CourseRun, certified, enrolled: Enrolls
):
    other = CourseRunFactory.create()
    certified(6, **ZERO)
    new, elsewhere = enrolled(run), enrolled(other)

    generate_course_run_certificates()

    assert CourseRunCertificate.objects.filter(user=new, course_run=run).exists()
    assert CourseRunCertificate.objects.filter(user=elsewhere, course_run=other).exists()
    assert certificates(run) == 7


def test_a_question_about_one_learner_is_no_mass(run: CourseRun, certified):
    dana, *_ = certified(6, **ZERO)

    generate_course_run_certificates(user=dana, course_run=run)

    assert certificates(run) == 5


def test_a_request_whose_certificate_the_sweep_takes_away_stays_open(run: CourseRun, certified):
    (dana,) = certified(1, **ZERO)
    request = CertificateRequestFactory.create(user=dana, course_run=run)

    generate_course_run_certificates(course_run=run)

    request.refresh_from_db()
    assert certificates(run) == 0
    assert request.is_open


@pytest.mark.site("manage_certificates is the host's.")
def test_an_administrator_goes_ahead_with_the_command(run: CourseRun, certified):
    certified(6, **ZERO)
    command = ("manage_certificates", "--create", "--run", run.courseware_id, "--no-progress")

    with pytest.raises(CommandError, match=r"6 certificate\(s\) were not deleted.*--allow-del"):
        call_command(*command)
    assert certificates(run) == 6

    call_command(*command, "--allow-deletions")

    assert certificates(run) == 0
    assert CourseRunCertificateDeletion.objects.count() == 6


@pytest.mark.site("manage_certificates is the host's.")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--create"],
        ["--create", "--user", "a@example.com"],
        ["--create", "--run", "x", "--user", "a@example.com"],
        ["--create", "--run", "x", "--user", "a@example.com", "--grade", "0.5"],
        ["--revoke", "--run", "x", "--user", "a@example.com"],
    ],
    ids=" ".join,
)
def test_deletions_are_allowed_for_one_whole_run_only(arguments: list[str]):
    with pytest.raises(CommandError, match="--allow-deletions goes with --create"):
        call_command("manage_certificates", *arguments, "--allow-deletions")
