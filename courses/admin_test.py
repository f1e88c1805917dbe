"""What holds for every list and every form of the admin, whatever it is of."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from courses.factories import (
    CertificateRequestFactory,
    CourseFactory,
    CourseRunCertificateDeletionFactory,
    CourseRunCertificateFactory,
    CourseRunEnrollmentAuditFactory,
    CourseRunEnrollmentFactory,
    CourseRunFactory,
    CourseRunGradeAuditFactory,
    CourseRunGradeFactory,
    CourseRunSweepFactory,
    OpenEdxPauseFactory,
)
from openedx.factories import OpenEdxUserFactory
from users.factories import UserFactory
from users.models import User

COURSE_ID = "course-v1:MITx+6.00x+1T2026"

OF_A_LEARNER_IN_A_RUN = {
    "courserunenrollment": (CourseRunEnrollmentFactory, "user", "run"),
    "courserunenrollmentaudit": (
        CourseRunEnrollmentAuditFactory,
        "enrollment__user",
        "enrollment__run",
    ),
    "courserungrade": (CourseRunGradeFactory, "user", "course_run"),
    "courserungradeaudit": (
        CourseRunGradeAuditFactory,
        "course_run_grade__user",
        "course_run_grade__course_run",
    ),
    "courseruncertificate": (CourseRunCertificateFactory, "user", "course_run"),
    "courseruncertificatedeletion": (CourseRunCertificateDeletionFactory, "user", "course_run"),
    "certificaterequest": (CertificateRequestFactory, "user", "course_run"),
}
FACTORIES = {
    "users_user": UserFactory,
    "openedx_openedxuser": OpenEdxUserFactory,
    "courses_course": CourseFactory,
    "courses_courserun": CourseRunFactory,
    "courses_courserunsweep": CourseRunSweepFactory,
    "courses_openedxpause": OpenEdxPauseFactory,
    **{f"courses_{name}": factory for name, (factory, *_) in OF_A_LEARNER_IN_A_RUN.items()},
}
READ_ONLY = [
    "courses_courserunenrollmentaudit",
    "courses_courserungradeaudit",
    "courses_courseruncertificate",
    "courses_courseruncertificatedeletion",
    "courses_certificaterequest",
    "courses_openedxpause",
    "courses_courserunsweep",
]
# Their list never grows.
OF_ONE_ROW = {"courses_openedxpause"}
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
        for app in ("users", "openedx", "courses")
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


@pytest.mark.parametrize(
    "search",
    [
        "ANNA@example.com",
        "anna@",
        COURSE_ID,
        "course-v1:MITx+6.00x",
        f"anna@example.com {COURSE_ID}",
    ],
)
@pytest.mark.parametrize("name", OF_A_LEARNER_IN_A_RUN)
def test_a_row_is_found_by_address_and_course_id(admin_client, name, search):
    factory, user, run = OF_A_LEARNER_IN_A_RUN[name]
    row = factory.create(
        **{f"{user}__email": "anna@example.com", f"{run}__courseware_id": COURSE_ID}
    )
    factory.create()

    response = admin_client.get(changelist(f"courses_{name}"), {"q": search})

    assert list(response.context["cl"].result_list) == [row]


@pytest.mark.parametrize("search", ["bert@example.com", f"bert@example.com {COURSE_ID}", "6.00x"])
@pytest.mark.parametrize("name", OF_A_LEARNER_IN_A_RUN)
def test_a_row_is_not_found_by_what_is_not_its_own(admin_client, name, search):
    factory, user, run = OF_A_LEARNER_IN_A_RUN[name]
    UserFactory.create(email="bert@example.com")
    factory.create(**{f"{user}__email": "anna@example.com", f"{run}__courseware_id": COURSE_ID})

    response = admin_client.get(changelist(f"courses_{name}"), {"q": search})

    assert list(response.context["cl"].result_list) == []


@pytest.mark.parametrize("search", ["6.00x", "6.00X algorithms", "course-v1:MITx+6.00x"])
@pytest.mark.parametrize("name", ["course", "courserun"])
def test_a_course_is_found_by_any_part_of_its_id_and_title(admin_client, name, search):
    run = CourseRunFactory.create(
        course__readable_id="course-v1:MITx+6.00x", course__title="Introduction to Algorithms"
    )
    CourseRunFactory.create()

    response = admin_client.get(changelist(f"courses_{name}"), {"q": search})

    expected = run if name == "courserun" else run.course
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
