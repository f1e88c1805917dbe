"""What the admins of a learner in a course run share: the search, and the certificate in a column."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin, InlineModelAdmin
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import JSONObject, Lower
from django.http import HttpRequest
from django.utils.html import format_html

from openedx_certificates import host
from openedx_certificates.admin.pasted import Pasted
from openedx_certificates.admin.support import (
    FIND_LEARNER,
    SupportAdmin,
    find_users,
    find_users_named,
)
from openedx_certificates.models import CourseRunCertificateDeletion


class LearnerRunAdmin(SupportAdmin):
    """Rows of a learner in a course run, found by either or by both."""

    user_path = "user"
    run_path = "course_run"
    search_fields = ["user__email"]
    search_help_text = (
        f"{FIND_LEARNER} A course id, or how it starts; a learner and a course id together find the "
        "one row, and so does a certificate's address or uuid."
    )
    autocomplete_fields = ["user", "course_run"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep a row with its learner and its run; another's is another row."""
        readonly = [*super().get_readonly_fields(request, obj)]
        return [*readonly, self.user_path, self.run_path] if obj else readonly

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show a new row's first fieldset alone: the others hold what comes of saving it."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj else fieldsets[:1]

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[type[InlineModelAdmin]]:
        return list(super().get_inlines(request, obj)) if obj else []

    @admin.display(description="E-mail")
    def email(self, row: Any) -> str | None:
        return _follow(row, f"{self.user_path}__email")

    @admin.display(description="Course id")
    def course_id(self, row: Any) -> str | None:
        return _follow(row, f"{self.run_path}__courseware_id")

    def find_rows(self, pasted: Pasted) -> Iterator[Q]:
        for uuid in pasted.uuids:
            yield self.find_certificate(uuid) or Q(
                **{f"{self.user_path}__in": find_users_named(uuid)}
            )
        for course_id in pasted.course_ids:
            yield Q(**{f"{self.run_path}__in": _find_runs(course_id)})
        for users in find_users(pasted):
            yield Q(**{f"{self.user_path}__in": users})

    def find_certificate(self, uuid: UUID) -> Q | None:
        """Return which rows are of the learner and the run of a certificate, a deleted one too."""
        issued = host.certificates().filter(uuid=uuid)
        deleted = CourseRunCertificateDeletion.objects.filter(certificate_uuid=uuid)
        for certificate in (issued.first(), deleted.first()):
            if certificate is not None:
                return Q(
                    **{
                        self.user_path: certificate.user_id,
                        self.run_path: certificate.course_run_id,
                    }
                )
        return None


def _find_runs(course_id: str) -> list[int]:
    """Return the run with this id, else those with it in another case, else those that start so."""
    runs = host.course_runs().annotate(id_lower=Lower("courseware_id"))
    lower = Lower(Value(course_id))
    for found in (
        runs.filter(courseware_id=course_id),
        runs.filter(id_lower=lower),
        runs.filter(id_lower__startswith=lower),
    ):
        # Found beforehand as the users are; there are some thousands of runs at most.
        if pks := list(found.values_list("pk", flat=True)):
            return pks
    return []


class ReadOnlyMixin(BaseModelAdmin):
    """Rows that can't be made, changed or deleted; `readonly_fields` is what is shown of them."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:  # noqa: ARG002 - as Django calls it
        return list(self.readonly_fields)

    def has_add_permission(self, *_args: Any) -> bool:
        return False

    def has_change_permission(self, *_args: Any) -> bool:
        return False

    def has_delete_permission(self, *_args: Any) -> bool:
        return False


class ReadOnlyInline(ReadOnlyMixin, admin.TabularInline):
    """Rows shown on another row's page."""

    extra = 0
    ordering = ["-pk"]
    show_change_link = True


class CertificateColumns:
    """Columns of rows that `with_certificate` or `with_grade` looked up for the whole page."""

    @admin.display(description="Certificate")
    def certificate(self, row: Any) -> str:
        if row.found_certificate is None:
            return "-"
        certificate: Any = host.certificate_model()(**row.found_certificate)
        state = "revoked" if certificate.is_revoked else "issued"
        return format_html('<a href="{}">{}</a>', certificate.link, state)

    @admin.display(description="Grade")
    def grade_there(self, row: Any) -> str:
        if row.found_grade is None:
            return "-"
        letter = row.found_grade["letter_grade"]
        return f"{row.found_grade['grade']:g}{f' ({letter})' if letter else ''}"

    @admin.display(description="Passed", boolean=True)
    def passed_there(self, row: Any) -> bool | None:
        return row.found_grade and row.found_grade["passed"]


def with_certificate(rows: QuerySet[Any], run: str) -> QuerySet[Any]:
    """Add the certificate of the row's learner in its run."""
    certificates = host.certificates().filter(user=OuterRef("user"), course_run=OuterRef(run))
    return rows.annotate(
        found_certificate=Subquery(
            certificates.values(found=JSONObject(uuid="uuid", is_revoked="is_revoked"))
        )
    )


def with_grade(rows: QuerySet[Any], run: str) -> QuerySet[Any]:
    """Add the grade of the row's learner in its run."""
    grades = host.grades().filter(user=OuterRef("user"), course_run=OuterRef(run))
    return rows.annotate(
        found_grade=Subquery(
            grades.values(
                found=JSONObject(grade="grade", letter_grade="letter_grade", passed="passed")
            )
        )
    )


def _follow(row: Any, path: str) -> Any:
    """Return what the path leads to, None if a row on the way is gone."""
    for name in path.split("__"):
        row = getattr(row, name, None)
    return row
