"""A page of grades is worked through as a set: few statements, no needless write, one commit."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses.models import (
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
    CourseRunGrade,
    CourseRunGradeAudit,
)
from openedx.factories import OpenEdxUserFactory
from openedx_certificates.api import generate_course_run_certificates
from openedx_certificates.held.outcomes import settle_certified
from openedx_certificates.models import CertificateRequest
from openedx_certificates.rules import CertificateOutcome
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from openedx_certificates.testing.scenes import FAILED, PASSED, Clock, Enrolls, has_certificate
from tools.simulator import Fault, SimulatedOpenEdx

pytestmark = pytest.mark.django_db

STATEMENTS_MAX = 15
# The host's own model saves each new certificate, and does what it does then.
OF_THE_HOSTS_SAVE = (
    '"cms_certificatepage"',
    'INSERT INTO "courses_courseruncertificate"',
)


def statements_of_a_page(run: CourseRun) -> list[str]:
    """Sweep the run, of one page, and return what the app sent the database for the page."""
    with CaptureQueriesContext(connection) as statements:
        assert generate_course_run_certificates(course_run=run).pages == 1
    sent = [query["sql"] for query in statements.captured_queries]
    # Before it the run is claimed, and after it what came of the sweep is kept.
    (first,) = [at for at, sql in enumerate(sent) if '"openedx_openedxuser"' in sql]
    kept = 'UPDATE "openedx_certificates_courserunsweep" SET "lease" = NULL'
    (last,) = [at for at, sql in enumerate(sent) if sql.startswith(kept)]
    return [sql for sql in sent[first:last] if not any(word in sql for word in OF_THE_HOSTS_SAVE)]


def change_everybody(run: CourseRun, openedx: SimulatedOpenEdx) -> None:
    for grade in CourseRunGrade.objects.filter(course_run=run).select_related("user"):
        openedx.set_grade(run.courseware_id, grade.user.edx_username, passed=True, percent=0.7)


def physical_rows() -> Counter[tuple[str, ...]]:
    """The place of each row of these tables, and the last transaction to write or lock it."""
    rows: Counter[tuple[str, ...]] = Counter()
    with connection.cursor() as cursor:
        for model in (CourseRunGrade, CourseRunCertificate, CourseRunGradeAudit):
            table = model._meta.db_table
            cursor.execute(f"SELECT '{table}', ctid, xmin, xmax FROM {table}")
            rows.update(tuple(map(str, row)) for row in cursor.fetchall())
    return rows


class TestStatements:
    @pytest.mark.site("What a host's save() adds to a page is its own.")
    def test_their_number_does_not_grow_with_the_page(
        self, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        small, large = CourseRunFactory.create(), CourseRunFactory.create()
        for run, learners in ((small, 3), (large, 30)):
            for _ in range(learners):
                enrolled(run)
                enrolled(run, **FAILED)
                CertificateRequestFactory.create(user=enrolled(run), course_run=run)

        new = [len(statements_of_a_page(run)) for run in (small, large)]
        unchanged = [len(statements_of_a_page(run)) for run in (small, large)]
        change_everybody(small, openedx)
        change_everybody(large, openedx)
        changed = [len(statements_of_a_page(run)) for run in (small, large)]

        for of_small, of_large in (new, unchanged, changed):
            assert of_small == of_large

    @pytest.mark.site("What a host's save() adds to a page is its own.")
    def test_a_page_of_new_learners_takes_15_or_fewer(self, run: CourseRun, enrolled: Enrolls):
        for _ in range(20):
            enrolled(run)

        assert len(statements_of_a_page(run)) <= STATEMENTS_MAX
        assert CourseRunCertificate.objects.count() == 20

    def test_an_unchanged_page_takes_few_and_writes_and_locks_nothing(
        self, run: CourseRun, enrolled: Enrolls
    ):
        for _ in range(20):
            enrolled(run)
            enrolled(run, **FAILED)
            enrolled(run, mode="audit")
        generate_course_run_certificates(course_run=run)
        before = physical_rows()

        statements = statements_of_a_page(run)

        assert len(statements) <= STATEMENTS_MAX
        assert physical_rows() == before

    def test_of_a_page_those_alone_are_written_who_changed(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        learners = [enrolled(run) for _ in range(20)]
        generate_course_run_certificates(course_run=run)
        before = physical_rows()
        openedx.set_grade(run.courseware_id, learners[7].edx_username, passed=True, percent=0.95)

        generate_course_run_certificates(course_run=run)

        # The one grade, the lock on its learner's certificate, and an audit row.
        assert (len(before - physical_rows()), len(physical_rows() - before)) == (2, 3)

    def test_a_grade_that_changed_is_dated_anew(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, clock: Clock
    ):
        dana, other = enrolled(run), enrolled(run)
        generate_course_run_certificates(course_run=run)
        first = timezone.now()
        clock.shift(timedelta(hours=1))
        openedx.set_grade(run.courseware_id, dana.edx_username, passed=True, percent=0.95)

        generate_course_run_certificates(course_run=run)

        dates = dict(CourseRunGrade.objects.values_list("user", "updated_on"))
        assert dates == {dana.pk: first + timedelta(hours=1), other.pk: first}


class TestPagesBehindAProxy:
    @pytest.mark.parametrize("inner", ["http://lms.internal:8000", "http://127.0.0.1:1"])
    def test_each_run_is_swept_to_its_end_with_one_warning_that_names_the_inner_host(
        self,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        settings: Any,
        caplog: pytest.LogCaptureFixture,
        inner: str,
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 2
        runs = CourseRunFactory.create_batch(2)
        cast = [(enrolled(run), run) for run in runs for _ in range(5)]
        openedx.set_fault(Fault("foreign-next", target=inner))

        summary = generate_course_run_certificates()

        assert (summary.pages, summary.failures) == (6, 0)
        assert all(has_certificate(learner, run) for learner, run in cast)
        warnings = [vars(line) for line in caplog.records if line.levelname == "WARNING"]
        named = {(line["course_id"], line["host"]) for line in warnings}
        assert len(warnings) == 2
        assert named == {(run.courseware_id, inner.removeprefix("http://")) for run in runs}


class TestAMixedPage:
    def test_each_learner_gets_what_is_due(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        new, risen, fallen, upgraded, honoured = (enrolled(run) for _ in range(5))
        generate_course_run_certificates(course_run=run)
        CourseRunCertificate.objects.exclude(user=fallen).delete()
        CourseRunGrade.objects.filter(user=new).delete()
        CourseRunGrade.objects.filter(user=risen).update(grade=0.2, passed=False)
        CourseRunGrade.objects.filter(user=honoured).update(
            grade=0.3, passed=False, set_by_admin=True
        )
        openedx.set_grade(run.courseware_id, fallen.edx_username, **FAILED)

        summary = generate_course_run_certificates(course_run=run)

        assert all(has_certificate(learner, run) for learner in (new, risen, fallen, upgraded))
        assert not has_certificate(honoured, run)
        assert summary.grades == {"created": 1, "updated": 2, "unchanged": 2}
        assert summary.certificates == {"created": 3, "exists": 1, "grade_not_passed": 1}
        audits = CourseRunGradeAudit.objects.all()
        assert {
            (audit.course_run_grade.user, audit.data_before["grade"], audit.data_after["grade"])
            for audit in audits
        } == {(risen, 0.2, 0.9), (fallen, 0.9, 0.3)}
        assert all(audit.acting_user is None for audit in audits)

    @pytest.mark.parametrize("spell", [str, str.upper], ids=["in one case", "in two"])
    def test_a_learner_who_stands_on_it_twice_gets_one_certificate_and_the_later_grade(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        spell: Callable[[str], str],
    ):
        dana, other = enrolled(run), enrolled(run)
        openedx.enroll(run.courseware_id, "again")
        record = {"username": spell(dana.edx_username), "course_id": run.courseware_id}
        openedx.set_grade(run.courseware_id, "again", record={**record, **PASSED, "percent": 0.95})

        generate_course_run_certificates(course_run=run)

        assert CourseRunGrade.objects.get(user=dana).grade == 0.95
        assert CourseRunCertificate.objects.filter(user=dana).count() == 1
        assert has_certificate(other, run)

    def test_open_requests_of_the_certified_are_settled_by_what_happened(
        self, run: CourseRun, enrolled: Enrolls
    ):
        old = enrolled(run)
        generate_course_run_certificates(course_run=run)
        new, failed = enrolled(run), enrolled(run, **FAILED)
        for learner in (old, new, failed):
            CertificateRequestFactory.create(user=learner, course_run=run)

        generate_course_run_certificates(course_run=run)

        statuses = dict(CertificateRequest.objects.values_list("user", "status"))
        assert statuses == {old.pk: "exists", new.pk: "created", failed.pk: "open"}

    def test_a_request_whose_certificate_is_gone_by_then_stays_open(
        self, run: CourseRun, enrolled: Enrolls
    ):
        gone, there = enrolled(run), enrolled(run)
        CourseRunCertificateFactory.create(user=there, course_run=run)
        for learner in (gone, there):
            CertificateRequestFactory.create(user=learner, course_run=run)
        exists = CertificateOutcome.EXISTS

        settle_certified(run, {gone.pk: exists, there.pk: exists})

        statuses = dict(CertificateRequest.objects.values_list("user", "status"))
        assert statuses == {gone.pk: "open", there.pk: "exists"}

    def test_a_learner_with_a_second_account_there_is_one_learner(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run)
        OpenEdxUserFactory.create(user=dana, platform="other", edx_username="dana-again")
        openedx.enroll(run.courseware_id, "dana-again", **PASSED)

        generate_course_run_certificates(course_run=run)

        assert CourseRunCertificate.objects.filter(user=dana).count() == 1


def test_an_upgrade_after_passing_earns_the_certificate_of_the_grade_that_is_there(
    run: CourseRun, enrolled: Enrolls
):
    others = [enrolled(run) for _ in range(2)]
    dana = enrolled(run, mode="audit")
    generate_course_run_certificates(course_run=run)
    enrollment = CourseRunEnrollment.objects.get(user=dana)
    enrollment.enrollment_mode = "verified"
    enrollment.save()

    summary = generate_course_run_certificates(course_run=run)

    assert has_certificate(dana, run)
    assert summary.certificates == {"created": 1, "exists": len(others)}


def test_a_stored_grade_alone_is_no_reason_to_touch_other_runs(run: CourseRun, enrolled: Enrolls):
    dana, other = enrolled(run), CourseRunFactory.create()
    CourseRunEnrollmentFactory.create(user=dana, run=other)
    CourseRunGradeFactory.create(user=dana, course_run=other)

    generate_course_run_certificates(course_run=run)

    assert not has_certificate(dana, other)
