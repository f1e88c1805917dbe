"""One measurement. Runs inside Django, in a process of its own, and prints one line of JSON.

Code and connections are warm when the clock starts: the contender has been through a small run.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from celery import current_app
from django.db import connection
from django.utils import timezone

from courses.api import generate_course_run_certificates
from courses.models import CourseRun
from openedx_certificates.models import CourseRunSweep
from tools.benchmarks.cast import WARM_UP_COURSE_ID
from tools.benchmarks.statements import BEGINS, ENDS
from tools.benchmarks.yardstick import fetch_only, sweep_per_learner

TASK = "courses.tasks.generate_course_certificates"
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 600

# Works through runs, and returns how many learners it saw.
Contender = Callable[[list[CourseRun]], int]


def sweep() -> None:
    """Measure the sweep under test: of one run, or of all eligible runs in turn."""
    _measure(_sweep)


def per_learner() -> None:
    """Measure the straightforward way of the sweep."""
    _measure(sweep_per_learner)


def bare() -> None:
    """Measure the fetching alone."""
    _measure(fetch_only)


def by_workers() -> None:
    """Measure the task, from its sending until the worker has nothing left to do."""
    ends = time.monotonic() + PATIENCE_SECONDS
    inspect = current_app.control.inspect(limit=1, timeout=1)
    while not inspect.ping():
        _wait(ends)
    runs = CourseRun.objects.filter(live=True).count()
    began, started = timezone.now(), time.perf_counter()
    current_app.send_task(TASK)
    while _count_swept(began) < runs or _is_busy():
        _wait(ends)
    _tell(time.perf_counter() - started, 0)


def _measure(contender: Contender) -> None:
    warm_up = CourseRun.objects.get(courseware_id=WARM_UP_COURSE_ID)
    runs = list(CourseRun.objects.filter(live=True).order_by("pk"))
    contender([warm_up])
    _mark(BEGINS)
    started = time.perf_counter()
    learners = contender(runs)
    seconds = time.perf_counter() - started
    _mark(ENDS)
    _tell(seconds, learners)


def _sweep(runs: list[CourseRun]) -> int:
    summary = generate_course_run_certificates(course_run=runs[0] if len(runs) == 1 else None)
    if summary.failures or summary.runs != len(runs):
        raise RuntimeError(f"The sweep failed: {summary}")
    return summary.learners + summary.strangers


def _mark(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [text])


def _tell(seconds: float, learners: int) -> None:
    # Not getrusage: its peak begins with that of the process that started this one.
    (peak,) = (
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    told = {"seconds": seconds, "learners": learners, "memory_mib": int(peak) / 1024}
    sys.stdout.write(f"{json.dumps(told)}\n")


def _is_busy() -> bool:
    """Whether the worker has a task. The waiting ones are looked at first: they become active."""
    inspect = current_app.control.inspect(limit=1, timeout=1)
    for ask in (inspect.reserved, inspect.active):
        answers = ask()
        if not answers or any(answers.values()):
            return True
    return False


def _count_swept(began: datetime) -> int:
    """Return how many runs were swept since; to ask Open edX for what it got would slow it down."""
    return CourseRunSweep.objects.filter(started_on__gte=began).count()


def _wait(ends: float) -> None:
    if time.monotonic() > ends:
        raise TimeoutError(f"The worker was not done within {PATIENCE_SECONDS} s.")
    time.sleep(LOOK_SECONDS)
