"""System checks: the app's own settings, and what it finds at its host.

They are tagged `openedx_certificates`. If MODE is `off`, nothing but that word is looked at.
With `--database default` the host's tables are looked at: what is missing there is named with the
statement that mends it, and nothing depends on it but speed and tidiness.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connection
from django.db import Error as DatabaseFailure
from django.utils import timezone
from oauth2_provider.scopes import get_scopes_backend

from openedx_certificates import host
from openedx_certificates.settings import PREFIX, AppSettings, Mode, app_settings
from openedx_certificates.webhooks.tokens import ENDS_SOON, AccessToken, find_last_end

TAG: Final = "openedx_certificates"
# The plugin's own time-out: ol_openedx_events_handler waits this many seconds for our answer.
PLUGIN_PATIENCE_SECONDS: Final = 30
# Renewed after a quarter of it, and at least every five seconds that Open edX is waited for.
SWEEP_LEASE_LEAST_SECONDS: Final = 30
# What the page "Certificates today" looks back on.
SHOWN_DAYS: Final = 14
_LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
# What stands in examples and defaults, ours and everybody's.
_PLACEHOLDERS: Final = ("...", "changeme", "development-service-worker-token")
_DAY_SECONDS: Final = 86_400
_CENTURY_DAYS: Final = 36_500
#: The least and the most of each number, None for no bound.
BOUNDS: Final[dict[str, tuple[float, float | None]]] = {
    "PAGE_SIZE": (1, None),
    "DELETIONS_MAX": (0, None),
    "DELETIONS_MAX_PERCENT": (0, 100),
    "FAILED_TOKENS_MAX": (0, None),
    "PAGE_RETRY_DELAY": (0, _DAY_SECONDS),
    "PAUSE_AFTER_FAILURES": (1, None),
    # What a dead process had in hand must not wait for ever.
    "REQUEST_LEASE": (0, _DAY_SECONDS),
    "RETENTION_IN_DAYS": (1, _CENTURY_DAYS),
    "SWEEP_LEASE": (SWEEP_LEASE_LEAST_SECONDS, _DAY_SECONDS),
    # With none at all every event is left to a worker.
    "WEBHOOK_WAITING_MAX": (0, None),
}
# What the app reads and writes of the host: the contract, section 3.
_HOST_FIELDS: Final = {
    "users.User": ("username", "email", "is_staff", "is_active"),
    "openedx.OpenEdxUser": ("user", "edx_username"),
    "courses.CourseRun": ("courseware_id", "certificate_available_date", "is_self_paced"),
    "courses.CourseRunEnrollment": ("user", "run", "enrollment_mode", "active"),
    "courses.CourseRunGrade": (
        *("user", "course_run", "grade", "letter_grade", "passed", "set_by_admin"),
        *("created_on", "updated_on"),
    ),
    "courses.CourseRunGradeAudit": ("acting_user", "data_before", "data_after"),
    "courses.CourseRunCertificate": ("user", "course_run", "uuid", "is_revoked", "issue_date"),
}
# What the statements are fast by, or a simultaneous write is kept out by: how it looks among the
# database's own definitions of a table, and the statement that makes it.
_WANTED: Final = (
    (
        "users",
        r"unique .*\(lower\(\(email\)",
        "CREATE UNIQUE INDEX CONCURRENTLY users_user_email_lower_unique ON {} (LOWER(email))",
    ),
    (
        "users",
        r"\(id\) where is_staff$",
        "CREATE INDEX CONCURRENTLY users_user_staff ON {} (id) WHERE is_staff",
    ),
    (
        "accounts",
        r"\(lower\(\(edx_username\)",
        "CREATE INDEX CONCURRENTLY openedx_edx_username_lower ON {} (LOWER(edx_username))",
    ),
    (
        "runs",
        r"\(certificate_available_date\)",
        "CREATE INDEX CONCURRENTLY courses_run_live_cert_date ON {} (certificate_available_date) "
        "WHERE live",
    ),
    (
        "enrollments",
        r"unique .*\((user_id, run_id|run_id, user_id)\)$",
        "CREATE UNIQUE INDEX CONCURRENTLY courses_courserunenrollment_user_run_unique ON {} "
        "(user_id, run_id)",
    ),
    (
        "grades",
        r"unique .*\((user_id, course_run_id|course_run_id, user_id)\)$",
        "CREATE UNIQUE INDEX CONCURRENTLY courses_courserungrade_user_run_unique ON {} "
        "(user_id, course_run_id)",
    ),
    (
        "grades",
        r"^check .*\(grade >=",
        "ALTER TABLE {} ADD CONSTRAINT courses_courserungrade_range "
        "CHECK (grade >= 0 AND grade <= 2) NOT VALID",
    ),
    (
        "certificates",
        r"unique .*\((user_id, course_run_id|course_run_id, user_id)\)$",
        "CREATE UNIQUE INDEX CONCURRENTLY courses_courseruncertificate_user_run_unique ON {} "
        "(user_id, course_run_id)",
    ),
    (
        "certificates",
        r"\(created_on\)",
        "CREATE INDEX CONCURRENTLY courses_certificate_created ON {} (created_on)",
    ),
)
_DEFINITIONS: Final = """
SELECT lower(pg_get_indexdef(indexrelid)) FROM pg_index
WHERE indrelid = %(table)s::regclass AND indisvalid
UNION ALL
SELECT 'check ' || lower(pg_get_constraintdef(oid)) FROM pg_constraint
WHERE conrelid = %(table)s::regclass AND contype = 'c'
"""
_ODD_GRADES: Final = "SELECT count(*) FROM {grades} WHERE NOT (grade >= 0 AND grade <= 2)"


def is_sendable(token: str) -> bool:
    """Whether a token can stand in an Authorization header as it is."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


@checks.register(TAG)
def check_settings(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[Any]:  # noqa: ARG001 - as Django calls it
    """Report what keeps the app from working, or from working safely and in time."""
    if app_settings.MODE not in list(Mode):
        return [
            checks.Error(
                f"{PREFIX}MODE is none of {', '.join(Mode)}.",
                hint="Set it to off to leave all the work to the host.",
                id="openedx_certificates.E001",
            )
        ]
    if app_settings.mode is Mode.OFF:
        return []
    return [
        *_look_at_numbers(),
        *_look_at_address(),
        *_look_at_token(),
        *_look_at_scopes(),
        *_look_at_host_models(),
    ]


def _look_at_numbers() -> Iterator[Any]:
    timeout = app_settings.TIMEOUT
    if not 0 < timeout < PLUGIN_PATIENCE_SECONDS:
        yield checks.Error(
            f"{PREFIX}TIMEOUT is {timeout:g} seconds; "
            f"the plugin waits {PLUGIN_PATIENCE_SECONDS} for our answer.",
            hint="Set it above 0 and under 30; 10 is the default.",
            id="openedx_certificates.E002",
        )
    for name, (least, most) in BOUNDS.items():
        value = getattr(app_settings, name)
        if value < least or (most is not None and value > most):
            bound = f"below {least}" if value < least else f"above {most}"
            yield checks.Error(f"{PREFIX}{name} is {bound}.", id="openedx_certificates.E003")
    if 0 <= app_settings.REQUEST_LEASE <= timeout:
        yield checks.Error(
            f"{PREFIX}REQUEST_LEASE is {app_settings.REQUEST_LEASE:g} seconds: it runs out while "
            "Open edX is asked, and another process asks the same.",
            hint=f"Set it well above {PREFIX}TIMEOUT; "
            f"{AppSettings.REQUEST_LEASE.default:g} is the default.",
            id="openedx_certificates.E004",
        )
    if any(delay < 0 for delay in app_settings.NOT_PASSED_DELAYS):
        yield checks.Error(
            f"{PREFIX}NOT_PASSED_DELAYS has a negative delay.", id="openedx_certificates.E005"
        )
    if 0 < app_settings.RETENTION_IN_DAYS < SHOWN_DAYS:
        yield checks.Warning(
            f"{PREFIX}RETENTION_IN_DAYS is below the {SHOWN_DAYS} days that the page "
            "“Certificates today” shows.",
            hint="90 is the default.",
            id="openedx_certificates.W001",
        )


def _look_at_address() -> Iterator[Any]:
    # Not shown: it may hold a password.
    not_an_address = checks.Error(
        "OPENEDX_API_BASE_URL is not the address of a server.",
        hint="Set it to something like https://courses.example.org",
        id="openedx_certificates.E006",
    )
    try:
        address = urlsplit(settings.OPENEDX_API_BASE_URL or "")
        _ = address.port
    except (AttributeError, ValueError):
        yield not_an_address
        return
    is_more = address.query or address.fragment or address.username is not None
    if address.scheme not in ("http", "https") or not address.hostname or is_more:
        yield not_an_address
    elif (
        address.scheme == "http" and not settings.DEBUG and address.hostname not in _LOOPBACK_HOSTS
    ):
        yield checks.Warning(
            "OPENEDX_API_BASE_URL is not https: the service worker's token travels in clear.",
            hint="Use https, unless the network between is private.",
            id="openedx_certificates.W002",
        )


def _look_at_token() -> Iterator[Any]:
    token = settings.OPENEDX_SERVICE_WORKER_API_TOKEN
    if not token:
        yield checks.Warning(
            "OPENEDX_SERVICE_WORKER_API_TOKEN is not set: Open edX can't be asked.",
            hint="Set it to the token of a staff service user of Open edX.",
            id="openedx_certificates.W003",
        )
    elif not is_sendable(token):
        yield checks.Error(
            "OPENEDX_SERVICE_WORKER_API_TOKEN holds a blank, or a character that no token has.",
            hint="Is there a line break at its end?",
            id="openedx_certificates.E007",
        )
    elif token in _PLACEHOLDERS and not settings.DEBUG:
        yield checks.Warning(
            "OPENEDX_SERVICE_WORKER_API_TOKEN is what stands in an example.",
            hint="Set it to the token of a staff service user of Open edX.",
            id="openedx_certificates.W004",
        )


def _look_at_scopes() -> Iterator[Any]:
    known = get_scopes_backend().get_all_scopes()
    for scope in app_settings.REQUIRED_SCOPES:
        if scope not in known:
            yield checks.Error(
                f"{PREFIX}REQUIRED_SCOPES names {scope}, which no token can have.",
                hint=f"There are: {', '.join(known)}.",
                id="openedx_certificates.E008",
            )


def _look_at_host_models() -> Iterator[Any]:
    for label, names in _HOST_FIELDS.items():
        try:
            options = apps.get_model(label)._meta
        except LookupError:
            yield checks.Error(f"The host has no model {label}.", id="openedx_certificates.E009")
            continue
        for name in names:
            try:
                options.get_field(name)
            except FieldDoesNotExist:
                yield checks.Error(
                    f"The host's {label} has no field {name}.", id="openedx_certificates.E009"
                )


@checks.register(TAG, checks.Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - as Django calls it
    databases: Sequence[str] | None = None,
    **_kwargs: Any,
) -> list[Any]:
    """Report what the host's tables lack, and until when a token opens the webhooks.

    Nothing before the first migration, and nothing if the database is away or silent: that is told by
    readiness, and to each caller.
    """
    is_asked = DEFAULT_DB_ALIAS in (databases or ())
    if not is_asked or app_settings.MODE not in list(Mode) or app_settings.mode is Mode.OFF:
        return []
    try:
        if AccessToken._meta.db_table not in connection.introspection.table_names():
            return []
        return [*_look_at_tables(), *_look_at_grades(), *_look_at_last_token()]
    except (DatabaseFailure, NotImplementedError):
        # The other is psycopg's, for dates in a style that it does not read.
        return []


def _look_at_tables() -> Iterator[Any]:
    definitions: dict[str, list[str]] = {}
    for name, pattern, statement in _WANTED:
        table = host.sql(f"{{{name}}}")
        if name not in definitions:
            with connection.cursor() as cursor:
                cursor.execute(_DEFINITIONS, {"table": table})
                definitions[name] = [definition for (definition,) in cursor.fetchall()]
        if not any(re.search(pattern, each) for each in definitions[name]):
            yield checks.Info(
                f"The host's table {table} lacks what the app's statements are made for.",
                hint=f"{statement.format(table)};",
                id="openedx_certificates.I001",
            )


def _look_at_grades() -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute(host.sql(_ODD_GRADES))
        (count,) = cursor.fetchone()
    if count:
        yield checks.Info(
            f"{count} stored grades are not between 0.0 and 2.0. They earn nothing.",
            hint=host.sql(_ODD_GRADES).replace("count(*)", "*") + ";",
            id="openedx_certificates.I002",
        )


def _look_at_last_token() -> Iterator[Any]:
    ends_on = find_last_end()
    if ends_on is None:
        says = "No token opens the webhooks: every event is refused."
    elif ends_on - timezone.now() <= ENDS_SOON:
        says = f"The last token that opens the webhooks ends on {ends_on:%Y-%m-%d} (UTC)."
    else:
        return
    yield checks.Warning(
        says,
        hint="manage.py create_webhook_token makes one; give it to Open edX's plugin.",
        id="openedx_certificates.W005",
    )
