"""What a user's page tells of the learner's courses, with the answer to "where is it?" first."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from courses.admin.certificate import CertificateState
from courses.models import CourseRunCertificate, CourseRunEnrollment, CourseRunGrade
from openedx_certificates.admin import (
    CertificateColumns,
    ReadOnlyInline,
    with_certificate,
    with_grade,
)
from users.admin import show_on_user_page


@show_on_user_page
class EnrollmentInline(CertificateColumns, ReadOnlyInline):
    """Each run with the learner's grade and certificate there."""

    model = CourseRunEnrollment
    readonly_fields = [
        "run",
        "enrollment_mode",
        "active",
        "grade_there",
        "passed_there",
        "certificate",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).select_related("run")
        return with_grade(with_certificate(rows, "run"), "run")


@show_on_user_page
class GradeInline(ReadOnlyInline):
    """The learner's grades, also without an enrollment."""

    model = CourseRunGrade
    readonly_fields = [
        "course_run",
        "grade",
        "letter_grade",
        "passed",
        "set_by_admin",
        "updated_on",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("course_run")


@show_on_user_page
class CertificateInline(CertificateState, ReadOnlyInline):
    """The learner's certificates, also without an enrollment."""

    model = CourseRunCertificate
    readonly_fields = ["course_run", "state", "address", "issue_date"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("course_run")
