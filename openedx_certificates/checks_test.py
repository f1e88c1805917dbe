"""What the app checks: its own settings, and what it finds at its host."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import call_command
from django.utils import timezone
from oauth2_provider.models import AccessToken

from openedx_certificates import checks, host
from openedx_certificates.testing.factories import CourseRunGradeFactory, UserFactory
from openedx_certificates.testing.tables import alter
from users.models import User

DAY = timedelta(days=1)
NO_TOKEN = "No token opens the webhooks: every event is refused."


@pytest.fixture(autouse=True)
def production(settings: Any) -> None:
    settings.DEBUG = False
    settings.OPENEDX_API_BASE_URL = "https://courses.example.org"
    settings.OPENEDX_SERVICE_WORKER_API_TOKEN = "a-token-of-a-service-worker"


def complaints(databases: list[str] | None = None) -> dict[str, str]:
    """Return what the app's checks say, by number."""
    found = run_checks(tags=[checks.TAG], databases=databases)
    return {str(each.id).partition(".")[2]: each.msg for each in found}


class TestSettings:
    def test_a_good_set_has_nothing_to_complain_of(self):
        assert complaints() == {}

    @pytest.mark.parametrize(
        ("name", "value", "number"),
        [
            ("OPENEDX_CERTIFICATES_MODE", "on", "E001"),
            ("OPENEDX_CERTIFICATES_MODE", "ALL", "E001"),
            ("OPENEDX_CERTIFICATES_TIMEOUT", 30.0, "E002"),
            ("OPENEDX_CERTIFICATES_TIMEOUT", 0.0, "E002"),
            ("OPENEDX_CERTIFICATES_PAGE_SIZE", 0, "E003"),
            ("OPENEDX_CERTIFICATES_DELETIONS_MAX", -1, "E003"),
            ("OPENEDX_CERTIFICATES_DELETIONS_MAX_PERCENT", 101.0, "E003"),
            ("OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX", -1, "E003"),
            ("OPENEDX_CERTIFICATES_PAGE_RETRY_DELAY", -1.0, "E003"),
            ("OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES", 0, "E003"),
            ("OPENEDX_CERTIFICATES_REQUEST_LEASE", 1e9, "E003"),
            ("OPENEDX_CERTIFICATES_RETENTION_IN_DAYS", 0, "E003"),
            ("OPENEDX_CERTIFICATES_SWEEP_LEASE", 5.0, "E003"),
            ("OPENEDX_CERTIFICATES_WEBHOOK_WAITING_MAX", -1, "E003"),
            ("OPENEDX_CERTIFICATES_REQUEST_LEASE", 10.0, "E004"),
            ("OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS", [10.0, -1.0], "E005"),
            ("OPENEDX_API_BASE_URL", "courses.example.org", "E006"),
            ("OPENEDX_API_BASE_URL", "https://courses.example.org:port", "E006"),
            ("OPENEDX_API_BASE_URL", "https://[::1", "E006"),
            ("OPENEDX_API_BASE_URL", "https://user:pass@courses.example.org", "E006"),
            ("OPENEDX_API_BASE_URL", "https://courses.example.org/#top", "E006"),
            ("OPENEDX_API_BASE_URL", None, "E006"),
            ("OPENEDX_SERVICE_WORKER_API_TOKEN", " ", "E007"),
            ("OPENEDX_SERVICE_WORKER_API_TOKEN", "token\n", "E007"),
            ("OPENEDX_SERVICE_WORKER_API_TOKEN", "töken", "E007"),
            ("OPENEDX_CERTIFICATES_REQUIRED_SCOPES", ["webhooks", "nothing"], "E008"),
            ("OPENEDX_CERTIFICATES_RETENTION_IN_DAYS", 13, "W001"),
            ("OPENEDX_API_BASE_URL", "http://courses.example.org", "W002"),
            ("OPENEDX_SERVICE_WORKER_API_TOKEN", None, "W003"),
            ("OPENEDX_SERVICE_WORKER_API_TOKEN", "changeme", "W004"),
        ],
        ids=str,
    )
    def test_what_can_not_work_or_is_not_safe_has_a_number_and_names_the_setting(
        self, name: str, value: object, number: str, settings: Any
    ):
        setattr(settings, name, value)

        found = complaints()

        assert set(found) == {number}
        assert name in found[number]
        assert "user:pass" not in found[number]
        assert "changeme" not in found[number]

    def test_a_host_whose_mode_is_off_is_asked_for_nothing_else(self, settings: Any):
        settings.OPENEDX_CERTIFICATES_MODE = "off"
        settings.OPENEDX_CERTIFICATES_TIMEOUT = 60.0
        settings.OPENEDX_API_BASE_URL = None

        assert complaints(["default"]) == {}

    def test_a_model_or_a_field_that_the_host_lacks_is_named(self, monkeypatch: pytest.MonkeyPatch):
        lacking = {"courses.Course": ("title", "colour"), "courses.Diploma": ()}
        monkeypatch.setattr(checks, "_HOST_FIELDS", lacking)

        found = [each.msg for each in run_checks(tags=[checks.TAG])]

        assert found == [
            "The host's courses.Course has no field colour.",
            "The host has no model courses.Diploma.",
        ]


@pytest.mark.django_db
class TestHostTables:
    @pytest.fixture(autouse=True)
    def token(self, staff_user: User) -> None:
        have_token(staff_user, 365 * DAY)

    @pytest.mark.site("What another host's tables lack is its own.")
    def test_only_what_this_host_does_not_have_is_asked_for(self):
        # Grades out of range can stand in this host's table, as they can in MITx Online's.
        found = run_checks(tags=[checks.TAG], databases=["default"])

        assert [each.hint for each in found] == [
            'ALTER TABLE "courses_courserungrade" ADD CONSTRAINT courses_courserungrade_range '
            "CHECK (grade >= 0 AND grade <= 2) NOT VALID;"
        ]
        assert not any(each.is_serious() for each in found)

    @pytest.mark.site("What another host's tables lack is its own.")
    def test_the_statement_that_is_named_mends_it(self):
        (found,) = run_checks(tags=[checks.TAG], databases=["default"])
        alter(found.hint)

        assert complaints(["default"]) == {}

    @pytest.mark.site("What another host's tables lack is its own.")
    @pytest.mark.parametrize(
        ("drop", "wanted"),
        [
            (
                "ALTER TABLE courses_courseruncertificate "
                "DROP CONSTRAINT courses_courseruncertificate_user_run_unique",
                "CREATE UNIQUE INDEX CONCURRENTLY courses_courseruncertificate_user_run_unique "
                'ON "courses_courseruncertificate" (user_id, course_run_id);',
            ),
            (
                "DROP INDEX users_user_email_lower_unique",
                "CREATE UNIQUE INDEX CONCURRENTLY users_user_email_lower_unique "
                'ON "users_user" (LOWER(email));',
            ),
            (
                "DROP INDEX courses_certificate_created",
                "CREATE INDEX CONCURRENTLY courses_certificate_created "
                'ON "courses_courseruncertificate" (created_on);',
            ),
            (
                "DROP INDEX users_user_staff",
                'CREATE INDEX CONCURRENTLY users_user_staff ON "users_user" (id) WHERE is_staff;',
            ),
            (
                "DROP INDEX courses_run_live_cert_date",
                'CREATE INDEX CONCURRENTLY courses_run_live_cert_date ON "courses_courserun" '
                "(certificate_available_date) WHERE live;",
            ),
        ],
        ids=[
            "one row per user and run",
            "one user per address",
            "certificates of a day",
            "tokens of the staff",
            "runs around a date",
        ],
    )
    def test_an_index_that_is_missing_is_asked_for_by_its_statement(self, drop: str, wanted: str):
        alter(drop)

        found = run_checks(tags=[checks.TAG], databases=["default"])

        assert wanted in [each.hint for each in found]

    @pytest.mark.site("It is this host's models that are held to the check.")
    def test_each_index_of_this_host_is_one_that_another_is_asked_for(self):
        models = [apps.get_model(label) for label in host._TABLES.values()]
        made = {index.name for model in models for index in model._meta.indexes}

        for name in made:
            alter(f"DROP INDEX {name}")
        found = run_checks(tags=[checks.TAG], databases=["default"])

        assert len(made) >= 4
        assert {name for name in made for each in found if f" {name} " in str(each.hint)} == made

    @pytest.mark.site("What another host's tables lack is its own.")
    def test_the_order_of_the_columns_is_the_hosts_affair(self):
        alter(
            "ALTER TABLE courses_courserungrade "
            "DROP CONSTRAINT courses_courserungrade_user_run_unique, "
            "ADD UNIQUE (course_run_id, user_id)"
        )

        found = run_checks(tags=[checks.TAG], databases=["default"])

        assert not any("UNIQUE" in str(each.hint) for each in found)

    @pytest.mark.parametrize("grade", [float("nan"), float("inf"), 2.5, -0.1])
    def test_a_stored_grade_that_can_be_none_is_counted(self, grade: float):
        CourseRunGradeFactory.create(grade=grade)
        CourseRunGradeFactory.create(grade=0.9)

        found = complaints(["default"])

        assert found["I002"] == "1 stored grades are not between 0.0 and 2.0. They earn nothing."


def have_token(user: User, valid_for: timedelta) -> None:
    count = AccessToken.objects.count()
    AccessToken.objects.create(
        user=user, token=f"token-{count}", expires=timezone.now() + valid_for, scope="read write"
    )


@pytest.mark.django_db
class TestLastToken:
    def complaint(self) -> str | None:
        return complaints(["default"]).get("W005")

    def test_without_a_token_it_says_so(self):
        assert self.complaint() == NO_TOKEN

    @pytest.mark.parametrize(("days", "is_told"), [(22, False), (20, True)])
    def test_three_weeks_before_the_last_ends_it_says_so(
        self, staff_user: User, days: int, is_told: bool
    ):
        for valid_for in (DAY, days * DAY):
            have_token(staff_user, valid_for)

        told = self.complaint()

        assert (told is not None) == is_told
        assert not is_told or "The last token that opens the webhooks ends on" in str(told)

    @pytest.mark.parametrize("owner", [{}, {"is_staff": True, "is_active": False}])
    def test_a_token_that_the_webhooks_refuse_does_not_count(self, owner: dict[str, bool]):
        have_token(UserFactory.create(**owner), 365 * DAY)

        assert self.complaint() == NO_TOKEN

    def test_a_token_without_a_required_scope_does_not_count(self, staff_user: User, settings: Any):
        have_token(staff_user, 365 * DAY)
        settings.OPENEDX_CERTIFICATES_REQUIRED_SCOPES = ["webhooks"]

        assert self.complaint() == NO_TOKEN

    def test_the_database_is_asked_only_if_it_is_named(self, django_assert_num_queries: Any):
        with django_assert_num_queries(0):
            assert complaints([]) == {}

    def test_before_the_first_migration_nothing_is_said(self):
        alter("DROP TABLE oauth2_provider_accesstoken CASCADE")

        assert complaints(["default"]) == {}

    def test_the_command_for_it_is_djangos_own(self):
        out = io.StringIO()

        call_command("check", "--database", "default", stdout=out, stderr=out)

        assert NO_TOKEN in out.getvalue()
