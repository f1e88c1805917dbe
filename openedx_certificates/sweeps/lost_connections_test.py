"""A connection that the database closes in the middle of a sweep: a failover, an idle proxy."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from courses.models import CourseRun
from courses.tasks import generate_course_certificates
from openedx_certificates.api import GenerationSummary, generate_course_run_certificates
from openedx_certificates.testing.factories import CourseRunFactory
from openedx_certificates.testing.scenes import Enrolls, has_certificate, in_thread
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def learners(transactional_db: None, enrolled: Enrolls) -> dict[CourseRun, User]:
    """Three runs, in each a paid learner with a passing grade."""
    return {run: enrolled(run) for run in CourseRunFactory.create_batch(3, self_paced=True)}


def lose_connection() -> None:
    """Have the server close the connection of this thread, which does not know of it yet."""
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid

    def close() -> None:
        with connection.cursor() as cursor:
            # Returns when it is gone.
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])

    with ThreadPoolExecutor(1) as executor:
        executor.submit(in_thread(close)).result()


def test_the_other_runs_of_a_sweep_are_swept_over_a_new_one(learners: dict[CourseRun, User]):
    _first, *others = learners
    reports = []

    def lose_after_first(summary: GenerationSummary) -> None:
        if not reports:
            lose_connection()
        reports.append(summary)

    generate_course_run_certificates(report=lose_after_first)

    assert all(has_certificate(learners[run], run) for run in learners)
    assert not CourseRun.objects.filter(pk__in=[run.pk for run in others], sweep=None).exists()


def test_without_celery_it_fails_one_run_alone(learners: dict[CourseRun, User]):
    first, *others = learners
    looks = []

    def lose_before_first_look(execute, sql, params, many, context):
        # The list of runs has been read, and it is asked whether the first was swept since.
        if '"started_on" BETWEEN' in sql:
            looks.append(sql)
            if len(looks) == 1:
                lose_connection()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(lose_before_first_look):
        generate_course_certificates.delay()

    assert not has_certificate(learners[first], first)
    assert all(has_certificate(learners[run], run) for run in others)
