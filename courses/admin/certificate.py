"""The admin of certificates: they are revoked and given back, and nothing else is done by hand."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html

from courses.models import CourseRunCertificate
from openedx_certificates.admin import (
    CertificateAdmin,
    LatelyFilter,
)
from openedx_certificates.api import set_revoked


class CertificateState(BaseModelAdmin):
    """Whether a certificate holds, and its address."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add whether the certificate is issued by now."""
        return super().get_queryset(request).annotate(is_issued=Q(issue_date__lte=Now()))

    @admin.display(description="State")
    def state(self, certificate: Any) -> str:
        if certificate.is_revoked:
            return "revoked"
        return "valid" if certificate.is_issued else "not issued yet"

    @admin.display(description="Link")
    def address(self, certificate: CourseRunCertificate) -> str:
        return format_html('<a href="{0}">{0}</a>', certificate.link)


@admin.register(CourseRunCertificate)
class CourseRunCertificateAdmin(CertificateState, CertificateAdmin):
    """A learner's certificate; what may be done with it are the list's two actions."""

    list_display = ["email", "course_id", "state", "address", "issue_date"]
    list_filter = ["is_revoked", ("created_on", LatelyFilter)]
    readonly_fields = [
        "user",
        "course_run",
        "state",
        "address",
        "issue_date",
        "created_on",
        "updated_on",
    ]
    actions = ["revoke", "give_back"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("courses.change_courseruncertificate")

    @admin.action(description="Revoke the selected certificates", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[CourseRunCertificate]) -> None:
        self._set_revoked(request, queryset, True, "Revoked")

    @admin.action(description="Give the selected certificates back", permissions=["revoke"])
    def give_back(self, request: HttpRequest, queryset: QuerySet[CourseRunCertificate]) -> None:
        self._set_revoked(request, queryset, False, "Gave back")

    def _set_revoked(
        self,
        request: HttpRequest,
        selected: QuerySet[CourseRunCertificate],
        revoked: bool,
        done: str,
    ) -> None:
        changed = set_revoked(selected.exclude(is_revoked=revoked), is_revoked=revoked)
        if not changed:
            state = "revoked" if revoked else "valid"
            self.message_user(
                request, f"Nothing to do: all of them are {state} already.", messages.WARNING
            )
            return
        self.log_changes(request, changed, f"{done}.")
        first = changed[0]
        told = f"{done} the certificate of {first.user.email} in {first.course_run.courseware_id}"
        if len(changed) > 1:
            told += f", and {len(changed) - 1:,} more"
        self.message_user(request, f"{told}.", messages.SUCCESS)
