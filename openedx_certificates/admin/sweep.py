"""The admin of sweeps: what the last one of each run came to, and what it waits for."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timesince import timesince

from openedx_certificates import host
from openedx_certificates.admin.filters import OneOf
from openedx_certificates.admin.learner_run import ReadOnlyInline, ReadOnlyMixin
from openedx_certificates.admin.support import SupportAdmin
from openedx_certificates.clock import database_now, has_come
from openedx_certificates.figures import BROKE_OFF, HAD_FAILED_LEARNERS, NEEDS_A_LOOK
from openedx_certificates.models import CourseRunSweep
from openedx_certificates.sweeps.leases import longest_sweep_lease


class ResultFilter(OneOf):
    """Those that need a look."""

    title = "result"
    parameter_name = "result"

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        return {
            "failing": ("broke off or learners failed", NEEDS_A_LOOK),
            "broke_off": ("broke off", BROKE_OFF),
            "learners": ("learners failed", HAD_FAILED_LEARNERS),
            "well": ("went well", ~NEEDS_A_LOOK & Q(started_on__isnull=False)),
        }


class NextSweepFilter(OneOf):
    """By whether the periodic task still looks at the run; over `SweepColumns`' rows."""

    title = "next sweep"
    parameter_name = "next"

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        return {
            "due": ("due", Q(is_eligible=True)),
            "none": ("none: closed or not live", Q(is_eligible=False)),
        }


class SweepColumns(BaseModelAdmin):
    """What a sweep came to, in a few words."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add whether the periodic task still looks at the run, and whether a sweep of it died."""
        eligible = host.get_eligible_runs(database_now()).filter(pk=OuterRef("course_run"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                is_eligible=Exists(eligible),
                has_died=has_come("leased_until", within=longest_sweep_lease()),
            )
        )

    @admin.display(description="Last sweep", ordering="started_on")
    def when(self, sweep: CourseRunSweep) -> str:
        if sweep.started_on is None:
            return "none yet"
        # The tooltip has the moment: "2 hours ago" is no help beside a log.
        moment = f"{sweep.started_on:%Y-%m-%d %H:%M:%S} UTC"
        ago = timesince(sweep.started_on, depth=1)
        return format_html('<span title="{}">{} ago</span>', moment, ago)

    @admin.display(description="Took")
    def duration(self, sweep: CourseRunSweep) -> str:
        return "-" if sweep.took is None else _in_words(sweep.took)

    @admin.display(description="Created", ordering="certificates_created")
    def created(self, sweep: CourseRunSweep) -> int:
        return sweep.certificates_created

    @admin.display(description="Failed", ordering="failed_learners")
    def failed(self, sweep: CourseRunSweep) -> str:
        learners = str(sweep.failed_learners)
        if sweep.refused_grades:
            learners += f" ({sweep.refused_grades} grades refused)"
        return learners

    @admin.display(description="Result", ordering="error")
    def result(self, sweep: CourseRunSweep) -> str:
        if sweep.started_on is None:
            return "-"
        return f"broke off: {sweep.error.replace('_', ' ')}" if sweep.error else "to its end"

    @admin.display(description="Next")
    def next_sweep(self, sweep: Any) -> str:
        if sweep.leased_until is not None:
            return "the one at work has died" if sweep.has_died else "at work"
        return "due" if sweep.is_eligible else "none: the run is closed or not live"


class SweepInline(SweepColumns, ReadOnlyInline):
    """The last sweep of the run, on the run's page."""

    model = CourseRunSweep
    verbose_name_plural = "sweep"
    readonly_fields = [
        *("when", "duration", "learners", "created", "failed"),
        *("result", "error_text", "next_sweep"),
    ]


@admin.register(CourseRunSweep)
class CourseRunSweepAdmin(SweepColumns, ReadOnlyMixin, SupportAdmin):
    """How the runs were swept; which of them broke off is a click away."""

    list_display = [
        *("course_id", "when", "duration", "learners", "created", "failed"),
        *("result", "next_sweep"),
    ]
    list_filter = [ResultFilter, NextSweepFilter]
    list_select_related = ["course_run"]
    search_fields = ["course_run__courseware_id"]
    search_help_text = "Any part of the course id."
    readonly_fields = [
        *("course_run", "when", "started_on", "finished_on", "duration", "pages", "learners"),
        *("created", "failed", "refused_grades", "result", "error_text"),
        "next_sweep",
    ]

    @admin.display(description="Course id", ordering="course_run__courseware_id")
    def course_id(self, sweep: CourseRunSweep) -> str:
        # Small, so that all columns are seen at once.
        return format_html("<small>{}</small>", sweep.course_run.courseware_id)


def _in_words(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
