"""The admin of sweeps: what the last one of each run came to, and what it waits for."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince, timeuntil

from courses.admin.filters import OneOf
from courses.admin.learner_run import ReadOnlyInline, ReadOnlyMixin
from courses.api import get_certificate_grade_eligible_runs, get_runs_to_sweep
from courses.api.figures import BROKE_OFF, HAD_FAILED_LEARNERS, NEEDS_A_LOOK
from courses.models import CourseRunSweep
from users.admin import SupportAdmin


class ResultFilter(OneOf):
    """Those that somebody must look at."""

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
    """By whether the periodic task still looks at the run, and when; over `SweepColumns`' rows."""

    title = "next sweep"
    parameter_name = "next"

    def choices_with_conditions(self) -> dict[str, tuple[str, Q]]:
        return {
            "some": ("due or resting", Q(is_eligible=True)),
            "due": ("due", Q(is_awake=True)),
            "rests": ("rests", Q(is_eligible=True, is_awake=False)),
            "none": ("none: closed or not live", Q(is_eligible=False)),
        }


class SweepColumns(BaseModelAdmin):
    """What a sweep came to, in a few words."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add whether the run is looked at by the periodic task at all, and at the next."""
        of_the_row = {"pk": OuterRef("course_run")}
        eligible = get_certificate_grade_eligible_runs(timezone.now()).filter(**of_the_row)
        awake = get_runs_to_sweep().filter(**of_the_row)
        rows = super().get_queryset(request)
        return rows.annotate(is_eligible=Exists(eligible), is_awake=Exists(awake))

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

    @admin.display(description="Next", ordering="next_sweep_on")
    def next_sweep(self, sweep: Any) -> str:
        now = timezone.now()
        if sweep.leased_until is not None:
            return "at work" if sweep.leased_until > now else "the one at work has died"
        if not sweep.is_eligible:
            return "none: the run is closed or not live"
        if sweep.is_awake:
            return "due"
        return f"rests for {timeuntil(sweep.next_sweep_on, now, depth=1)}"


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
        *("quiet_since", "next_sweep"),
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
