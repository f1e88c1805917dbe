"""The admin of enrollments: the learners of a run, and how far they have come."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from courses.admin.audit import AuditAdmin, AuditInline
from courses.api import change_enrollment
from courses.models import CourseRunEnrollment, CourseRunEnrollmentAudit
from openedx.constants import EDX_ENROLLMENT_AUDIT_MODE, EDX_ENROLLMENTS_PAID_MODES
from openedx_certificates.admin import (
    CertificateColumns,
    LearnerRunAdmin,
    with_certificate,
    with_grade,
)

ENROLLMENT_MODES = [EDX_ENROLLMENT_AUDIT_MODE, *EDX_ENROLLMENTS_PAID_MODES]


class EnrollmentForm(forms.ModelForm):
    """An enrollment in one of the modes we know, or in the one it is in."""

    enrollment_mode = forms.ChoiceField(
        initial=EDX_ENROLLMENT_AUDIT_MODE, help_text="Only a paid mode earns a certificate."
    )

    class Meta:
        model = CourseRunEnrollment
        fields = ["user", "run", "enrollment_mode", "active", "change_status", "edx_enrolled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A mode mirrored from Open edX, such as honor, stays possible if it is set.
        modes = dict.fromkeys([*ENROLLMENT_MODES, self.instance.enrollment_mode])
        field = self.fields.get("enrollment_mode")
        if isinstance(field, forms.ChoiceField):
            field.choices = [(mode, mode) for mode in modes]


class PaidFilter(admin.SimpleListFilter):
    """Paid or not: the modes in use can't be listed without a walk through the table."""

    title = "mode"
    parameter_name = "paid"

    def lookups(self, *_args: Any) -> list[tuple[str, str]]:
        return [("yes", "Paid"), ("no", "Not paid")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - as Django calls it
        if self.value() == "yes":
            return queryset.filter(enrollment_mode__in=EDX_ENROLLMENTS_PAID_MODES)
        if self.value() == "no":
            return queryset.exclude(enrollment_mode__in=EDX_ENROLLMENTS_PAID_MODES)
        return queryset


class EnrollmentAuditInline(AuditInline):
    model = CourseRunEnrollmentAudit


@admin.register(CourseRunEnrollment)
class CourseRunEnrollmentAdmin(CertificateColumns, LearnerRunAdmin):
    """A learner in a run, with the grade and the certificate they have there."""

    form = EnrollmentForm
    run_path = "run"
    autocomplete_fields = ["user", "run"]
    list_display = [
        "email",
        "course_id",
        "enrollment_mode",
        "active",
        "grade_there",
        "passed_there",
        "certificate",
        "certificates_from",
    ]
    list_display_links = ["email", "course_id"]
    list_select_related = ["user", "run"]
    list_filter = ["active", PaidFilter, "edx_enrolled"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "user",
                    "run",
                    "enrollment_mode",
                    "active",
                    "change_status",
                    "edx_enrolled",
                ]
            },
        ),
        (None, {"fields": ["created_on", "updated_on"]}),
    ]
    readonly_fields = ["created_on", "updated_on"]
    inlines = [EnrollmentAuditInline]

    @admin.display(description="Certificates from")
    def certificates_from(self, enrollment: CourseRunEnrollment) -> Any:
        if enrollment.run.is_self_paced:
            return "at once"
        available = enrollment.run.certificate_available_date
        return available.date() if available else "no date"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CourseRunEnrollment]:
        return with_grade(with_certificate(super().get_queryset(request), "run"), "run")

    def save_model(
        self,
        request: Any,
        obj: CourseRunEnrollment,
        form: forms.ModelForm,
        change: bool,  # noqa: ARG002 - as Django calls it
    ) -> None:
        """Store what was changed in the form, in the administrator's name."""
        # Only these: an event from Open edX may have changed the rest since the page was opened.
        changed = {name: form.cleaned_data[name] for name in form.changed_data}
        changed = {name: changed[name] for name in changed.keys() - {"user", "run"}}
        stored = change_enrollment(obj.user, obj.run, acting_user=request.user, **changed)
        obj.pk = stored.pk
        obj.refresh_from_db()


@admin.register(CourseRunEnrollmentAudit)
class CourseRunEnrollmentAuditAdmin(AuditAdmin):
    """Every change of an enrollment."""

    user_path = "enrollment__user"
    run_path = "enrollment__run"
    list_select_related = ["enrollment__user", "enrollment__run", "acting_user"]
    readonly_fields = [
        "created_on",
        "enrollment",
        "made_by",
        "changes",
        "data_before",
        "data_after",
    ]
