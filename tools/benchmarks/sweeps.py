"""Measures sweeps: each in a process and a database of its own, the contenders by turns."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tqdm import tqdm

from tools.benchmarks.cast import COURSE_ID, MIXED, courses_of, write_courses
from tools.benchmarks.digest import digest_rows, digest_stamps
from tools.benchmarks.results import Check, Contender, Pass, Scene, Subject, SweepResults, Timings
from tools.benchmarks.stage import TOKEN, OpenEdx, Stage
from tools.chaos.surroundings import broker
from tools.demo.surroundings import HOST, find_free_port
from tools.processes import Program

DELAY: Final = 100
# Learner by learner takes minutes if there are many: (at most so many learners, repeats).
PER_LEARNER_REPEATS: Final = ((500, 5), (4_000, 3))
# Of more learners its second pass is left out: it takes as long for each as it does for fewer.
PER_LEARNER_SECOND_MAX: Final = 8_000
# Of more learners it makes the rows to compare with, and no time is taken.
PER_LEARNER_TIMED_MAX: Final = 20_000
PER_LEARNER_COUNTED_MAX: Final = 500
COUNTED_MAX: Final = 20_000
BROKER_PORT: Final = 26_000
LIMIT_PROCESSES, LIMIT_SECONDS = 4, 2.0
_CALLS: Final = {
    Contender.SWEEP: "measure.sweep()",
    Contender.PER_LEARNER: "measure.per_learner()",
    Contender.BARE: "measure.bare()",
}


class Sweeps:
    """Measures one scene after the other, and keeps the results."""

    def __init__(self, stage: Stage, repeats: int) -> None:
        self.results = SweepResults()
        self._stage = stage
        self._repeats = repeats

    def measure(self, scene: Scene, *, is_delayed: bool, has_workers: bool = False) -> None:
        """Measure a scene.

        Args:
            scene: what is swept.
            is_delayed: whether also with an Open edX that takes its time for each page.
            has_workers: whether also by Celery workers, with the same delay.
        """
        courses = self._stage.folder / "courses.json"
        write_courses(courses, courses_of(scene.learners, scene.runs), MIXED)
        openedx = self._stage.start_openedx(courses)
        if not self.results.limit:
            self.results.limit = _measure_limit(openedx, scene)
        prepare = f"rows.prepare({scene.learners}, {scene.runs}, is_mixed=True)"
        self._stage.create_database("template")
        self._stage.run(prepare, "template", openedx.url)
        one = _OneScene(self._stage, openedx, scene, self.results)
        for repeat in tqdm(range(self._repeats), desc=f"Sweeps of {scene}"):
            one.take_turns(repeat)
            if is_delayed:
                one.take_turns_delayed(repeat, has_workers=has_workers)
        one.count_statements()
        one.compare()
        self._stage.drop_database("template")
        self._stage.end(openedx.child)


class _OneScene:
    def __init__(self, stage: Stage, openedx: OpenEdx, scene: Scene, results: SweepResults) -> None:
        self._stage = stage
        self._openedx = openedx
        self._scene = scene
        self._results = results
        self._digests: list[tuple[str, str]] = []
        self._yardstick = ""

    def take_turns(self, repeat: int) -> None:
        """Measure everybody once with an Open edX that answers at once."""
        with self._copy() as database:
            self._sweep_twice(database, 0, Contender.SWEEP, f"at once, {repeat + 1}")
            self._take(database, Subject(self._scene, 0, Contender.BARE, Pass.ANY))
        if repeat < self._per_learner_repeats():
            with self._copy() as database:
                self._measure_per_learner(database)

    def take_turns_delayed(self, repeat: int, *, has_workers: bool) -> None:
        """Measure fetching from an Open edX that is slow."""
        self._openedx.set_delay(DELAY)
        with self._copy() as database:
            self._sweep_twice(database, DELAY, Contender.SWEEP, f"at {DELAY} ms, {repeat + 1}")
            if not has_workers:
                self._take(database, Subject(self._scene, DELAY, Contender.BARE, Pass.ANY))
        if has_workers:
            with self._copy() as database, self._workers(database) as settings:
                self._sweep_twice(
                    database, DELAY, Contender.WORKERS, f"workers, {repeat + 1}", **settings
                )
        self._openedx.set_delay(0)

    def count_statements(self) -> None:
        """Count what PostgreSQL is sent, in sweeps of which no time is taken."""
        if self._scene.total > COUNTED_MAX:
            return
        contenders = [Contender.SWEEP]
        if self._scene.total <= PER_LEARNER_COUNTED_MAX:
            contenders.append(Contender.PER_LEARNER)
        for contender in contenders:
            with self._copy() as database:
                self._stage.log_statements(database)
                for number in (Pass.FIRST, Pass.SECOND):
                    self._run(database, contender)
                    subject = Subject(self._scene, 0, contender, number)
                    self._results.statements[subject] = self._stage.count_logged()

    def compare(self) -> None:
        """Compare the rows of all sweeps with those of the yardstick."""
        self._results.checks += [
            Check(f"{self._scene}: {name}", digest == self._yardstick)
            for name, digest in self._digests
        ]

    def _per_learner_repeats(self) -> int:
        return next(
            (repeats for most, repeats in PER_LEARNER_REPEATS if self._scene.total <= most), 1
        )

    def _measure_per_learner(self, database: str) -> None:
        contender = Contender.PER_LEARNER
        if self._scene.total > PER_LEARNER_TIMED_MAX:
            self._stage.hurry(database)
            self._run(database, contender)
            self._yardstick = digest_rows(self._stage, database)
            return
        self._take(database, Subject(self._scene, 0, contender, Pass.FIRST))
        self._yardstick = self._yardstick or digest_rows(self._stage, database)
        if self._scene.total <= PER_LEARNER_SECOND_MAX:
            self._take(database, Subject(self._scene, 0, contender, Pass.SECOND))
            self._note_rows(database, "(a), second pass")

    def _sweep_twice(
        self, database: str, delay: int, contender: Contender, name: str, **settings: str
    ) -> None:
        stamps = ""
        for number in (Pass.FIRST, Pass.SECOND):
            self._take(database, Subject(self._scene, delay, contender, number), **settings)
            self._note_rows(database, f"{name}, {number} pass")
            earlier, stamps = stamps, digest_stamps(self._stage, database)
        unchanged = Check(f"{self._scene}: {name}, nothing written twice", stamps == earlier)
        self._results.checks.append(unchanged)

    def _note_rows(self, database: str, name: str) -> None:
        self._digests.append((name, digest_rows(self._stage, database)))

    def _take(self, database: str, subject: Subject, **settings: str) -> None:
        told = self._run(database, subject.contender, **settings)
        timings = self._results.timings.setdefault(subject, Timings())
        timings.seconds.append(told["seconds"])
        timings.memory_mib.append(told["memory_mib"])

    def _run(self, database: str, contender: Contender, **settings: str) -> dict[str, Any]:
        by_workers = "measure.by_workers()"
        call = _CALLS.get(contender, by_workers)
        told: dict[str, Any] = json.loads(
            self._stage.run(call, database, self._openedx.url, **settings)
        )
        if call != by_workers and told["learners"] != self._scene.total:
            raise RuntimeError(f"{contender} saw {told['learners']} of {self._scene} learners.")
        return told

    @contextmanager
    def _copy(self) -> Iterator[str]:
        """Make a fresh copy of the prepared database for the block."""
        self._stage.create_database("copy", "template")
        try:
            yield "copy"
        finally:
            self._stage.drop_database("copy")

    @contextmanager
    def _workers(self, database: str) -> Iterator[dict[str, str]]:
        """Run a broker and Celery for the block, which gets the settings of a sender of tasks."""
        port = find_free_port(BROKER_PORT)
        with broker(self._stage.folder / "broker", port) as server:
            server.start()
            settings = {"CELERY_BROKER_URL": f"redis://{HOST}:{port}/0"}
            worker: Program = self._stage.start_celery(database, self._openedx.url, **settings)
            try:
                yield settings
            finally:
                self._stage.end(worker)


def _measure_limit(openedx: OpenEdx, scene: Scene) -> float:
    """Return how many learners a second it serves to callers that do nothing else."""
    command = [sys.executable, "-m", "tools.benchmarks.limit", openedx.url, TOKEN, COURSE_ID]
    callers = [
        subprocess.Popen(
            [*command, str(LIMIT_SECONDS)], stdout=subprocess.PIPE, env=dict(os.environ)
        )
        for _ in range(LIMIT_PROCESSES)
    ]
    pages = sum(int(caller.communicate()[0]) for caller in callers)
    return pages * min(scene.learners, scene.page_size) / LIMIT_SECONDS
