"""The admin of the held requests, and of the pause they heed."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from openedx_certificates.admin.filters import (
    LastErrorFilter,
    LatelyFilter,
    StateFilter,
    WorkFilter,
)
from openedx_certificates.admin.learner_run import LearnerRunAdmin, ReadOnlyMixin
from openedx_certificates.admin.lengths import length_in_words
from openedx_certificates.admin.links import Links
from openedx_certificates.admin.today import read_today
from openedx_certificates.api import reopen, settle_as_failed, wake_worker
from openedx_certificates.held.queue import is_due, is_free
from openedx_certificates.models import CertificateRequest, OpenEdxPause


@admin.register(CertificateRequest)
class CertificateRequestAdmin(ReadOnlyMixin, LearnerRunAdmin):
    """A held request; what may be done with it are the list's two actions."""

    list_display = ["learner_and_run", "state", "age", "tries", "next_attempt", "failure"]
    list_filter = [
        StateFilter,
        WorkFilter,
        ("settled_on", LatelyFilter),
        ("created_on", LatelyFilter),
        LastErrorFilter,
    ]
    list_select_related = ["user", "course_run"]
    readonly_fields = [
        "user",
        "course_run",
        "state",
        "deliveries",
        "attempts",
        "next_attempt",
        "last_error",
        "last_error_text",
        "created_on",
        "last_delivered_on",
        "last_attempt_on",
        "failing_since",
        "settled_on",
    ]
    actions = ["replay_now", "settle_as_failed"]

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("openedx_certificates.change_certificaterequest")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add what the database's clock says of each."""
        rows = super().get_queryset(request)
        return rows.annotate(read_on=Now(), is_free=is_free(), is_due=is_due())

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.today)
        return [path("today/", view, name="openedx_certificates_today"), *super().get_urls()]

    def today(self, request: HttpRequest) -> HttpResponse:
        """Show "Certificates today" to users with the permission to see requests."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "Certificates today",
            "opts": self.opts,
            **read_today(Links(self.admin_site, request)),
        }
        return TemplateResponse(request, "admin/openedx_certificates/today.html", context)

    # Narrow columns, so that all of them are seen at once.
    @admin.display(description="Learner and course id", ordering="user__email")
    def learner_and_run(self, request: CertificateRequest) -> str:
        course_id = request.course_run.courseware_id
        return format_html("{}<br><small>{}</small>", request.user.email, course_id)

    @admin.display(description="Tries", ordering="attempts")
    def tries(self, request: CertificateRequest) -> int:
        return request.attempts

    @admin.display(description="State", ordering="status")
    def state(self, request: CertificateRequest) -> str:
        status = request.get_status_display().lower()
        return f"{status}: {request.reason.replace('_', ' ')}" if request.reason else status

    @admin.display(description="Age", ordering="created_on")
    def age(self, request: Any) -> str:
        return length_in_words(request.read_on - request.created_on)

    @admin.display(description="Next", ordering="next_attempt_on")
    def next_attempt(self, request: Any) -> str:
        if not request.is_open:
            return "-"
        if not request.is_free:
            return "at work"
        if request.is_due:
            return "due"
        return f"in {length_in_words(request.next_attempt_on - request.read_on)}"

    @admin.display(description="Last error", ordering="last_error")
    def failure(self, request: CertificateRequest) -> str:
        if not request.last_error_text:
            return request.last_error
        return format_html("{}<br><small>{}</small>", request.last_error, request.last_error_text)

    @admin.action(description="Replay the selected requests now", permissions=["work"])
    def replay_now(self, request: HttpRequest, queryset: QuerySet[CertificateRequest]) -> None:
        replay = reopen(queryset)
        if not replay.started:
            self.message_user(request, str(replay), messages.WARNING)
            return
        started = CertificateRequest.objects.filter(pk__in=replay.started)
        self.log_changes(request, started, "Replayed.")
        wake_worker()
        told = f"{replay} The next pass takes up what is due, whatever pause Open edX has."
        self.message_user(request, told, messages.SUCCESS)

    @admin.action(description="Settle the selected requests as failed", permissions=["work"])
    def settle_as_failed(
        self, request: HttpRequest, queryset: QuerySet[CertificateRequest]
    ) -> None:
        settled = settle_as_failed(queryset)
        self.log_changes(
            request, CertificateRequest.objects.filter(pk__in=settled), "Settled as failed."
        )
        level = messages.SUCCESS if settled else messages.WARNING
        told = f"{len(settled):,} open request(s) were settled as failed."
        self.message_user(request, told, level)


@admin.register(OpenEdxPause)
class OpenEdxPauseAdmin(ReadOnlyMixin, admin.ModelAdmin):
    """How Open edX has been doing; it changes by itself."""

    list_display = ["__str__", "failures", "since", "next_probe_on", "updated_on"]
    readonly_fields = ["failures", "last_error_text", "since", "next_probe_on", "updated_on"]
    ordering = ["pk"]
