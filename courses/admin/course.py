"""The admin of what is taught."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from courses.api import get_certificate_grade_eligible_runs
from courses.models import Course, CourseRun
from openedx_certificates.admin import OneOf, SupportAdmin, SweepInline
from openedx_certificates.api import database_now


class CatalogueAdmin(SupportAdmin):
    """A list of thousands and not of millions: any part of an id or a title finds it."""

    search_help_text = "Any part of the course id or of the title."
    readonly_fields = ["created_on", "updated_on"]


@admin.register(Course)
class CourseAdmin(CatalogueAdmin):
    """A course and how often it was given."""

    list_display = ["readable_id", "title", "live", "run_count", "created_on"]
    list_filter = ["live"]
    search_fields = ["readable_id", "title"]

    @admin.display(description="Runs")
    def run_count(self, course: Any) -> int:
        return course.run_count

    def get_queryset(self, request: HttpRequest) -> QuerySet[Course]:
        return super().get_queryset(request).annotate(run_count=Count("courseruns"))


class SweptFilter(OneOf):
    """By whether the periodic task looks at the run at all."""

    title = "swept"
    parameter_name = "swept"

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        is_swept = Q(pk__in=get_certificate_grade_eligible_runs(database_now()))
        return {"yes": ("yes", is_swept), "no": ("no: closed or not live", ~is_swept)}


@admin.register(CourseRun)
class CourseRunAdmin(CatalogueAdmin):
    """A course run; its dates decide when certificates are issued."""

    list_display = [
        "courseware_id",
        "title",
        "live",
        "is_self_paced",
        "start_date",
        "end_date",
        "certificates_from",
    ]
    list_filter = [
        "live",
        "is_self_paced",
        SweptFilter,
        ("certificate_available_date", admin.DateFieldListFilter),
    ]
    search_fields = ["courseware_id", "title"]
    autocomplete_fields = ["course"]
    inlines = [SweepInline]
    fieldsets = [
        (None, {"fields": ["course", "title", "courseware_id", "run_tag", "live"]}),
        ("Certificates", {"fields": ["is_self_paced", "certificate_available_date"]}),
        (
            "Dates",
            {
                "fields": [
                    ("start_date", "end_date"),
                    ("enrollment_start", "enrollment_end"),
                    ("upgrade_deadline", "expiration_date"),
                ]
            },
        ),
        ("More", {"classes": ["collapse"], "fields": ["created_on", "updated_on"]}),
    ]

    @admin.display(
        description="Certificates from",
        ordering="certificate_available_date",
        empty_value="no date",
    )
    def certificates_from(self, course_run: CourseRun) -> Any:
        return "at once" if course_run.is_self_paced else course_run.certificate_available_date
