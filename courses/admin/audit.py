"""How the record of changes is shown; it can't be changed."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from courses.models import AuditModel
from openedx_certificates.admin import LearnerRunAdmin, ReadOnlyInline, ReadOnlyMixin


class AuditColumns:
    """What a change was, and its author."""

    @admin.display(description="Changes")
    def changes(self, audit: AuditModel) -> str:
        return describe_change(audit.data_before, audit.data_after)

    @admin.display(description="Made by")
    def made_by(self, audit: AuditModel) -> str:
        return str(audit.acting_user) if audit.acting_user else "sync with Open edX"


class MadeByFilter(admin.SimpleListFilter):
    """By an administrator, or by a sync with Open edX."""

    title = "who made it"
    parameter_name = "made_by"

    def lookups(self, *_args: Any) -> list[tuple[str, str]]:
        return [("administrator", "An administrator"), ("sync", "A sync with Open edX")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - as Django calls it
        if self.value() in ("administrator", "sync"):
            return queryset.filter(acting_user__isnull=self.value() == "sync")
        return queryset


class AuditAdmin(AuditColumns, ReadOnlyMixin, LearnerRunAdmin):
    """Every change of the rows of one kind, newest first."""

    list_display = ["created_on", "email", "course_id", "changes", "made_by"]
    list_filter = [MadeByFilter]
    autocomplete_fields = []


class AuditInline(AuditColumns, ReadOnlyInline):
    """The changes of a row, on its page."""

    readonly_fields = ["created_on", "made_by", "changes"]
    verbose_name_plural = "changes"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("acting_user")


def describe_change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Return what differs between two snapshots, such as `grade: 0.4 → 0.85`."""
    if before is None:
        return "created"
    after = after or {}
    changed = [
        f"{name}: {before.get(name)} → {after.get(name)}"
        for name in {**before, **after}
        if name != "updated_on" and before.get(name) != after.get(name)
    ]
    return ", ".join(changed) or "none"
