"""The periodic work of a site without a broker: the same schedule that Celery's beat keeps."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun
from openedx_certificates.management.periodic import PeriodicTasks
from openedx_certificates.models import CertificateRequest
from openedx_certificates.tasks import process_certificate_requests
from openedx_certificates.testing.factories import CertificateRequestFactory
from openedx_certificates.testing.scenes import Enrolls, has_certificate, travel

pytestmark = pytest.mark.django_db

MORNING = datetime(2026, 5, 4, 3, 10, tzinfo=UTC)


@pytest.fixture
def periodic() -> PeriodicTasks:
    """The work of a process that was started in the morning."""
    with travel(MORNING):
        return PeriodicTasks(without=process_certificate_requests.name)


def run_at(periodic: PeriodicTasks, moment: datetime) -> None:
    with travel(moment):
        periodic.run_due()


def test_the_sweep_comes_at_the_full_hour_and_once(
    periodic: PeriodicTasks, run: CourseRun, enrolled: Enrolls
):
    CourseRun.objects.update(is_self_paced=True, certificate_available_date=None)
    dana = enrolled(run)

    run_at(periodic, MORNING + timedelta(minutes=49))
    assert not has_certificate(dana, run)

    run_at(periodic, MORNING + timedelta(minutes=51))
    assert CertificateRequest.objects.count() == 0
    assert run.courseruncertificates.count() == 1

    late = enrolled(run)
    run_at(periodic, MORNING + timedelta(minutes=52))
    assert not has_certificate(late, run)


def test_a_clock_that_is_set_back_stops_nothing(
    periodic: PeriodicTasks, run: CourseRun, enrolled: Enrolls
):
    CourseRun.objects.update(is_self_paced=True, certificate_available_date=None)
    run_at(periodic, MORNING + timedelta(days=400))
    dana = enrolled(run)

    run_at(periodic, MORNING)
    assert not has_certificate(dana, run)

    run_at(periodic, MORNING + timedelta(minutes=51))
    assert has_certificate(dana, run)


def test_settled_requests_are_pruned_once_a_day(periodic: PeriodicTasks):
    CertificateRequestFactory.create(
        status=CertificateRequest.Status.CREATED, settled_on=timezone.now() - timedelta(days=1000)
    )

    run_at(periodic, MORNING + timedelta(minutes=19))
    assert CertificateRequest.objects.count() == 1

    run_at(periodic, MORNING + timedelta(minutes=21))
    assert CertificateRequest.objects.count() == 0


def test_the_requests_are_left_to_whoever_watches_them(periodic: PeriodicTasks):
    request = CertificateRequestFactory.create()

    run_at(periodic, MORNING + timedelta(minutes=5))

    request.refresh_from_db()
    assert request.attempts == 0
