"""`manage.py process_certificate_requests`: one pass over what is due, by hand or by cron."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from courses.models import CourseRun
from openedx_certificates.models import CertificateRequest
from openedx_certificates.testing.factories import CertificateRequestFactory, OpenEdxPauseFactory
from openedx_certificates.testing.scenes import FAILED, Enrolls, has_certificate
from tools.simulator import SimulatedOpenEdx

pytestmark = pytest.mark.django_db


def process(*arguments: str) -> str:
    out = StringIO()
    call_command("process_certificate_requests", "--no-progress", *arguments, stdout=out)
    return out.getvalue()


def test_what_is_due_is_settled_and_the_line_tells(run: CourseRun, enrolled: Enrolls):
    dana, failed, auditor = enrolled(run), enrolled(run, **FAILED), enrolled(run, mode="audit")
    for learner in (dana, failed, auditor):
        CertificateRequestFactory.create(user=learner, course_run=run)

    report = process()

    assert has_certificate(dana, run)
    assert report.startswith("3 request(s) taken up. Settled: 1 created, 0 existing, 0 revoked, ")
    assert "1 not eligible, 0 failed" in report
    assert "Not passed yet, asked again soon: 1." in report
    assert "Open now: 1." in report


def test_what_is_not_due_waits_unless_all_are_asked_for(run: CourseRun, enrolled: Enrolls):
    dana = enrolled(run)
    CertificateRequestFactory.create(
        user=dana, course_run=run, next_attempt_on=timezone.now() + timedelta(hours=1)
    )

    assert process().startswith("0 request(s) taken up.")
    assert not has_certificate(dana, run)

    assert process("--all").startswith("1 request(s) taken up.")
    assert has_certificate(dana, run)


def test_an_open_edx_that_is_down_is_no_failure_of_the_command(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    dana = enrolled(run)
    CertificateRequestFactory.create(user=dana, course_run=run)
    openedx.stop()

    report = process()

    assert "Nobody could tell, tried again: 1." in report
    assert CertificateRequest.objects.get().is_open


def test_a_pause_is_named_and_all_does_not_heed_it(
    run: CourseRun, enrolled: Enrolls, openedx: SimulatedOpenEdx
):
    dana = enrolled(run)
    CertificateRequestFactory.create(user=dana, course_run=run)
    OpenEdxPauseFactory.create()

    assert "Open edX is down: the others wait for a probe" in process()
    assert openedx.request_count == 0

    assert "Open edX is down" not in process("--all")
    assert has_certificate(dana, run)


def test_a_progress_bar_is_shown_when_asked_for(
    run: CourseRun, enrolled: Enrolls, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("tqdm", reason="The extra [progress] is not installed.")
    CertificateRequestFactory.create(user=enrolled(run), course_run=run)

    call_command("process_certificate_requests", "--progress")

    assert "1/1" in capsys.readouterr().err


@pytest.mark.usefixtures("broken_database")
def test_a_database_that_is_down_fails_the_command_in_one_line():
    with pytest.raises(CommandError, match="The database failed"):
        process()


def test_all_and_watch_exclude_each_other():
    with pytest.raises(CommandError, match="not allowed with"):
        process("--all", "--watch")
