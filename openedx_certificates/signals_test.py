"""`certificate_created`: once for each new certificate, after the commit, from every path."""

from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from courses.models import CourseRun, CourseRunCertificate
from openedx_certificates.api import (
    generate_course_run_certificates,
    process_course_run_grade_certificate,
    process_requests,
    request_certificate,
)
from openedx_certificates.signals import certificate_created
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
    UserFactory,
)
from openedx_certificates.testing.scenes import PASSED, ZERO, Enrolls, at_once
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

Path = Callable[[User, CourseRun], object]


@pytest.fixture
def run(transactional_db: None) -> CourseRun:
    return CourseRunFactory.create(self_paced=True)


@pytest.fixture
def told() -> Iterator[list[CourseRunCertificate]]:
    """The certificates a receiver was told of, each found committed at that moment."""
    certificates = []

    def receive(sender: type, certificate: CourseRunCertificate, **kwargs: object) -> None:
        assert sender is CourseRunCertificate
        assert not connection.in_atomic_block
        certificates.append(CourseRunCertificate.objects.get(pk=certificate.pk))

    certificate_created.connect(receive)
    yield certificates
    certificate_created.disconnect(receive)


def set_grade_by_command(learner: User, run: CourseRun) -> None:
    options = ["--user", learner.email, "--run", run.courseware_id, "--grade", "0.9"]
    call_command("manage_certificates", "--create", *options)


def hold_and_process(learner: User, run: CourseRun) -> None:
    CertificateRequestFactory.create(user=learner, course_run=run)
    process_requests()


def process_the_grade(learner: User, run: CourseRun) -> None:
    process_course_run_grade_certificate(CourseRunGradeFactory.create(user=learner, course_run=run))


PATHS = {
    "webhook": request_certificate,
    "held request": hold_and_process,
    "sweep of everything": lambda _learner, _run: generate_course_run_certificates(),
    "sweep of a run": lambda _learner, run: generate_course_run_certificates(course_run=run),
    "one learner": lambda learner, run: generate_course_run_certificates(
        user=learner, course_run=run
    ),
    "grade": process_the_grade,
}
COMMAND = pytest.param(
    set_grade_by_command,
    id="command",
    marks=pytest.mark.site("manage_certificates is the host's."),
)


@pytest.mark.parametrize(
    "path", [*(pytest.param(path, id=name) for name, path in PATHS.items()), COMMAND]
)
def test_every_path_tells_of_a_new_certificate_once(
    path: Path, run: CourseRun, enrolled: Enrolls, told: list[CourseRunCertificate]
):
    dana = enrolled(run)

    path(dana, run)

    assert [(certificate.user, certificate.course_run) for certificate in told] == [(dana, run)]

    generate_course_run_certificates()
    request_certificate(dana, run)

    assert len(told) == 1


@pytest.mark.site("The form for a grade is the host's admin.")
def test_an_administrators_grade_in_the_admin_tells_too(
    run: CourseRun, told: list[CourseRunCertificate], admin_client
):
    dana = UserFactory.create()
    CourseRunEnrollmentFactory.create(user=dana, run=run)

    admin_client.post(
        "/admin/courses/courserungrade/add/",
        {"user": dana.pk, "course_run": run.pk, "grade": "0.9", "should_force_pass": "on"},
    )

    assert [certificate.user for certificate in told] == [dana]


def test_a_page_tells_of_each_new_certificate_and_of_no_other(
    run: CourseRun, enrolled: Enrolls, told: list[CourseRunCertificate]
):
    new = [enrolled(run) for _ in range(5)]
    enrolled(run, mode="audit")
    enrolled(run, **ZERO)
    CourseRunCertificateFactory.create(user=enrolled(run), course_run=run)

    generate_course_run_certificates()

    assert {certificate.user for certificate in told} == set(new)
    assert len(told) == len(new)


def test_of_simultaneous_passes_one_tells(
    run: CourseRun, enrolled: Enrolls, told: list[CourseRunCertificate]
):
    dana, other = enrolled(run), enrolled(run)

    at_once(
        *[lambda: generate_course_run_certificates(user=dana, course_run=run)] * 6,
        generate_course_run_certificates,
    )

    assert sorted(certificate.user.pk for certificate in told) == [dana.pk, other.pk]


def test_what_is_rolled_back_was_never_told(
    run: CourseRun, enrolled: Enrolls, told: list[CourseRunCertificate]
):
    grade = CourseRunGradeFactory.create(user=enrolled(run), course_run=run)

    with transaction.atomic():
        process_course_run_grade_certificate(grade)
        transaction.set_rollback(True)

    assert not CourseRunCertificate.objects.exists()
    assert told == []


def test_a_receiver_that_fails_undoes_nothing_and_its_words_are_not_logged(
    run: CourseRun,
    enrolled: Enrolls,
    openedx: SimulatedOpenEdx,
    told: list[CourseRunCertificate],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    def fail(certificate: CourseRunCertificate, **kwargs: object) -> None:
        raise RuntimeError(f"no such contact: {certificate.user.email}")

    dana, other = enrolled(run), enrolled(run, **PASSED)
    certificate_created.connect(fail)
    try:
        summary = generate_course_run_certificates()
    finally:
        certificate_created.disconnect(fail)

    assert summary.certificates["created"] == 2
    assert {certificate.user for certificate in told} == {dana, other}
    lines = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [
        vars(line)["error"]
        for line in lines
        if line.name == "openedx_certificates.issuing.after_commit"
    ] == ["RuntimeError"] * 2
    assert dana.email not in capfd.readouterr().err
