"""No token, e-mail address or grade reaches the log, whatever happens and at whichever level.

Each scene plays with every logger open at DEBUG that can be opened. What it wrote is searched for
all that tells who somebody is or how they did, and for all that opens a door.
"""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, IntegrityError, OperationalError, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken
from pytest_django import Settings

from courses.api import generate_course_run_certificates, process_requests
from courses.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeFactory,
)
from courses.models import CertificateRequest, CourseRun, CourseRunCertificate
from courses.tasks import generate_course_certificates, process_certificate_requests
from main.log_reading import Log, find_leaks, secrets_of_everybody
from openedx.simulator import SimulatedOpenEdx
from users.factories import UserFactory
from users.models import User

pytestmark = pytest.mark.django_db

CERTIFICATE, ENROLLMENT = "openedx-certificate-webhook", "openedx-enrollment-webhook"
COURSE_ID = "course-v1:MITx+6.00x+1T2026"
PASSWORD = "correct-horse-battery-staple"
# Which are no part of any other number.
PASSED, FAILED, SET = 0.87319246, 0.44170938, 0.73590128
LETTER = "ZQX"
UNKNOWN = "Nobody.Known@elsewhere.example"
STRANGER = "stranger@elsewhere.example"
# What an error of the database or of ours may say.
TEXT = f"DETAIL: Key (email)=(dana.hollis@learners.example), grade={PASSED} {LETTER} {UNKNOWN}"
FAULTS = [
    *("500", "503:1", "429", "401", "403", "404", "html", "malformed", "truncated", "empty-list"),
    *("empty-object", "close", "hang", "redirect"),
    f'json:[{{"username": "{STRANGER}", "course_id": "{COURSE_ID}", "passed": true, "percent": {PASSED}, "letter_grade": "{LETTER}"}}]',
    f'json:[{{"username": "dana.hollis@learners.example", "course_id": "{COURSE_ID}", "passed": true, "percent": "{PASSED}", "letter_grade": "{LETTER}"}}]',
    f'json:{{"detail": "dana.hollis@learners.example has {PASSED}"}}',
]


@dataclass
class Site:
    """The site, and the people who come to it."""

    openedx: SimulatedOpenEdx
    settings: Settings
    run: CourseRun
    #: Has paid; her name on Open edX is her address.
    dana: User
    #: Has paid too.
    erin: User
    #: Has not enrolled, and no account on Open edX.
    ned: User
    staff: User
    #: By whose they are.
    tokens: dict[str, str]
    client: Client
    everybody: list[str]

    def post(self, event: Any, *, to: str = CERTIFICATE, whose: str = "staff", **more: Any) -> int:
        """Send an event; return the status of the answer."""
        body = event if isinstance(event, bytes | str) else json.dumps(event)
        return self.client.post(
            reverse(to) + more.pop("query", ""),
            body,
            content_type=more.pop("content_type", "application/json"),
            headers={"authorization": f"Bearer {self.tokens[whose]}"} | more,
        ).status_code

    def tell_of(self, user: User, **more: Any) -> int:
        """Send what the plugin sends of a learner."""
        return self.post({"email": user.email, "course_id": COURSE_ID}, **more)

    def let_pass(self, *users: User, **fields: Any) -> None:
        """Let Open edX report a passing grade, or what the fields make of it."""
        grade = {"passed": True, "percent": PASSED, "letter_grade": LETTER} | fields
        for user in users or (self.dana,):
            name = str(user.edx_username)
            self.openedx.enroll(COURSE_ID, name, email=user.email, **grade)

    @property
    def secrets(self) -> list[str]:
        """All that must not be told."""
        return [
            *self.everybody,
            *self.tokens.values(),
            self.settings.OPENEDX_SERVICE_WORKER_API_TOKEN,
            self.settings.SECRET_KEY,
            PASSWORD,
            *(cookie.value for cookie in self.client.cookies.values() if cookie.value),
            *map(str, (PASSED, FAILED, SET)),
            *(f"{100 * grade:.4f}" for grade in (PASSED, FAILED, SET)),
            LETTER,
            UNKNOWN,
            STRANGER,
        ]


@pytest.fixture
def site(openedx: SimulatedOpenEdx, settings: Settings, client: Client) -> Iterator[Site]:
    settings.EDX_API_CLIENT_TIMEOUT = 0.3
    settings.SECRET_KEY = "the-key-that-signs-the-sessions-of-this-site"
    run = CourseRunFactory.create(courseware_id=COURSE_ID, self_paced=True)
    dana = UserFactory.create(
        username="dana_hollis",
        email="Dana.Hollis@learners.example",
        name="Dana Q. Hollis",
        openedx_user__edx_username="dana.hollis@learners.example",
    )
    erin = UserFactory.create(email="erin+mit@learners.example", name="Erin O'Neill")
    ned = UserFactory.create(email="ned@learners.example", openedx_user=None)
    for learner in (dana, erin):
        CourseRunEnrollmentFactory.create(user=learner, run=run)
    staff = UserFactory.create(
        username="plugin-of-open-edx", is_staff=True, is_superuser=True, name="Sam Staff"
    )
    staff.set_password(PASSWORD)
    staff.save()
    former = UserFactory.create(is_staff=True, is_active=False)
    owners = {"staff": staff, "learner": dana, "nobody": None, "former": former, "expired": staff}
    tokens = {
        whose: AccessToken.objects.create(
            user=owner,
            token=f"the-bearer-token-of-{whose}-Vq8Zr2",
            expires=timezone.now() + timedelta(hours=-1 if whose == "expired" else 1),
            scope="read write",
        ).token
        for whose, owner in owners.items()
    } | {"unknown": "a-token-that-nobody-made-Vq8Zr2", "two": "two-words-Vq8Zr2 of-a-token-Vq8Zr2"}
    client.raise_request_exception = False
    # The statements are handed to the logger of django.db.backends.
    connection.force_debug_cursor = True
    everybody = list(secrets_of_everybody())
    yield Site(openedx, settings, run, dana, erin, ned, staff, tokens, client, everybody)
    connection.force_debug_cursor = False


@contextmanager
def failing(error: Exception, at: str = "") -> Iterator[None]:
    """Have each statement fail that has these words."""

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if at in sql:
            raise error
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        yield


Scene = Callable[[Site], object]
SCENES: dict[str, Scene] = {}


def scene(name: str) -> Callable[[Scene], Scene]:
    """File a scene under a name."""

    def file(play: Scene) -> Scene:
        SCENES[name] = play
        return play

    return file


# --- The webhooks -------------------------------------------------------------------------------


@scene("created")
def create(site: Site) -> None:
    site.let_pass()
    assert site.tell_of(site.dana) == 200
    assert CourseRunCertificate.objects.get().user == site.dana


@scene("exists")
def exist(site: Site) -> None:
    create(site)
    assert site.tell_of(site.dana) == 200


@scene("revoked")
def be_revoked(site: Site) -> None:
    CourseRunCertificateFactory.create(user=site.dana, course_run=site.run, is_revoked=True)
    assert site.tell_of(site.dana) == 200


@scene("not passed")
def not_pass(site: Site) -> None:
    site.let_pass(passed=False, percent=FAILED, letter_grade=None)
    assert site.tell_of(site.dana) == 200


@scene("not paid")
def not_pay(site: Site) -> None:
    site.dana.courserunenrollments.update(enrollment_mode="audit")
    create_nothing(site)


def create_nothing(site: Site) -> None:
    site.let_pass()
    assert site.tell_of(site.dana) == 200
    assert not CourseRunCertificate.all_objects.exists()


@scene("no username")
def have_no_username(site: Site) -> None:
    assert site.tell_of(site.ned) == 202


@scene("in the background")
def leave_it_to_a_worker(site: Site) -> None:
    site.settings.CERTIFICATE_WEBHOOK_ASYNC = True
    assert site.tell_of(site.dana) == 202


def defer(fault: str) -> Scene:
    def play(site: Site) -> None:
        site.let_pass()
        site.openedx.set_fault(fault)
        assert site.tell_of(site.dana) == 202

    return play


SCENES |= {f"deferred: {fault[:24]}": defer(fault) for fault in FAULTS}
SCENES["deferred: another's grade"] = defer(FAULTS[-3])


@scene("odd bodies")
def send_odd_bodies(site: Site) -> None:
    email = site.dana.email
    for to in (CERTIFICATE, ENROLLMENT):
        for body in (
            email,
            f'{{"email": "{email}", ',
            f'{{"email": "{email}", "email": "{email}", "course_id": "{COURSE_ID}"}}',
            b"\xff" + email.encode(),
            [email, COURSE_ID],
            email.split("@"),
            {"email": f"{email}\n", "course_id": COURSE_ID},
            {"email": f"{email}\ud800", "course_id": COURSE_ID},
            {"email": email * 20, "course_id": COURSE_ID},
            {"email": [email], "course_id": COURSE_ID},
            {"email": email},
            {"email": email, "course_id": f"{email}\n"},
            {email: email, "course_id": {email: PASSED}},
        ):
            assert site.post(body, to=to) == 400
    for field in ("mode", "role"):
        event = {"email": email, "course_id": COURSE_ID, field: email * 4}
        assert site.post(event, to=ENROLLMENT) == 400


@scene("who may not call")
def knock_in_vain(site: Site) -> None:
    for to in (CERTIFICATE, ENROLLMENT):
        for whose in ("unknown", "nobody", "former", "expired", "two"):
            assert site.tell_of(site.dana, to=to, whose=whose) == 401
        assert site.tell_of(site.dana, to=to, whose="learner") == 403
        query = f"?access_token={site.tokens['staff']}&email={site.dana.email}"
        assert site.tell_of(site.dana, to=to, query=query, authorization="") == 401
        form = {"access_token": site.tokens["staff"], "email": site.dana.email}
        assert site.client.post(reverse(to), form).status_code == 401
        basic = f"Basic {site.staff.username}:{PASSWORD}"
        assert site.tell_of(site.dana, to=to, authorization=basic) == 401
        assert site.tell_of(site.dana, to=to, authorization=site.tokens["staff"]) == 401


@scene("tried out")
def try_out(site: Site) -> None:
    site.settings.FAILED_TOKENS_MAX = site.settings.FAILED_LOGINS_MAX = 1
    # Also where a window of time ends in between.
    assert 429 in [site.tell_of(site.dana, whose="unknown") for _ in range(4)]
    login = {"username": site.dana.email, "password": PASSWORD}
    assert 429 in [site.client.post("/admin/login/", login).status_code for _ in range(4)]


@scene("not known here")
def be_unknown(site: Site) -> None:
    for to in (CERTIFICATE, ENROLLMENT):
        for event in (
            {"email": UNKNOWN, "course_id": COURSE_ID},
            {"email": UNKNOWN.upper(), "course_id": UNKNOWN},
            {"email": site.dana.email, "course_id": UNKNOWN},
            {"email": COURSE_ID, "course_id": site.dana.email},
        ):
            assert site.post(event, to=to) == 404


@scene("other refusals")
def be_refused(site: Site) -> None:
    email = site.dana.email
    for to in (CERTIFICATE, ENROLLMENT):
        assert site.post(email * 5000, to=to) == 413
        assert site.post(email, to=to, content_type=f"text/{email}") == 415
        authorization = {"authorization": f"Bearer {site.tokens['staff']}"}
        address = f"{reverse(to)}?email={email}&token={site.tokens['staff']}"
        assert site.client.get(address, headers=authorization).status_code == 405
        assert site.client.generic("OPTIONS", address, headers=authorization).status_code == 405
        assert site.tell_of(site.dana, to=to, host=site.dana.email.replace("@", ".")) == 400
        assert site.tell_of(site.dana, to=to, **{"x-request-id": email}) in (200, 202, 201)
        site.client.post(reverse(to) + email, headers=authorization)
        site.client.get(f"/{email}/{site.tokens['staff']}", headers={"user-agent": email})


@scene("enrolled")
def enroll(site: Site) -> None:
    event = {"email": site.ned.email, "course_id": COURSE_ID, "mode": "audit"}
    assert site.post(event, to=ENROLLMENT) == 201
    assert site.post(event | {"mode": "verified"}, to=ENROLLMENT) == 200


ERRORS: list[Exception] = [
    OperationalError(TEXT),
    IntegrityError(TEXT),
    DataError(TEXT),
    ValueError(TEXT),
]
TABLES = (
    *("oauth2_provider_accesstoken", "users_user", "courses_courserun", "courses_courserungrade"),
    *("courses_certificaterequest", "courses_courserunenrollment", "courses_courseruncertificate"),
)


def break_down(table: str) -> Scene:
    def play(site: Site) -> None:
        site.let_pass()
        for error in ERRORS:
            for to in (CERTIFICATE, ENROLLMENT):
                with failing(error, at=f'"{table}"'):
                    site.tell_of(site.dana, to=to)

    return play


SCENES |= {f"failing: {table}": break_down(table) for table in TABLES}

# --- Sweeps and held requests -------------------------------------------------------------------


@scene("a sweep")
def sweep(site: Site) -> None:
    site.let_pass(site.dana, percent="much")
    site.let_pass(site.erin)
    site.openedx.enroll(COURSE_ID, STRANGER, passed=True, percent=PASSED, letter_grade=LETTER)
    assert generate_course_run_certificates().learners == 2


def break_a_sweep_off(play_fault: Callable[[Site], Any]) -> Scene:
    def play(site: Site) -> None:
        site.let_pass(site.dana, site.erin)
        play_fault(site)
        assert generate_course_run_certificates().failures

    return play


for _fault in ("500", "close", "malformed", "html", f'json:{{"results": "{STRANGER}"}}'):
    SCENES[f"a sweep that meets {_fault[:12]}"] = break_a_sweep_off(
        lambda site, fault=_fault: site.openedx.set_fault(fault)
    )


def fail_in_a_sweep(error: Exception) -> Scene:
    def play(site: Site) -> None:
        site.let_pass(site.dana, site.erin)
        with failing(error, at="courses_courserungrade"):
            assert generate_course_run_certificates().failures

    return play


SCENES |= {f"a sweep with a {type(error).__name__}": fail_in_a_sweep(error) for error in ERRORS}


@scene("a sweep for one learner")
def sweep_one(site: Site) -> None:
    site.let_pass(site.erin)
    generate_course_run_certificates(user=site.erin)


@scene("the periodic task")
def sweep_all_by_the_task(site: Site) -> None:
    site.let_pass(site.dana)
    generate_course_certificates.apply()
    for error in (OperationalError(TEXT), ValueError(TEXT)):
        with failing(error, at='"courses_courserun"'):
            generate_course_certificates.apply(throw=False)


@scene("held requests")
def work_on_requests(site: Site) -> None:
    site.let_pass(site.dana)
    for learner in (site.dana, site.erin):
        CertificateRequestFactory.create(user=learner, course_run=site.run)
    process_requests(ignore_due=True)


@scene("held requests in an outage")
def pause(site: Site) -> None:
    site.settings.OPENEDX_PAUSE_AFTER_FAILURES = 1
    site.let_pass(site.dana, site.erin)
    for learner in (site.dana, site.erin):
        CertificateRequestFactory.create(user=learner, course_run=site.run)
    site.openedx.set_fault("500")
    process_requests()
    site.openedx.clear_fault()
    process_requests(ignore_due=True)


def fail_in_a_pass(error: Exception) -> Scene:
    def play(site: Site) -> None:
        site.let_pass(site.dana)
        CertificateRequestFactory.create(user=site.dana, course_run=site.run)
        for table in ("courses_courserungrade", "courses_courseruncertificate"):
            with failing(error, at=table):
                process_certificate_requests.apply(throw=False)

    return play


SCENES |= {f"a pass with a {type(error).__name__}": fail_in_a_pass(error) for error in ERRORS}

# --- People -------------------------------------------------------------------------------------


@scene("the admin")
def administer(site: Site) -> None:
    grade = CourseRunGradeFactory.create(
        user=site.dana, course_run=site.run, grade=PASSED, letter_grade=LETTER, passed=True
    )
    CertificateRequestFactory.create(user=site.dana, course_run=site.run)
    login = {"username": site.dana.email, "password": PASSWORD}
    assert site.client.post("/admin/login/?next=/admin/", login).status_code == 200
    login = {"username": site.staff.username, "password": PASSWORD}
    assert site.client.post("/admin/login/?next=/admin/", login).status_code == 302
    for address in (
        "/admin/",
        f"/admin/users/user/?q={site.dana.email}",
        f"/admin/users/user/{site.dana.pk}/change/",
        f"/admin/users/user/{site.dana.email}/change/",
        f"/admin/courses/courserungrade/{grade.pk}/change/",
        f"/admin/courses/certificaterequest/?q={site.dana.email}",
        f"/admin/{site.dana.email}/",
    ):
        assert site.client.get(address, follow=True).status_code in (200, 404)
    change = {"user": site.dana.pk, "course_run": site.run.pk, "grade": SET, "letter_grade": LETTER}
    site.client.post(f"/admin/courses/courserungrade/{grade.pk}/change/", change)
    with failing(ValueError(TEXT), at='"users_user"'):
        assert site.client.get(f"/admin/users/user/?q={site.dana.email}").status_code == 500


@scene("the certificate's page")
def show(site: Site) -> None:
    certificate = CourseRunCertificateFactory.create(user=site.dana, course_run=site.run)
    for address in (
        f"{certificate.link}?email={site.dana.email}",
        f"{certificate.link}?format=json",
        f"/certificate/{site.dana.email}/",
    ):
        site.client.get(address)
    with failing(OperationalError(TEXT)):
        site.client.get(certificate.link)


@scene("commands")
def command(site: Site) -> None:
    site.let_pass(site.dana)
    CertificateRequestFactory.create(user=site.erin, course_run=site.run)

    def run(*arguments: str) -> None:
        # What is wrong is shown to whoever typed the command, and the log is not told.
        with suppress(CommandError):
            call_command(*arguments, stdout=io.StringIO(), stderr=io.StringIO())

    one = ("--user", site.dana.email, "--run", COURSE_ID)
    run("manage_certificates", "--create", *one, "--grade", str(SET), "--letter-grade", LETTER)
    run("manage_certificates", "--create", *one, "--grade", "0.0")
    run("manage_certificates", "--create", "--run", COURSE_ID)
    run("manage_certificates", "--revoke", *one)
    run("manage_certificates", "--create", "--user", UNKNOWN)
    run("replay_certificate_requests", "--user", site.erin.email)
    run("process_certificate_requests", "--all")
    run("create_webhook_token", "--username", "another", "--email", site.dana.email)
    with failing(IntegrityError(TEXT), at="courses_courserungrade"):
        run("manage_certificates", "--create", *one)


# --- The proof ----------------------------------------------------------------------------------


@pytest.mark.parametrize("play", SCENES.values(), ids=SCENES)
def test_nothing_that_must_stay_between_us_is_told(play: Scene, site: Site, log: Log):
    play(site)

    assert log.lines
    assert find_leaks(log.text, site.secrets) == []


def test_what_is_told_is_who_by_id_and_what_came_of_it(site: Site, log: Log):
    create(site)
    site.openedx.set_fault("500")
    site.tell_of(site.erin)
    site.openedx.clear_fault()
    sweep(site)

    answered = log.of("certificate webhook answered")
    assert [(line["user_id"], line["course_id"], line["outcome"]) for line in answered] == [
        (site.dana.pk, COURSE_ID, "created"),
        (site.erin.pk, COURSE_ID, "deferred"),
    ]
    assert [line["status"] for line in log.of("request_finished")] == [200, 202]
    assert log.of("certificate request deferred")[0]["error"] == "unreachable"
    (outcome,) = log.of("sweep of course run finished")
    assert (outcome["course_id"], outcome["pages"], outcome["learners"]) == (COURSE_ID, 1, 2)
    assert (outcome["certificates_created"], outcome["error"]) == (1, None)


def test_a_leak_would_be_found(site: Site, log: Log):
    site.client.force_login(site.staff)
    planted = [
        form
        for secret in site.secrets
        for form in (secret, secret.upper(), secret.replace("@", "%40").replace("+", "%2B"))
    ]

    for secret in planted:
        logging.getLogger("courses.some_module").debug("a step", extra={"of": f"x={secret};"})

    assert len(site.secrets) > 30
    assert len(find_leaks(log.text, site.secrets)) == len(log.lines) == len(planted)


@pytest.mark.parametrize("library", ["django.db.backends", "urllib3"])
def test_a_library_that_were_open_at_debug_would_be_a_leak(library: str, site: Site, log: Log):
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        create(site)
    finally:
        logger.setLevel(level)

    assert find_leaks(log.text, site.secrets)
    assert CertificateRequest.objects.get().user == site.dana
