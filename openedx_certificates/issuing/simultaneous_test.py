"""Passes that meet: whichever comes first, there is one row and no lost act."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from django.conf import settings as site_settings
from django.db import connection
from pytest_django import Settings

from courses.api import create_local_enrollment
from courses.models import (
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
    CourseRunEnrollmentAudit,
    CourseRunGrade,
)
from openedx_certificates.api import (
    generate_course_run_certificates,
    manage_course_run_certificate_access,
    override_user_grade,
    process_course_run_grade_certificate,
    process_requests,
    request_certificate,
)
from openedx_certificates.issuing.fetching import fetch_grade_pages
from openedx_certificates.issuing.pages import apply_page
from openedx_certificates.testing.factories import (
    CourseRunCertificateFactory,
    CourseRunFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import (
    FAILED,
    PASSED,
    Enrolls,
    at_once,
    has_certificate,
    in_thread,
)
from openedx_certificates.waiting.patience import patience_of
from tools.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(transactional_db: None) -> CourseRun:
    return CourseRunFactory.create(self_paced=True)


@contextmanager
def sweep_waiting_for(openedx: SimulatedOpenEdx) -> Iterator[None]:
    """Do the block while a sweep waits for the grades, which it gets afterwards."""

    def sweep() -> None:
        try:
            generate_course_run_certificates()
        finally:
            connection.close()

    openedx.set_fault("hang")
    with ThreadPoolExecutor(1) as executor:
        sweeping = executor.submit(sweep)
        openedx.wait_for_requests(1)
        yield
        openedx.clear_fault()
        sweeping.result()


def test_16_identical_passes_create_one_grade_and_one_certificate(
    run: CourseRun, enrolled: Enrolls
):
    dana = enrolled(run)

    summaries = at_once(
        *[lambda: generate_course_run_certificates(user=dana, course_run=run, force=True)] * 16
    )

    assert CourseRunGrade.objects.count() == 1
    assert CourseRunCertificate.all_objects.count() == 1
    assert sum(summary.certificates["created"] for summary in summaries) == 1
    assert sum(summary.certificates["exists"] for summary in summaries) == 15
    assert sum(summary.grades["created"] for summary in summaries) == 1


def test_a_sweep_and_the_webhooks_create_each_certificate_once(run: CourseRun, enrolled: Enrolls):
    learners = [enrolled(run) for _ in range(8)]

    at_once(
        generate_course_run_certificates,
        *[
            lambda learner=learner: generate_course_run_certificates(
                user=learner, course_run=run, force=True
            )
            for learner in learners
        ],
        generate_course_run_certificates,
    )

    assert CourseRunCertificate.all_objects.count() == len(learners)


def test_the_same_enrollment_event_many_times_at_once_makes_one_enrollment(run: CourseRun):
    dana = UserFactory.create()

    results = at_once(*[lambda: create_local_enrollment(dana, run, mode="verified")] * 8)

    assert CourseRunEnrollment.all_objects.count() == 1
    assert [created for _, created in results].count(True) == 1
    assert CourseRunEnrollmentAudit.objects.count() == 1


def test_a_page_in_hand_does_not_undo_what_an_event_has_stored_since(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    dana = enrolled(run, **FAILED)
    generate_course_run_certificates(course_run=run)
    (page,) = fetch_grade_pages(run)
    openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
    generate_course_run_certificates(user=dana, course_run=run, force=True)

    (result,) = apply_page(page, run, is_due=True, may_delete=True)

    assert (result.grade, result.certificate) == ("overtaken", "exists")
    assert CourseRunGrade.objects.get().passed


def test_an_event_whose_answer_was_overtaken_by_an_older_page_asks_again(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx, settings: Settings
):
    # Without patience the first "not passed" would be the last word.
    settings.OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS = ()
    dana = enrolled(run, **FAILED)
    (page,) = fetch_grade_pages(run)
    openedx.set_grade(run.courseware_id, dana.edx_username, **PASSED)
    openedx.clear_requests()
    openedx.set_fault("hang")
    with ThreadPoolExecutor(1) as executor:
        telling = executor.submit(in_thread(lambda: request_certificate(dana, run)))
        openedx.wait_for_requests(1)
        apply_page(page, run, is_due=True, may_delete=True)
        openedx.clear_fault()

        assert telling.result() is None

    assert process_requests(ignore_due=True).settled == {"created": 1}
    assert has_certificate(dana, run)


def test_an_administrators_zero_is_not_undone_by_a_sweep_that_started_before(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    dana = enrolled(run)

    with sweep_waiting_for(openedx):
        process_course_run_grade_certificate(
            override_user_grade(dana, 0.0, None, run.courseware_id)
        )

    assert not CourseRunCertificate.all_objects.exists()
    assert CourseRunGrade.objects.get().set_by_admin


def test_a_revocation_while_open_edx_is_asked_holds(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    dana = enrolled(run)

    with sweep_waiting_for(openedx):
        CourseRunCertificateFactory.create(user=dana, course_run=run)
        manage_course_run_certificate_access(dana, run.courseware_id, revoke_state=True)

    assert CourseRunCertificate.all_objects.get().is_revoked


def test_an_enrollment_that_ends_while_open_edx_is_asked_earns_nothing(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    dana = enrolled(run)

    with sweep_waiting_for(openedx):
        CourseRunEnrollment.objects.filter(user=dana).update(active=False)

    assert not CourseRunCertificate.all_objects.exists()


@pytest.mark.site("The pool of connections is the site's.")
def test_no_connection_and_no_transaction_is_held_while_open_edx_is_asked(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    enrolled(run, **FAILED)

    with sweep_waiting_for(openedx):
        connection.ensure_connection()
        with ExitStack() as others, patience_of(5, bounds_statements=False):
            # With this test's own those are all that the pool has.
            for _ in range(site_settings.DATABASE_POOL_SIZE - 1):
                others.callback(connection.pool.putconn, connection.pool.getconn())
