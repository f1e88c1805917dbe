"""Celery beat's schedule, kept without Celery's beat: for a site that has no broker."""

import threading
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import cast

from celery import current_app
from celery.schedules import BaseSchedule, maybe_schedule
from django.db import close_old_connections

from openedx_certificates.logs import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 1.0


@dataclass(slots=True)
class _Entry:
    task: str
    schedule: BaseSchedule
    last_run: datetime


class PeriodicTasks:
    """Runs the tasks of beat's schedule when they are due, one after the other."""

    def __init__(self, *, without: str) -> None:
        """Read the schedule.

        Args:
            without: the name of the task that the caller does itself.
        """
        current_app.loader.import_default_modules()
        now = current_app.now()
        self._entries = [
            _Entry(
                entry["task"],
                cast("BaseSchedule", maybe_schedule(entry["schedule"], app=current_app)),
                now,
            )
            for entry in current_app.conf.beat_schedule.values()
            if entry["task"] != without
        ]

    def start(self, is_told_to_end: threading.Event) -> None:
        """Run them in a thread, which ends with the process: each task can be cut off anywhere."""
        # With what the command has bound for its lines in the log.
        run = partial(copy_context().run, self._run, is_told_to_end)
        threading.Thread(target=run, name="periodic-tasks", daemon=True).start()

    def run_due(self) -> None:
        """Run what is due by now."""
        for entry in self._entries:
            # A run of the future: the clock was set back, and nothing is known of the last run.
            entry.last_run = min(entry.last_run, current_app.now())
            if entry.schedule.is_due(entry.last_run).is_due:
                entry.last_run = current_app.now()
                # A task that fails is logged by Celery, and comes again.
                current_app.tasks[entry.task].apply(throw=False)

    def _run(self, is_told_to_end: threading.Event) -> None:
        while not is_told_to_end.wait(LOOK_SECONDS):
            self.run_due()
            close_old_connections()
