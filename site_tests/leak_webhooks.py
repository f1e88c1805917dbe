"""Scenes at the webhooks: each row of the contract's tables of replies; for `leaks_test.py`."""

from django.urls import reverse

from courses.factories import CourseRunCertificateFactory
from courses.models import CourseRunCertificate
from site_tests.leak_stage import (
    CERTIFICATE,
    COURSE_ID,
    ENROLLMENT,
    ERRORS,
    FAILED,
    LETTER,
    PASSED,
    PASSWORD,
    SCENES,
    STRANGER,
    UNKNOWN,
    Scene,
    Site,
    failing,
    scene,
)

FAULTS = [
    *("500", "503:1", "429", "401", "403", "404", "html", "malformed", "truncated", "empty-list"),
    *("empty-object", "repeated-key", "close", "hang", "redirect"),
    f'json:[{{"username": "{STRANGER}", "course_id": "{COURSE_ID}", "passed": true, "percent": {PASSED}, "letter_grade": "{LETTER}"}}]',
    f'json:[{{"username": "dana.hollis@learners.example", "course_id": "{COURSE_ID}", "passed": true, "percent": "{PASSED}", "letter_grade": "{LETTER}"}}]',
    f'json:{{"detail": "dana.hollis@learners.example has {PASSED}"}}',
]


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


TABLES = (
    *("oauth2_provider_accesstoken", "users_user", "courses_courserun", "courses_courserungrade"),
    *(
        "openedx_certificates_certificaterequest",
        "courses_courserunenrollment",
        "courses_courseruncertificate",
    ),
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
