"""What holds for every list and every form of the admin, whatever it is of."""

import logging
import uuid

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from courses.factories import (
    CourseFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentAuditFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeAuditFactory,
    CourseRunGradeFactory,
)
from openedx.factories import OpenEdxUserFactory
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateDeletionFactory,
    CourseRunSweepFactory,
    OpenEdxPauseFactory,
    ZeroNoteFactory,
)
from users.factories import UserFactory
from users.models import User

COURSE_ID = "course-v1:MITx+6.00x+1T2026"

OF_A_LEARNER_IN_A_RUN = {
    "courses_courserunenrollment": (CourseRunEnrollmentFactory, "user", "run"),
    "courses_courserunenrollmentaudit": (
        CourseRunEnrollmentAuditFactory,
        "enrollment__user",
        "enrollment__run",
    ),
    "courses_courserungrade": (CourseRunGradeFactory, "user", "course_run"),
    "courses_courserungradeaudit": (
        CourseRunGradeAuditFactory,
        "course_run_grade__user",
        "course_run_grade__course_run",
    ),
    "courses_courseruncertificate": (CourseRunCertificateFactory, "user", "course_run"),
    "openedx_certificates_courseruncertificatedeletion": (
        CourseRunCertificateDeletionFactory,
        "user",
        "course_run",
    ),
    "openedx_certificates_certificaterequest": (CertificateRequestFactory, "user", "course_run"),
}
FACTORIES = {
    "users_user": UserFactory,
    "openedx_openedxuser": OpenEdxUserFactory,
    "courses_course": CourseFactory,
    "courses_courserun": CourseRunFactory,
    "openedx_certificates_courserunsweep": CourseRunSweepFactory,
    "openedx_certificates_openedxpause": OpenEdxPauseFactory,
    "openedx_certificates_zeronote": ZeroNoteFactory,
    **{name: factory for name, (factory, *_) in OF_A_LEARNER_IN_A_RUN.items()},
}
READ_ONLY = [
    "courses_courserunenrollmentaudit",
    "courses_courserungradeaudit",
    "courses_courseruncertificate",
    "openedx_certificates_courseruncertificatedeletion",
    "openedx_certificates_certificaterequest",
    "openedx_certificates_openedxpause",
    "openedx_certificates_courserunsweep",
    "openedx_certificates_zeronote",
]
# Their list never grows.
OF_ONE_ROW = {"openedx_certificates_openedxpause"}
EVERY_MODEL = pytest.mark.parametrize("name", FACTORIES)
EVERY_READ_ONLY_MODEL = pytest.mark.parametrize("name", READ_ONLY)


def changelist(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_every_model_has_an_admin_that_is_tested_here():
    models = [
        model
        for app in ("users", "openedx", "courses", "openedx_certificates")
        for model in apps.get_app_config(app).get_models()
    ]

    assert [model for model in models if not admin.site.is_registered(model)] == []
    assert {model._meta.label_lower.replace(".", "_") for model in models} == set(FACTORIES)


@EVERY_MODEL
def test_list_and_page_open(admin_client, name):
    row = FACTORIES[name].create()

    listed = admin_client.get(changelist(name))

    assert row in listed.context["cl"].result_list
    assert admin_client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200


@EVERY_MODEL
def test_a_new_row_can_be_begun_where_one_may_be_made(admin_client, name):
    expected = 403 if name in READ_ONLY else 200

    assert admin_client.get(reverse(f"admin:{name}_add")).status_code == expected


@pytest.mark.parametrize("name", sorted(FACTORIES.keys() - OF_ONE_ROW))
def test_the_number_of_queries_does_not_grow_with_the_list(admin_client, name):
    FACTORIES[name].create_batch(3)
    queries_of(admin_client, changelist(name))  # fills the cache of content types
    of_three = queries_of(admin_client, changelist(name))

    FACTORIES[name].create_batch(27)

    assert queries_of(admin_client, changelist(name)) == of_three


@EVERY_MODEL
def test_nothing_is_deleted(admin_client, name):
    row = FACTORIES[name].create()
    page = reverse(f"admin:{name}_delete", args=[row.pk])
    action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}

    assert admin_client.post(page, {"post": "yes"}).status_code == 403
    admin_client.post(changelist(name), action)

    assert type(row)._base_manager.filter(pk=row.pk).exists()


@EVERY_MODEL
def test_staff_without_permissions_see_nothing(client: Client, staff_user: User, name: str):
    row = FACTORIES[name].create()
    client.force_login(staff_user)

    for url in (changelist(name), reverse(f"admin:{name}_change", args=[row.pk])):
        assert client.get(url).status_code == 403


@EVERY_MODEL
def test_a_learner_is_sent_to_the_login(client: Client, user: User, name: str):
    client.force_login(user)

    assert client.get(changelist(name))["Location"].startswith(reverse("admin:login"))


@EVERY_READ_ONLY_MODEL
def test_a_read_only_row_is_not_changed(admin_client, name):
    row = FACTORIES[name].create()

    assert admin_client.post(reverse(f"admin:{name}_add"), {}).status_code == 403
    page = reverse(f"admin:{name}_change", args=[row.pk])
    assert admin_client.post(page, {"is_revoked": "on", "reason": "none"}).status_code == 403


FINDS_ANNA_IN_THE_RUN = [
    "ANNA@example.com",
    "anna@",
    "Somebody else <anna@example.com>",
    "\ufeff'anna@example.com';\u200b",
    "anna-of",
    "edx_anna",
    "Díaz, anna",
    COURSE_ID,
    COURSE_ID.swapcase(),
    "course-v1%3AMITx%2B6.00x%2B1T2026",
    f"https://courses.example/courses/{COURSE_ID}/progress",
    f"anna@example.com {COURSE_ID}",
    f"Anna Díaz, {COURSE_ID}",
]
FINDS_NOTHING = [
    "bert@example.com",
    f"bert@example.com {COURSE_ID}",
    f"Bert {COURSE_ID}",
    "Anna Bert",
    "nna",
    "6.00x",
    "m\u0131ke@example.com",
    f"https://mitxonline.mit.edu/certificate/{uuid.UUID(int=0)}/",
    "\ufeff ,;",
    "%",
    "_nna",
    r"Anna\M",
    "A.*a",
    "word " * 100,
    "a" * 10_000,
]


def found(client: Client, name: str, search: str) -> list[Model]:
    return list(client.get(changelist(name), {"q": search}).context["cl"].result_list)


@pytest.fixture
def anna(db: None) -> User:
    """The learner that is looked for, and others."""
    for name in ("bert", "mike"):
        UserFactory.create(username=name, email=f"{name}@example.com", name=name.capitalize())
    return UserFactory.create(
        username="anna-of-mitx",
        email="anna@example.com",
        name="Anna Maria Díaz",
        openedx_user__edx_username="edx_anna",
    )


@pytest.mark.parametrize("name", OF_A_LEARNER_IN_A_RUN)
def test_a_row_is_found_by_what_is_pasted_of_its_learner_and_run(admin_client, anna, name):
    factory, user, run = OF_A_LEARNER_IN_A_RUN[name]
    row = factory.create(**{user: anna, f"{run}__courseware_id": COURSE_ID})
    longer = factory.create(
        **{f"{user}__name": "Charles", f"{run}__courseware_id": f"{COURSE_ID}B"}
    )
    searches = [*FINDS_ANNA_IN_THE_RUN, *FINDS_NOTHING, "course-v1:mitx+6.00x"]

    got = {search: found(admin_client, name, search) for search in searches}

    assert got == {
        **{search: [row] for search in FINDS_ANNA_IN_THE_RUN},
        **{search: [] for search in FINDS_NOTHING},
        "course-v1:mitx+6.00x": [longer, row],
    }


def ways_to_paste(certificate: uuid.UUID) -> list[str]:
    return [
        str(certificate),
        certificate.hex.upper(),
        f"https://mitxonline.mit.edu/certificate/{certificate}/?from=mail",
        f"/certificate/{certificate}",
        f"Anna's: <https://mitxonline.mit.edu/certificate/{certificate}/>,",
    ]


@pytest.mark.parametrize("name", ["users_user", *OF_A_LEARNER_IN_A_RUN])
def test_a_row_is_found_by_the_certificate_of_its_learner_and_run(admin_client, anna, name):
    run = CourseRunFactory.create()
    # Another run of the same learner, and another learner of the same run.
    seats = [(anna, run), (anna, CourseRunFactory.create()), (UserFactory.create(), run)]
    if name == "users_user":
        row = anna
    else:
        factory, user_path, run_path = OF_A_LEARNER_IN_A_RUN[name]
        row, *_ = [factory.create(**{user_path: user, run_path: its}) for user, its in seats]
    if name == "openedx_certificates_courseruncertificatedeletion":
        certificate = row.certificate_uuid
    elif name == "courses_courseruncertificate":
        certificate = row.uuid
    else:
        certificate = CourseRunCertificateFactory.create(user=anna, course_run=run).uuid

    got = {text: found(admin_client, name, text) for text in ways_to_paste(certificate)}

    assert got == {text: [row] for text in got}


@pytest.mark.parametrize("name", ["users_user", "courses_courserunenrollment"])
def test_a_row_is_found_by_a_certificate_that_is_gone(admin_client, anna, name):
    row = CourseRunEnrollmentFactory.create(user=anna)
    gone = CourseRunCertificateDeletionFactory.create(user=anna, course_run=row.run)

    got = found(admin_client, name, f"/certificate/{gone.certificate_uuid}/")

    assert got == [anna if name == "users_user" else row]


@pytest.mark.parametrize("name", ["courses_courserun", "openedx_certificates_courserunsweep"])
def test_a_run_is_found_by_any_part_of_its_id_however_it_is_pasted(admin_client, name):
    sweep = CourseRunSweepFactory.create(course_run__courseware_id=COURSE_ID)
    CourseRunSweepFactory.create()
    row = sweep.course_run if name == "courses_courserun" else sweep
    right = ["6.00X", "6.00x 1T2026", *(each for each in FINDS_ANNA_IN_THE_RUN if "course" in each)]
    wrong = ["anna@example.com", str(uuid.UUID(int=0)), "\ufeff ,;", "%", "word " * 100]
    right.remove(f"Anna Díaz, {COURSE_ID}")

    got = {search: found(admin_client, name, search) for search in right + wrong}

    assert got == {**{search: [row] for search in right}, **{search: [] for search in wrong}}


def test_nothing_of_a_search_is_logged(admin_client, anna, caplog):
    caplog.set_level(logging.DEBUG)

    for name in FACTORIES.keys() - OF_ONE_ROW:
        for search in ("Anna Maria <anna@example.com>", "anna-of-mitx", "Anna Maria", "\0anna"):
            admin_client.get(changelist(name), {"q": search})

    assert not [record for record in caplog.records if "anna" in str(vars(record)).lower()]


@pytest.mark.parametrize("search", ["6.00x", "6.00X algorithms", "course-v1:MITx+6.00x"])
@pytest.mark.parametrize("name", ["courses_course", "courses_courserun"])
def test_a_course_is_found_by_any_part_of_its_id_and_title(admin_client, name, search):
    run = CourseRunFactory.create(
        course__readable_id="course-v1:MITx+6.00x", course__title="Introduction to Algorithms"
    )
    CourseRunFactory.create()

    response = admin_client.get(changelist(name), {"q": search})

    expected = run if name == "courses_courserun" else run.course
    assert list(response.context["cl"].result_list) == [expected]


@pytest.mark.parametrize("field", ["user", "course_run"])
def test_a_form_offers_learners_and_runs_by_search(admin_client, field):
    UserFactory.create(username="anna", email="anna@example.com")
    CourseRunFactory.create(courseware_id=COURSE_ID, title="Algorithms")

    response = admin_client.get(
        reverse("admin:autocomplete"),
        {
            "app_label": "courses",
            "model_name": "courserungrade",
            "field_name": field,
            "term": "anna@" if field == "user" else "6.00x",
        },
    )

    labels = [result["text"] for result in response.json()["results"]]
    assert labels == (["anna"] if field == "user" else [f"{COURSE_ID} | Algorithms"])
