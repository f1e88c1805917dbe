"""`manage.py replay_certificate_requests`: which requests it takes, and what becomes of them."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from courses.models import CourseRun
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunFactory,
    OpenEdxPauseFactory,
)
from openedx_certificates.testing.scenes import FAILED, Enrolls, has_certificate
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

Status = CertificateRequest.Status


def replay(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_certificate_requests", "--no-progress", *arguments, stdout=out)
    return out.getvalue()


def held(
    user: User, run: CourseRun, status: Status = Status.FAILED, *, accepted: datetime | None = None
) -> CertificateRequest:
    """Make a request as it was left."""
    request = CertificateRequestFactory.create(
        user=user,
        course_run=run,
        status=status,
        settled_on=None if status == Status.OPEN else timezone.now(),
    )
    if accepted:
        CertificateRequest.objects.filter(pk=request.pk).update(created_on=accepted)
    return request


def test_a_failed_request_is_settled_whatever_pause_there_is(run: CourseRun, enrolled: Enrolls):
    dana = enrolled(run)
    failed = held(dana, run)
    OpenEdxPauseFactory.create()

    report = replay("--status", "failed")

    assert has_certificate(dana, run)
    assert report.startswith("1 request(s) taken up. Settled: 1 created")
    failed.refresh_from_db()
    assert (failed.status, failed.deliveries) == (Status.CREATED, 2)


def test_what_fails_again_is_kept_like_any_other(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    failed = held(enrolled(run), run)
    openedx.set_fault("500")

    report = replay("--status", "failed")

    assert "tried again: 1. Open now: 1." in report
    failed.refresh_from_db()
    assert failed.is_open


def test_a_dry_run_tells_and_does_nothing(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    dana = enrolled(run)
    held(dana, run)

    report = replay("--status", "failed", "--dry-run")

    assert f"failed        user {dana.pk}  {run.courseware_id}" in report
    assert "1 request(s) would be replayed. Nothing was done." in report
    assert dana.email not in report
    assert openedx.request_count == 0
    assert CertificateRequest.objects.get().status == Status.FAILED


def test_a_long_dry_run_shows_the_first_and_counts_all(run: CourseRun):
    for request in CertificateRequestFactory.create_batch(22, course_run=run):
        assert request.is_open

    report = replay("--status", "open", "--dry-run")

    assert len(report.splitlines()) == 22
    assert "... and 2 more" in report
    assert "22 request(s) would be replayed" in report


class TestWhich:
    """Each request is of a learner with a passing grade: a replay ends in a certificate."""

    def test_those_of_a_run(self, run: CourseRun, enrolled: Enrolls):
        other = CourseRunFactory.create()
        dana, elsewhere = enrolled(run), enrolled(other)
        held(dana, run)
        held(elsewhere, other)

        replay("--run", run.courseware_id)

        assert has_certificate(dana, run)
        assert not has_certificate(elsewhere, other)

    def test_those_of_a_learner_by_address(self, run: CourseRun, enrolled: Enrolls):
        dana, other = enrolled(run), enrolled(run)
        held(dana, run)
        held(other, run)

        replay("--user", dana.email.upper())

        assert has_certificate(dana, run)
        assert not has_certificate(other, run)

    def test_those_of_the_days_that_are_given(self, run: CourseRun, enrolled: Enrolls):
        before, first, last, after = (enrolled(run) for _ in range(4))
        held(before, run, accepted=datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC))
        held(first, run, accepted=datetime(2026, 5, 1, tzinfo=UTC))
        held(last, run, accepted=datetime(2026, 5, 3, 23, 59, 59, tzinfo=UTC))
        held(after, run, accepted=datetime(2026, 5, 4, tzinfo=UTC))

        replay("--since", "2026-05-01", "--until", "2026-05-03")

        got = [has_certificate(user, run) for user in (before, first, last, after)]
        assert got == [False, True, True, False]

    def test_without_a_status_those_that_led_to_no_certificate(
        self, run: CourseRun, enrolled: Enrolls
    ):
        cases = (Status.OPEN, Status.NOT_ELIGIBLE, Status.FAILED, Status.CREATED, Status.REVOKED)
        learners = {status: enrolled(run) for status in cases}
        for status, learner in learners.items():
            held(learner, run, status)

        replay("--run", run.courseware_id)

        got = {status for status, learner in learners.items() if has_certificate(learner, run)}
        assert got == {Status.OPEN, Status.NOT_ELIGIBLE, Status.FAILED}

    def test_of_several_of_one_learner_and_run_one(
        self, run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
    ):
        dana = enrolled(run, **FAILED)
        older, open_one = held(dana, run), held(dana, run, Status.OPEN)

        replay("--user", dana.email)

        older.refresh_from_db()
        open_one.refresh_from_db()
        assert (older.status, older.deliveries) == (Status.FAILED, 1)
        assert (open_one.status, open_one.deliveries) == (Status.OPEN, 2)
        assert openedx.request_count == 1

    def test_nothing_is_chosen_by_saying_nothing(self):
        with pytest.raises(CommandError, match="Say which: --run, --user"):
            replay()

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--run", "course-v1:none"], "There is no course run course-v1:none"),
            (["--user", "nobody@example.com"], "There is no user"),
            (["--status", "lost"], "invalid choice: 'lost'"),
            (["--since", "yesterday"], "invalid fromisoformat value"),
        ],
        ids=["run", "user", "status", "date"],
    )
    def test_what_is_not_known_is_named(self, arguments: list[str], sentence: str):
        with pytest.raises(CommandError, match=sentence):
            replay(*arguments)


@pytest.mark.usefixtures("broken_database")
def test_a_database_that_is_down_fails_the_command_in_one_line():
    with pytest.raises(CommandError, match="The database failed"):
        replay("--status", "failed")
