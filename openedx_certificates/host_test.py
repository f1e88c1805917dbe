"""What the app does to a host, and what it leaves to it: rows that break our rules, and what hangs on a save."""

import logging
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.utils import timezone

from cms.models import CertificatePage
from courses.api import get_certificate_grade_eligible_runs
from courses.models import (
    CourseRun,
    CourseRunCertificate,
    CourseRunGrade,
    CourseRunGradeAudit,
)
from openedx_certificates import host
from openedx_certificates.api import (
    generate_course_run_certificates,
    override_user_grade,
    process_course_run_grade_certificate,
    request_certificate,
)
from openedx_certificates.held.replays import prune_requests
from openedx_certificates.models import (
    CertificateRequest,
    CourseRunCertificateDeletion,
    CourseRunSweep,
    ZeroNote,
)
from openedx_certificates.signals import certificate_created, certificate_deleted
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateDeletionFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
    CourseRunSweepFactory,
    UserFactory,
    ZeroNoteFactory,
)
from openedx_certificates.testing.scenes import (
    ZERO,
    Enrolls,
    certify,
    has_certificate,
    request_of,
)
from users.models import User

pytestmark = pytest.mark.django_db

ODD_GRADES = [float("nan"), float("inf"), float("-inf"), 2.5, -0.1]


class TestANewCertificate:
    @pytest.mark.site("This certificate page and its receiver are our host's.")
    @pytest.mark.parametrize("is_for_one", [True, False], ids=["one learner", "a sweep"])
    def test_what_hangs_on_the_hosts_save_happens(
        self,
        is_for_one: bool,
        run: CourseRun,
        enrolled: Enrolls,
        caplog: pytest.LogCaptureFixture,
        django_capture_on_commit_callbacks: Any,
    ):
        caplog.set_level("DEBUG", logger="courses.receivers")
        CertificatePage.objects.create(course=run.course, revision=7)
        dana = enrolled(run)

        with django_capture_on_commit_callbacks(execute=True):
            generate_course_run_certificates(user=dana if is_for_one else None, course_run=run)

        certificate = CourseRunCertificate.objects.get()
        assert certificate.certificate_page_revision == 7
        assert f"sales told of certificate {certificate.uuid}" in caplog.messages

    def test_a_save_of_the_hosts_that_raises_costs_its_learner_alone(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        unlucky, other = enrolled(run), enrolled(run)
        save = CourseRunCertificate.save

        def raise_for_the_unlucky(certificate: CourseRunCertificate, **options: Any) -> None:
            if certificate.user_id == unlucky.pk:
                raise LookupError("the page of the course is gone")
            save(certificate, **options)

        monkeypatch.setattr(CourseRunCertificate, "save", raise_for_the_unlucky)

        summary = generate_course_run_certificates(course_run=run)
        outcome = request_certificate(unlucky, run)

        assert has_certificate(other, run)
        assert not has_certificate(unlucky, run)
        assert summary.failed_learners == 1
        assert outcome is None
        assert request_of(unlucky, run).last_error == "internal"
        # The operator finds the place in the host, and no text that could hold a value.
        lines = [vars(line) for line in caplog.records if line.levelno == logging.ERROR]
        assert [line["cause"] for line in lines] == ["LookupError while it was saved"] * 2
        assert all("raise_for_the_unlucky" in line["stack"] for line in lines)
        assert "is gone" not in caplog.text

    def test_what_the_host_does_after_the_commit_may_fail_and_stops_nothing_else(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        caplog: pytest.LogCaptureFixture,
        django_capture_on_commit_callbacks: Any,
    ):
        unlucky, other = enrolled(run), enrolled(run)
        done: list[int] = []
        told: list[int] = []

        def send_a_task(instance: CourseRunCertificate, **_signal: Any) -> None:
            def send() -> None:
                if instance.user_id == unlucky.pk:
                    raise ConnectionError(f"no broker for {unlucky.email}")
                done.append(instance.user_id)

            transaction.on_commit(send)

        def receive(certificate: Any, **_signal: Any) -> None:
            told.append(certificate.user_id)

        post_save.connect(send_a_task, sender=CourseRunCertificate)
        certificate_created.connect(receive)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                summary = generate_course_run_certificates(course_run=run)
        finally:
            certificate_created.disconnect(receive)
            post_save.disconnect(send_a_task, sender=CourseRunCertificate)

        assert (summary.certificates["created"], summary.failures) == (2, 0)
        assert done == [other.pk]
        assert told == [unlucky.pk, other.pk]
        (line,) = [vars(each) for each in caplog.records if each.levelno == logging.ERROR]
        assert (line["error"], line["function"].split(".")[-1]) == ("ConnectionError", "send")
        assert unlucky.email not in str(line)


class TestSignals:
    def test_a_deletion_is_told_with_the_certificate_as_it_was(
        self, run: CourseRun, enrolled: Enrolls, django_capture_on_commit_callbacks: Any
    ):
        dana = enrolled(run, **ZERO)
        certificate = certify(dana, run, zero_reported_on=timezone.now() - timedelta(hours=21))
        told: list[Any] = []

        def receive(certificate: Any, **_signal: Any) -> None:
            told.append((certificate.uuid, certificate.user_id, certificate.course_run_id))

        certificate_deleted.connect(receive)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                generate_course_run_certificates(course_run=run)
        finally:
            certificate_deleted.disconnect(receive)

        assert told == [(certificate.uuid, dana.pk, run.pk)]

    def test_an_administrators_zero_is_told_too(
        self, run: CourseRun, user: User, django_capture_on_commit_callbacks: Any
    ):
        certify(user, run, zero_reported_on=None)
        told: list[Any] = []

        def receive(certificate: Any, **_signal: Any) -> None:
            told.append(certificate.user_id)

        certificate_deleted.connect(receive)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                grade = override_user_grade(user, 0.0, None, run.courseware_id)
                process_course_run_grade_certificate(grade)
        finally:
            certificate_deleted.disconnect(receive)

        assert told == [user.pk]

    def test_a_receiver_that_raises_stops_neither_the_others_nor_the_work(
        self, run: CourseRun, enrolled: Enrolls, django_capture_on_commit_callbacks: Any
    ):
        told: list[int] = []

        def fail(**_signal: Any) -> None:
            raise LookupError("secret")

        def receive(certificate: Any, **_signal: Any) -> None:
            told.append(certificate.user_id)

        learners = [enrolled(run), enrolled(run)]
        for receiver in (fail, receive):
            certificate_created.connect(receiver)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                generate_course_run_certificates(course_run=run)
        finally:
            for receiver in (fail, receive):
                certificate_created.disconnect(receiver)

        assert sorted(told) == sorted(learner.pk for learner in learners)

    def test_all_of_a_page_are_told_of_though_a_slow_receiver_costs_the_sweep_its_lease(
        self, transactional_db: None, enrolled: Enrolls, settings: Any
    ):
        run = CourseRunFactory.create()
        learners = [enrolled(run) for _ in range(3)]
        told: list[int] = []

        def be_slow(certificate: Any, **_signal: Any) -> None:
            told.append(certificate.user_id)
            # Another process has the run by now, and the lease is due to be renewed.
            CourseRunSweep.objects.update(lease=uuid4())
            settings.OPENEDX_CERTIFICATES_SWEEP_LEASE = 0.0

        certificate_created.connect(be_slow)
        try:
            generate_course_run_certificates(course_run=run)
        finally:
            certificate_created.disconnect(be_slow)

        assert sorted(told) == sorted(learner.pk for learner in learners)


class TestRowsThatBreakOurRules:
    @pytest.mark.parametrize("odd", ODD_GRADES, ids=str)
    def test_a_sweep_mends_them_and_audits_them_and_goes_on(
        self, odd: float, run: CourseRun, enrolled: Enrolls
    ):
        dana, other = enrolled(run), enrolled(run)
        CourseRunGradeFactory.create(user=dana, course_run=run, grade=odd)

        summary = generate_course_run_certificates(course_run=run)

        assert summary.failures == 0
        assert has_certificate(dana, run)
        assert has_certificate(other, run)
        assert CourseRunGrade.objects.get(user=dana).grade == 0.9
        before = CourseRunGradeAudit.objects.get().data_before["grade"]
        assert str(before) == str(odd)

    @pytest.mark.parametrize("odd", ODD_GRADES, ids=str)
    def test_one_of_an_administrator_stays_and_earns_nothing(
        self, odd: float, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        grade = CourseRunGradeFactory.create(
            user=dana, course_run=run, grade=odd, passed=True, set_by_admin=True
        )

        summary = generate_course_run_certificates(course_run=run)

        assert summary.failures == 0
        assert process_course_run_grade_certificate(grade) == (None, False, False)
        assert not has_certificate(dana, run)


@pytest.mark.site("Variants are our host's rule.")
def test_the_hosts_rule_decides_which_runs_are_swept(run: CourseRun, enrolled: Enrolls):
    variant = CourseRunFactory.create(course=run.course, variant="pace")
    translated = CourseRunFactory.create(course=run.course, variant="language")
    learners = {each: enrolled(each) for each in (run, variant, translated)}

    generate_course_run_certificates()

    swept = [each for each, learner in learners.items() if has_certificate(learner, each)]
    assert swept == [run, translated]
    assert variant not in get_certificate_grade_eligible_runs(timezone.now())


def test_statements_bear_the_names_of_the_hosts_tables():
    statement = host.sql("SELECT FROM {users} JOIN {grades}")

    assert statement == 'SELECT FROM "users_user" JOIN "courses_courserungrade"'


@pytest.mark.parametrize("mode", ["no-id-professional", "it's 50% {off}", '"\\'])
def test_statements_know_a_paid_mode_whatever_it_is_called(
    mode: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("openedx.constants.EDX_ENROLLMENTS_PAID_MODES", [mode])
    paid = CourseRunEnrollmentFactory.create(enrollment_mode=mode)
    CourseRunEnrollmentFactory.create(enrollment_mode="verified")

    # Past the cache: the next test has the usual modes.
    statement = host.sql.__wrapped__("SELECT enrollment.id FROM {paid_enrollments} WHERE %(all)s")
    with connection.cursor() as cursor:
        cursor.execute(statement, {"all": True})
        found = cursor.fetchall()

    assert found == [(paid.pk,)]


class TestAHostWithoutTheApp:
    """An older version of the host does not know the tables, and deletes its own rows."""

    @pytest.mark.site("More than our rows hangs on another host's users.")
    def test_it_can_delete_users_and_runs_and_the_rest_is_pruned(self, run: CourseRun):
        kept = CertificateRequestFactory.create()
        gone, gone_run = UserFactory.create(openedx_user=None), CourseRunFactory.create()
        CertificateRequestFactory.create(user=gone)
        CertificateRequestFactory.create(course_run=gone_run)
        CourseRunCertificateDeletionFactory.create(user=gone)
        CourseRunSweepFactory.create(course_run=gone_run)
        ZeroNoteFactory.create()

        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM users_user WHERE id = %s", [gone.pk])
            cursor.execute("DELETE FROM courses_courserun WHERE id = %s", [gone_run.pk])
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        prune_requests()

        assert list(CertificateRequest.objects.all()) == [kept]
        assert not CourseRunCertificateDeletion.objects.exists()
        assert not CourseRunSweep.objects.exists()
        assert not ZeroNote.objects.exists()
