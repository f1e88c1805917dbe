"""`make bench`: how fast sweeps and the webhook are, and whether that is what was promised.

Ends with status 1 if a promise was not kept. It needs Linux, and the machine for itself.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.benchmarks.floor import Floor
from tools.benchmarks.promises import (
    Promise,
    judge_floor,
    judge_rows,
    judge_runs,
    judge_sweeps,
    judge_webhook,
)
from tools.benchmarks.report import (
    describe_floor,
    describe_promises,
    describe_surroundings,
    describe_sweeps,
    describe_webhook,
    write_between_marks,
)
from tools.benchmarks.results import Check, Scene
from tools.benchmarks.stage import Stage, running_stage, say
from tools.benchmarks.sweeps import Sweeps
from tools.benchmarks.webhook import FEW, Webhooks
from tools.demo.children import Ended
from tools.demo.failure import DemoFailed

SIZES: Final = (500, 4_000, 20_000, 100_000)
USUAL: Final = 4_000
RUNS: Final = Scene(learners=40, runs=200)
MANY_USERS: Final = 1_000_000
PARTS: Final = ("sweep", "runs", "webhook")


class Bench:
    """Measures the chosen parts, and words what came of them."""

    def __init__(self, stage: Stage, chosen: argparse.Namespace) -> None:
        self._stage = stage
        self._chosen = chosen
        self._checks: list[Check] = []
        self.promises: list[Promise] = []

    def measure(self) -> Iterator[str]:
        """Measure, and yield the lines of the document."""
        only = self._chosen.only
        postgres = str(self._stage.ask("postgres", "SHOW server_version"))
        command = shlex.join(["python", "-m", "tools.benchmarks", *self._chosen.given])
        yield from describe_surroundings(command, postgres)
        tables: list[str] = []
        if only != "webhook":
            tables += ["", "### Sweeps", "", *self._measure_sweeps()]
        if only in (None, "webhook"):
            tables += ["", "### The webhook", "", *self._measure_webhook()]
        self.promises.append(judge_rows(self._checks))
        yield from ("", "### The promises", "", *describe_promises(self.promises))
        yield from tables

    def _measure_sweeps(self) -> Iterator[str]:
        sweeps = Sweeps(self._stage, self._chosen.repeats)
        if self._chosen.only != "runs":
            scenes = [Scene(learners) for learners in self._chosen.learners]
            # A short run of the benchmark makes do with what it has.
            usual = next((scene for scene in scenes if scene.learners == USUAL), scenes[-1])
            for scene in scenes:
                sweeps.measure(scene, is_delayed=scene == usual)
            self.promises += judge_sweeps(sweeps.results, scenes, usual)
        if self._chosen.only != "sweep":
            runs = Scene(RUNS.learners, self._chosen.runs)
            sweeps.measure(runs, is_delayed=True, has_workers=True)
            self.promises += judge_runs(sweeps.results, runs)
        self._checks += sweeps.results.checks
        yield from describe_sweeps(sweeps.results)

    def _measure_webhook(self) -> Iterator[str]:
        webhooks = Webhooks(self._stage, self._chosen.repeats, self._chosen.users)
        webhooks.measure()
        floor = Floor(self._stage, self._chosen.repeats, *webhooks.few())
        floor.measure()
        self.promises += [*judge_webhook(webhooks.results), *judge_floor(floor.results)]
        self._checks += webhooks.results.checks
        yield from describe_webhook(webhooks.results)
        yield from ("", "### The webhook beside its floor", "", *describe_floor(floor.results))


def main(arguments: list[str]) -> int:
    """Measure, print the document, and return the exit status."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.repeats < 1 or chosen.users < FEW or chosen.runs < 1 or min(chosen.learners) < 1:
        parser.error(f"At least 1 repeat, run and learner, and {FEW} users.")
    given = iter(arguments)
    # The file that it is written to changes nothing of what is measured.
    chosen.given = [word for word in given if word != "--write" or not next(given, "")]
    try:
        with running_stage() as stage:
            bench = Bench(stage, chosen)
            text = "\n".join(bench.measure())
    except DemoFailed as error:
        say(f"The benchmark failed. {error}")
        return 1
    except Ended as ended:
        say("Interrupted; everything that was started has been ended.")
        return 128 + ended.number
    say(text)
    if chosen.write:
        write_between_marks(chosen.write, text)
    return 0 if all(promise.is_kept for promise in bench.promises) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=PARTS, help="this part; default: all")
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="medians of so many; default: 5"
    )
    parser.add_argument(
        "--learners",
        type=_sizes,
        default=SIZES,
        metavar="N,N",
        help=f"sizes of the swept run; default: {','.join(map(str, SIZES))}",
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=RUNS.runs,
        metavar="N",
        help=f"runs of {RUNS.learners} learners; default: %(default)s",
    )
    parser.add_argument(
        "--users",
        type=int,
        default=MANY_USERS,
        metavar="N",
        help=f"of the webhook's larger database, next to {FEW}; default: %(default)s",
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put the result between the marks of this file"
    )
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted(int(size) for size in text.split(",")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
