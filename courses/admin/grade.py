"""The admin of grades: what an administrator sets counts, and Open edX does not overwrite it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from courses.admin.audit import AuditAdmin, AuditInline
from courses.api import override_user_grade
from courses.models import CourseRunGrade, CourseRunGradeAudit
from openedx_certificates.admin import CertificateColumns, LearnerRunAdmin, with_certificate
from openedx_certificates.api import (
    EDX_GRADE_MAX,
    EDX_GRADE_MIN,
    CertificateOutcome,
    apply_grade,
    are_certificates_due,
    database_now,
)

WHAT_CAME_OF_IT = {
    CertificateOutcome.CREATED: "The certificate was issued.",
    CertificateOutcome.EXISTS: "The learner has the certificate, and keeps it.",
    CertificateOutcome.REVOKED: "The learner's certificate is revoked, and stays so.",
    CertificateOutcome.DELETED: "The certificate was deleted; a record of it is kept.",
    CertificateOutcome.NOT_PASSED: "No certificate: the learner has not passed.",
    CertificateOutcome.NO_PAID_ENROLLMENT: "No certificate: no active, paid enrollment in the run.",
    CertificateOutcome.NOT_DUE: "The certificate is issued when the run's date for it has come.",
}


class GradeForm(forms.ModelForm):
    """A grade as an administrator sets it."""

    grade = forms.FloatField(
        min_value=EDX_GRADE_MIN,
        max_value=EDX_GRADE_MAX,
        help_text=(
            "0.0 to 1.0, above where extra points are given. 0.0 means no certificate: one that "
            "exists is deleted at once. Open edX does not overwrite what is set here."
        ),
    )
    should_force_pass = forms.BooleanField(
        required=False,
        label="Let the learner pass",
        help_text="A learner who passed stays so without it, with any grade but 0.0.",
    )

    class Meta:
        model = CourseRunGrade
        fields = ["user", "course_run", "grade", "letter_grade"]


class GradeAuditInline(AuditInline):
    model = CourseRunGradeAudit


@admin.register(CourseRunGrade)
class CourseRunGradeAdmin(CertificateColumns, LearnerRunAdmin):
    """A learner's grade in a run, and the certificate it earned."""

    form = GradeForm
    list_display = [
        "email",
        "course_id",
        "grade",
        "letter_grade",
        "passed",
        "set_by_admin",
        "certificate",
    ]
    list_display_links = ["email", "course_id"]
    list_select_related = ["user", "course_run"]
    list_filter = ["passed", "set_by_admin"]
    readonly_fields = ["passed", "set_by_admin", "created_on", "updated_on"]
    fieldsets = [
        (None, {"fields": ["user", "course_run", "grade", "letter_grade", "should_force_pass"]}),
        (None, {"fields": ["passed", "set_by_admin", "created_on", "updated_on"]}),
    ]
    inlines = [GradeAuditInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CourseRunGrade]:
        return with_certificate(super().get_queryset(request), "course_run")

    def save_model(
        self,
        request: Any,
        obj: CourseRunGrade,
        form: forms.ModelForm,
        change: bool,  # noqa: ARG002 - as Django calls it
    ) -> None:
        """Set the grade in the administrator's name, and let it take effect on the certificate."""
        if not form.has_changed():
            # A form that was saved unchanged has not set anything.
            return
        stored = override_user_grade(
            obj.user,
            form.cleaned_data["grade"],
            form.cleaned_data["letter_grade"],
            obj.course_run.courseware_id,
            should_force_pass=form.cleaned_data["should_force_pass"],
            acting_user=request.user,
        )
        is_due = are_certificates_due(stored.course_run, database_now())
        outcome = apply_grade(stored, is_due=is_due).verdict.certificate
        messages.info(request, WHAT_CAME_OF_IT[outcome])
        obj.pk = stored.pk
        obj.refresh_from_db()


@admin.register(CourseRunGradeAudit)
class CourseRunGradeAuditAdmin(AuditAdmin):
    """Every change of a grade."""

    user_path = "course_run_grade__user"
    run_path = "course_run_grade__course_run"
    list_select_related = [
        "course_run_grade__user",
        "course_run_grade__course_run",
        "acting_user",
    ]
    readonly_fields = [
        "created_on",
        "course_run_grade",
        "made_by",
        "changes",
        "data_before",
        "data_after",
    ]
