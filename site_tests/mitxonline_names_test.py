"""Every name that code written for MITx Online relies on: what is here moves into the monolith."""

import importlib
import inspect
import re
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import pytest
from celery import Celery, current_app
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands
from django.db import IntegrityError, connection, models
from django.urls import resolve, reverse
from drf_spectacular.generators import SchemaGenerator
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import IsAdminUser
from rest_framework.test import APIClient

from courses.factories import CourseRunCertificateFactory, CourseRunEnrollmentFactory
from courses.models import CourseRunCertificate, CourseRunEnrollment
from openedx_certificates.wire.grades import EdxGrade
from site_tests.deployment_test import read_variables
from users.factories import UserFactory


@dataclass(frozen=True)
class Column:
    """What a field must be: no longer than this, one of a kind, able to be empty."""

    longest: int | None = None
    unique: bool = False
    null: bool = False


ANY = Column()


def _plain(names: str) -> dict[str, Column]:
    return dict.fromkeys(names.split(), ANY)


COLUMNS: dict[str, dict[str, Column]] = {
    "users.User": {
        "username": Column(longest=500, unique=True),
        # Unique without regard to case: a test of its own.
        "email": Column(longest=254),
        **_plain("name is_staff is_active global_id"),
    },
    "openedx.OpenEdxUser": {
        "edx_username": Column(longest=30, unique=True, null=True),
        **_plain("user platform has_been_synced has_sync_error sync_error_data"),
    },
    "courses.Course": _plain("title readable_id live"),
    "courses.CourseRun": {
        "courseware_id": Column(longest=255, unique=True),
        "start_date": Column(null=True),
        "end_date": Column(null=True),
        "certificate_available_date": Column(null=True),
        "enrollment_start": Column(null=True),
        "enrollment_end": Column(null=True),
        "expiration_date": Column(null=True),
        "upgrade_deadline": Column(null=True),
        **_plain("course title run_tag live is_self_paced"),
    },
    "courses.CourseRunEnrollment": {
        "enrollment_mode": Column(longest=20),
        "change_status": Column(null=True),
        **_plain("user run active edx_enrolled"),
    },
    "courses.CourseRunEnrollmentAudit": {
        "acting_user": Column(null=True),
        **_plain("enrollment data_before data_after"),
    },
    "courses.CourseRunGrade": {
        # 0.0 to 2.0, by a constraint of the database: openedx_certificates/issuing/grades_test.py.
        "letter_grade": Column(longest=10, null=True),
        **_plain("user course_run grade passed set_by_admin"),
    },
    "courses.CourseRunGradeAudit": {
        "acting_user": Column(null=True),
        **_plain("course_run_grade data_before data_after"),
    },
    "courses.CourseRunCertificate": {
        "uuid": Column(unique=True),
        **_plain("user course_run is_revoked issue_date"),
    },
}
# On every model, also those that are new here.
EVERYWHERE = ("created_on", "updated_on")
RELATED_NAMES = {
    "openedx.OpenEdxUser.user": "openedx_users",
    "courses.CourseRun.course": "courseruns",
    "courses.CourseRunEnrollment.run": "enrollments",
    "courses.CourseRunGrade.course_run": "grades",
    "courses.CourseRunCertificate.course_run": "courseruncertificates",
}
UNIQUE_TOGETHER = {
    "courses.CourseRunEnrollment": {"user", "run"},
    "courses.CourseRunGrade": {"user", "course_run"},
    "courses.CourseRunCertificate": {"user", "course_run"},
}
PROPERTIES = (
    "users.User.edx_username",
    "courses.CourseRunGrade.is_certificate_eligible",
    "courses.CourseRunCertificate.link",
)
MANAGERS = (
    "courses.CourseRunEnrollment.objects",
    "courses.CourseRunEnrollment.all_objects",
    "courses.CourseRunCertificate.objects",
    "courses.CourseRunCertificate.all_objects",
)
CONSTANTS = {
    "openedx.constants.EDX_ENROLLMENT_VERIFIED_MODE": "verified",
    "openedx.constants.EDX_ENROLLMENT_AUDIT_MODE": "audit",
    "openedx.constants.EDX_ENROLLMENTS_PAID_MODES": ["verified"],
}
FUNCTIONS = {
    "courses.api.generate_course_run_certificates": "(user=None, course_run=None, force=False)",
    "courses.api.ensure_course_run_grade": "(user, course_run, edx_grade, should_update=False)",
    "courses.api.process_course_run_grade_certificate": (
        "(course_run_grade, should_force_create=False)"
    ),
    "courses.api.get_certificate_grade_eligible_runs": "(now)",
    "courses.api.manage_course_run_certificate_access": "(user, courseware_id, revoke_state)",
    "courses.api.override_user_grade": (
        "(user, override_grade, letter_grade, courseware_id, should_force_pass=False)"
    ),
    "courses.api.create_local_enrollment": "(user, run, *, mode='audit')",
    "openedx.api.get_edx_grades_with_users": "(course_run, user=None)",
}
GRADE_FIELDS = {"username", "course_id", "passed", "percent", "letter_grade"}
WEBHOOKS = {
    "openedx-certificate-webhook": (
        "/api/openedx_webhook/certificate/",
        "openedx.views.edx_certificate_webhook",
    ),
    "openedx-enrollment-webhook": (
        "/api/openedx_webhook/enrollment/",
        "openedx.views.edx_enrollment_webhook",
    ),
}
ADDRESSES = ("/admin/", "/oauth2/token/", "/api/schema/")
FIXTURES = ("user", "staff_user", "admin_user", "user_drf_client", "admin_drf_client")
VARIABLES = (
    *("DATABASE_URL", "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS"),
    *("OPENEDX_API_BASE_URL", "OPENEDX_SERVICE_WORKER_API_TOKEN", "EDX_API_CLIENT_TIMEOUT"),
    *("CELERY_BROKER_URL", "CELERY_TASK_ALWAYS_EAGER"),
    *("CRON_COURSE_CERTIFICATES_HOURS", "CRON_COURSE_CERTIFICATES_DAYS"),
    *("CERTIFICATE_CREATION_WINDOW_IN_DAYS", "CERTIFICATE_WEBHOOK_ASYNC"),
)
DEFAULTS = {
    "OPENEDX_CERTIFICATES_TIMEOUT": 10,
    "CERTIFICATE_CREATION_WINDOW_IN_DAYS": 31,
    "OPENEDX_CERTIFICATES_WEBHOOK_ASYNC": False,
    "AUTH_USER_MODEL": "users.User",
}
COMMANDS = {
    "manage_certificates": "courses",
    "process_certificate_requests": "openedx_certificates",
}


def find(path: str) -> Any:
    """Return what a dotted path leads to; a test fails by the error if there is nothing."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def find_field(path: str) -> "models.Field[Any, Any]":
    model, _, name = path.rpartition(".")
    return apps.get_model(model)._meta.get_field(name)


@pytest.mark.parametrize(
    "path", [f"{model}.{name}" for model, columns in COLUMNS.items() for name in columns]
)
def test_a_column_is_what_it_is_in_mitx_online(path: str):
    model, _, name = path.rpartition(".")
    column, field = COLUMNS[model][name], find_field(path)

    assert column.longest in (None, field.max_length)
    assert field.unique or not column.unique
    assert field.null or not column.null


@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_model_says_when_it_was_made_and_changed(name: str):
    own = chain.from_iterable(
        apps.get_app_config(app).get_models() for app in ("users", "openedx", "courses")
    )

    for model in own:
        assert isinstance(model._meta.get_field(name), models.DateTimeField), model


@pytest.mark.parametrize(("path", "name"), RELATED_NAMES.items(), ids=RELATED_NAMES)
def test_a_relation_is_found_from_its_other_end(path: str, name: str):
    assert find_field(path).remote_field.related_name == name


@pytest.mark.parametrize(("model", "together"), UNIQUE_TOGETHER.items(), ids=UNIQUE_TOGETHER)
def test_a_learner_has_one_in_a_run(model: str, together: set[str]):
    unique = [
        set(constraint.fields)
        for constraint in apps.get_model(model)._meta.constraints
        if isinstance(constraint, models.UniqueConstraint) and constraint.condition is None
    ]

    assert together in unique


@pytest.mark.django_db
def test_an_address_belongs_to_one_user_however_it_is_written():
    UserFactory.create(email="Dana@Example.com")

    with pytest.raises(IntegrityError):
        UserFactory.create(email="dana@example.COM")


@pytest.mark.parametrize("path", PROPERTIES)
def test_a_model_has_the_property(path: str):
    model, _, name = path.rpartition(".")

    assert isinstance(inspect.getattr_static(apps.get_model(model), name), property)


@pytest.mark.parametrize("path", MANAGERS)
def test_a_model_has_the_manager(path: str):
    model, _, name = path.rpartition(".")

    assert isinstance(getattr(apps.get_model(model), name), models.Manager)


@pytest.mark.django_db
def test_the_short_managers_show_what_holds_now_and_the_long_ones_everything():
    CourseRunEnrollmentFactory.create(active=False)
    revoked = CourseRunCertificateFactory.create(is_revoked=True)

    assert not CourseRunEnrollment.objects.exists()
    assert CourseRunEnrollment.all_objects.count() == 1
    assert not CourseRunCertificate.objects.exists()
    assert CourseRunCertificate.all_objects.count() == 1
    assert revoked.link == f"/certificate/{revoked.uuid}/"


@pytest.mark.parametrize(("path", "value"), CONSTANTS.items(), ids=CONSTANTS)
def test_a_constant_has_its_value(path: str, value: object):
    assert find(path) == value


@pytest.mark.parametrize(("path", "expected"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_a_function_is_called_as_in_mitx_online(path: str, expected: str):
    parameters = inspect.signature(find(path)).parameters.values()
    names = re.findall(r"\w+", expected)
    known = [one.replace(annotation=one.empty) for one in parameters if one.name in names]
    more = [one for one in parameters if one.name not in names]

    assert str(inspect.Signature(known)) == expected
    # What we can be told besides can be left out.
    assert all(one.default is not one.empty for one in more)


def test_a_grade_of_open_edx_has_its_fields():
    assert {field.name for field in fields(EdxGrade)} >= GRADE_FIELDS


def test_the_periodic_task_is_on_beat():
    name = "courses.tasks.generate_course_certificates"

    assert find(name).name == name
    assert name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_the_applications_are_where_they_are_looked_for():
    assert isinstance(find("main.celery.app"), Celery)
    assert current_app.main == find("main.celery.app").main
    assert find("main.urls.urlpatterns")
    assert callable(find("main.wsgi.application"))


@pytest.mark.django_db
@pytest.mark.parametrize("model", UNIQUE_TOGETHER)
def test_a_row_that_names_mitx_onlines_columns_alone_can_be_written(model: str):
    find(f"courses.factories.{apps.get_model(model).__name__}Factory").create()
    table = apps.get_model(model)._meta.db_table
    columns = ", ".join(
        find_field(f"{model}.{name}").column for name in (*COLUMNS[model], *EVERYWHERE)
    )

    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE old_code AS SELECT {columns} FROM {table}")
        cursor.execute(f"DELETE FROM {table}")
        cursor.execute(f"INSERT INTO {table} ({columns}) SELECT * FROM old_code")

    assert apps.get_model(model).objects.count() == 1


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_webhook_has_its_name_its_address_and_its_view(name: str):
    address, view = WEBHOOKS[name]

    assert reverse(name) == address
    assert resolve(address).func is find(view)


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_webhook_is_for_staff_with_a_token_by_post_alone(name: str):
    view = resolve(WEBHOOKS[name][0]).func.cls

    # What else is asked for comes after it.
    assert view.permission_classes[0] is IsAdminUser
    (authentication,) = view.authentication_classes
    assert issubclass(authentication, BaseAuthentication)
    assert set(view.http_method_names) <= {"post", "options"}


def test_the_public_schema_knows_no_webhook():
    assert "webhook" not in str(SchemaGenerator().get_schema(public=True))


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_leads_somewhere(address: str):
    assert resolve(address)


@pytest.mark.django_db
@pytest.mark.parametrize("model", COLUMNS)
def test_a_factory_makes_its_model(model: str):
    app, _, name = model.partition(".")

    assert isinstance(find(f"{app}.factories.{name}Factory").create(), apps.get_model(model))


@pytest.mark.django_db
def test_a_user_of_the_factory_has_an_account_on_open_edx():
    user = UserFactory.create()

    account = user.openedx_users.get()
    assert account.platform == "edx"
    assert user.edx_username == account.edx_username is not None


@pytest.mark.parametrize("name", FIXTURES)
def test_a_test_finds_the_fixture(name: str, request: pytest.FixtureRequest):
    value = request.getfixturevalue(name)

    expected = APIClient if name.endswith("_client") else apps.get_model("users.User")
    assert isinstance(value, expected)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_setting_comes_from_the_environment(name: str):
    assert name in read_variables()


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_a_setting_has_its_default(name: str, value: object):
    assert getattr(settings, name) == value


@pytest.mark.parametrize(("name", "app"), COMMANDS.items(), ids=COMMANDS)
def test_an_administrator_finds_the_command(name: str, app: str):
    assert get_commands()[name] == app
