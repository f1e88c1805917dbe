"""Two sweeps of one run never overlap."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import GenerationSummary, RunIsSwept, generate_course_run_certificates
from openedx_certificates.issuing import fetching
from openedx_certificates.models import CourseRunSweep
from openedx_certificates.sweeps.leases import SweepOvertaken, claim_sweep
from openedx_certificates.testing.factories import CourseRunFactory, CourseRunSweepFactory
from openedx_certificates.testing.scenes import (
    ZERO,
    Enrolls,
    at_once,
    certify,
    has_certificate,
    in_thread,
)
from tools.simulator import Fault, SimulatedOpenEdx

pytestmark = pytest.mark.django_db(transaction=True)

Sweeps = Callable[..., Future[GenerationSummary]]


@pytest.fixture
def run(transactional_db: None) -> CourseRun:
    return CourseRunFactory.create(self_paced=True)


@pytest.fixture
def sweep_aside() -> Iterator[Sweeps]:
    """Begin a sweep in a thread of its own."""
    with ThreadPoolExecutor() as executor:
        yield lambda **arguments: executor.submit(
            in_thread(lambda: generate_course_run_certificates(**arguments))
        )


@contextmanager
def at_work(run: CourseRun) -> Iterator[None]:
    """Let another process sweep the run, as far as anybody can see, for the block."""
    until = timezone.now() + timedelta(minutes=1)
    sweep = CourseRunSweepFactory.create(course_run=run, lease=uuid.uuid4(), leased_until=until)
    yield
    CourseRunSweep.objects.filter(pk=sweep.pk).update(lease=None, leased_until=None)


class TestOneRun:
    def test_who_comes_second_waits_and_asks_all_the_same(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        sweep_aside: Sweeps,
    ):
        enrolled(run)
        openedx.set_fault(Fault("hang", count=1))
        first = sweep_aside(course_run=run)
        openedx.wait_for_requests(1)

        second = sweep_aside(course_run=run)
        with pytest.raises(RunIsSwept):
            generate_course_run_certificates(course_run=run, may_wait=False)
        assert openedx.request_count == 1

        openedx.clear_fault()
        assert first.result().certificates == {"created": 1}
        assert second.result().certificates == {"exists": 1}
        assert openedx.request_count == 2

    def test_of_many_at_once_one_gets_it(self, run: CourseRun):
        def claim() -> bool:
            try:
                claim_sweep(run)
            except RunIsSwept:
                return False
            return True

        assert sorted(at_once(*[claim] * 8)) == [False] * 7 + [True]

    def test_what_a_sweep_that_died_had_is_free_when_its_lease_has_run_out(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)
        CourseRunSweepFactory.create(
            course_run=run, lease=uuid.uuid4(), leased_until=timezone.now()
        )

        generate_course_run_certificates(course_run=run, may_wait=False)

        assert has_certificate(dana, run)

    def test_it_is_free_after_a_sweep_however_that_ended(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        def stop(_summary: GenerationSummary) -> None:
            raise KeyboardInterrupt

        enrolled(run)
        openedx.set_fault("401")
        generate_course_run_certificates(course_run=run, may_wait=False)
        openedx.clear_fault()
        with pytest.raises(KeyboardInterrupt):
            generate_course_run_certificates(course_run=run, may_wait=False, report=stop)

        assert not generate_course_run_certificates(course_run=run, may_wait=False).failures

    def test_a_question_about_one_learner_waits_for_no_sweep(
        self, run: CourseRun, enrolled: Enrolls
    ):
        dana = enrolled(run)

        with at_work(run):
            generate_course_run_certificates(user=dana, course_run=run)

        assert has_certificate(dana, run)

    def test_a_sweep_of_all_goes_on_with_the_others_and_comes_back(
        self, run: CourseRun, enrolled: Enrolls, sweep_aside: Sweeps, openedx: SimulatedOpenEdx
    ):
        other = CourseRunFactory.create(self_paced=True)
        learners = {each: enrolled(each) for each in (run, other)}

        with at_work(run):
            sweep = sweep_aside()
            openedx.wait_for_requests(1)
            assert [request.course_id for request in openedx.requests] == [other.courseware_id]

        assert sweep.result().runs == 2
        assert all(has_certificate(learner, each) for each, learner in learners.items())

    def test_the_lease_is_renewed_while_open_edx_is_silent(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        sweep_aside: Sweeps,
        settings,
        monkeypatch: pytest.MonkeyPatch,
    ):
        length = timedelta(seconds=2)
        settings.OPENEDX_CERTIFICATES_SWEEP_LEASE = length.total_seconds()
        monkeypatch.setattr(fetching, "ALIVE_SECONDS", 0.05)
        enrolled(run)
        openedx.set_fault(Fault("hang", count=1))
        sweep = sweep_aside(course_run=run)
        openedx.wait_for_requests(1)
        held = CourseRunSweep.objects.get(course_run=run)

        begun = held.leased_until
        while held.leased_until < begun + length:
            held.refresh_from_db()
            with pytest.raises(RunIsSwept):
                claim_sweep(run)

        openedx.clear_fault()
        assert not sweep.result().failures

    def test_who_was_taken_for_dead_stops_and_keeps_no_result(
        self,
        run: CourseRun,
        enrolled: Enrolls,
        openedx: SimulatedOpenEdx,
        settings,
        caplog: pytest.LogCaptureFixture,
    ):
        settings.OPENEDX_CERTIFICATES_PAGE_SIZE = 1
        learners = [enrolled(run) for _ in range(3)]
        another = uuid.uuid4()

        def overtake(_summary: GenerationSummary) -> None:
            CourseRunSweep.objects.update(
                lease=another, leased_until=timezone.now() + timedelta(minutes=1)
            )
            settings.OPENEDX_CERTIFICATES_SWEEP_LEASE = 0.0

        summary = generate_course_run_certificates(course_run=run, report=overtake)

        assert [has_certificate(learner, run) for learner in learners] == [True, False, False]
        sweep = CourseRunSweep.objects.get()
        assert (sweep.lease, sweep.started_on) == (another, None)
        assert summary.failed_runs == [run.courseware_id]
        (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert vars(line)["error"] == "overtaken"

    def test_who_was_taken_for_dead_deletes_nothing(
        self, run: CourseRun, enrolled: Enrolls, settings
    ):
        learners = [enrolled(run, **ZERO) for _ in range(2)]
        for learner in learners:
            certify(learner, run, zero_reported_on=timezone.now() - timedelta(hours=21))

        def overtake(_summary: GenerationSummary) -> None:
            CourseRunSweep.objects.update(
                lease=uuid.uuid4(), leased_until=timezone.now() + timedelta(minutes=1)
            )

        generate_course_run_certificates(course_run=run, report=overtake)

        assert CourseRunCertificate.objects.count() == 2

    def test_a_lease_that_ran_out_is_lost_also_where_nobody_took_it(self, run: CourseRun):
        lease = claim_sweep(run)
        CourseRunSweep.objects.update(leased_until=timezone.now())

        with pytest.raises(SweepOvertaken):
            lease.renew(at_once=True)

    def test_who_waited_goes_by_the_dates_of_now(
        self, run: CourseRun, enrolled: Enrolls, sweep_aside: Sweeps
    ):
        dana = enrolled(run)

        with at_work(run):
            sweep = sweep_aside(course_run=run)
            with pytest.raises(TimeoutError):
                sweep.result(timeout=0.5)
            CourseRun.objects.update(is_self_paced=False, certificate_available_date=None)

        assert sweep.result().certificates == {"not_due": 1}
        assert not has_certificate(dana, run)
