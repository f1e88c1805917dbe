"""All that the app knows of its host, by the names of the contract (section 3).

Each name is looked up when it is asked for, and nothing at import: MITx Online imports the app while
its models load. What is written here of a table's columns holds in the statements of other modules too,
which take the tables' names from `sql`.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower, Now
from django.utils.module_loading import import_string
from psycopg.sql import quote

# Rows of the host. The app reads and writes no other columns of them than the contract names.
User: TypeAlias = Any
CourseRun: TypeAlias = Any
Enrollment: TypeAlias = Any
Grade: TypeAlias = Any
Certificate: TypeAlias = Any
Rows: TypeAlias = QuerySet[Any]

# The contract, section 3.
EMAIL_MAX_LENGTH: Final = 254
COURSEWARE_ID_MAX_LENGTH: Final = 255
ENROLLMENT_MODE_MAX_LENGTH: Final = 20

_TABLES: Final = {
    "users": "users.User",
    "runs": "courses.CourseRun",
    "accounts": "openedx.OpenEdxUser",
    "enrollments": "courses.CourseRunEnrollment",
    "grades": "courses.CourseRunGrade",
    "certificates": "courses.CourseRunCertificate",
}


# An account that was given up is deactivated and made anonymous, and its enrollments can stay: they
# earn nothing new.
_PAID_ENROLLMENTS: Final = """{enrollments} AS enrollment
    JOIN {users} AS account ON account.id = enrollment.user_id AND account.is_active
        AND enrollment.active AND enrollment.enrollment_mode = ANY({paid_modes})"""


def users() -> Rows:
    """Return all users."""
    return _rows("users.User")


def course_runs() -> Rows:
    """Return all course runs."""
    return _rows("courses.CourseRun")


def enrollments() -> Rows:
    """Return all enrollments, also those that are not active."""
    return _rows("courses.CourseRunEnrollment")


def grades() -> Rows:
    """Return all grades."""
    return _rows("courses.CourseRunGrade")


def certificates() -> Rows:
    """Return all certificates, also those that are revoked or not issued yet."""
    return _rows("courses.CourseRunCertificate")


def certificate_model() -> type[models.Model]:
    """Return the class of certificates, which is also the sender of the app's signals."""
    return apps.get_model("courses.CourseRunCertificate")


def paid_modes() -> list[str]:
    """Return the enrollment modes that are paid for, as Open edX names them."""
    modes: list[str] = import_string("openedx.constants.EDX_ENROLLMENTS_PAID_MODES")
    return modes


def get_eligible_runs(now: datetime) -> Rows:
    """Return the runs that a sweep asks about. The rule is the host's alone.

    Args:
        now: the moment by the database's clock.
    """
    runs: Rows = import_string("courses.api.get_certificate_grade_eligible_runs")(now)
    return runs


def find_user_by_email(email: str) -> User | None:
    """Return the user with this address, None without one.

    Both sides go through the database's LOWER(): that is what the unique index holds, so one row at
    most can match, and the index is used. Python's rules for case differ, and `iexact` is UPPER(),
    under which a dotless i is an i.
    """
    return (
        users()
        .annotate(email_lower=Lower("email"))
        .filter(email_lower=Lower(Value(email.strip())))
        .first()
    )


#: The same in a statement, for `learner` and the parameter `email`.
SAME_EMAIL: Final = "LOWER(learner.email) = LOWER(%(email)s)"


def find_course_run(course_id: str) -> CourseRun | None:
    """Return the run with Open edX's course id, None without one."""
    return course_runs().filter(courseware_id=course_id).first()


def find_certificate(uuid: UUID) -> Certificate | None:
    """Return the certificate with its learner and its run's course; None if there is none.

    Its `is_issued` says whether its date has come, by the database's clock, which has dated it.
    """
    return (
        certificates()
        .filter(uuid=uuid)
        .select_related("user", "course_run__course")
        .annotate(is_issued=Q(issue_date__lte=Now()))
        .first()
    )


def row_of(model: str, **columns: object) -> Any:
    """Return a row of the host of which these columns were read; the others are when they are asked for.

    What is no column of the model is an attribute of the row, as `annotate()` has it.
    """
    found = apps.get_model(model)
    names = [field.attname for field in found._meta.concrete_fields if field.attname in columns]
    row = found.from_db(DEFAULT_DB_ALIAS, names, [columns[name] for name in names])
    for name in columns.keys() - names:
        setattr(row, name, columns[name])
    return row


def read_rows(model: str, statement: str, values: Mapping[str, Any]) -> list[Any]:
    """Return the rows of a model that a statement reads or writes, whatever their columns' order.

    `raw()` does it too, in three times the time. Values stay as the driver gives them.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql(statement), values)
        names = [column.name for column in cursor.description]
        return [row_of(model, **dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def map_user_ids(edx_usernames: Collection[str]) -> dict[str, int]:
    """Return the keys of the users with these usernames on Open edX, spelled exactly so."""
    accounts = _rows("openedx.OpenEdxUser").filter(edx_username__in=edx_usernames)
    return dict(accounts.values_list("edx_username", "user_id"))


def snapshot(row: Any) -> dict[str, Any]:
    """Return the row as an audit keeps it: by the model's own `to_dict()`, in types that JSON has.

    The old path stored grades of NaN and Infinity, which JSON has not: they become texts.
    """
    if hasattr(row, "to_dict"):
        columns: Mapping[str, Any] = row.to_dict()
    else:
        columns = {field.name: field.value_from_object(row) for field in row._meta.concrete_fields}
    return {name: _storable(value) for name, value in columns.items()}


def record_grade_changes(
    changes: Iterable[tuple[Grade, dict[str, Any]]], *, acting_user: User | None = None
) -> None:
    """Leave an audit row for each grade that was changed, in one statement.

    Args:
        changes: the grades as they are now, each with its snapshot from before.
        acting_user: the administrator, None for a sync with Open edX.
    """
    audit = apps.get_model("courses.CourseRunGradeAudit")
    audit._base_manager.bulk_create(
        audit(
            course_run_grade=grade,
            acting_user=acting_user,
            data_before=before,
            data_after=snapshot(grade),
        )
        for grade, before in changes
    )


@cache
def sql(statement: str) -> str:
    """Return the statement with the host's tables in place of `{users}`, `{accounts}` and so on.

    `{paid_enrollments}` are those that earn a certificate when the learner passes, `enrollment` with
    the learner's `account`; a statement with it is executed with parameters. Names and paid modes are
    looked up once in a process.
    """
    quote_name = connection.ops.quote_name
    names = {
        name: quote_name(apps.get_model(model)._meta.db_table) for name, model in _TABLES.items()
    }
    modes = quote(paid_modes()).replace("%", "%%")
    return statement.format(
        **names, paid_enrollments=_PAID_ENROLLMENTS.format(**names, paid_modes=modes)
    )


def _rows(model: str) -> Rows:
    # Of a model's managers, the base one is sure to hide nothing.
    return apps.get_model(model)._base_manager.all()


def _storable(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
