"""The states of a model and the steps between them, read from what TLC writes for dot."""

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

State = dict[str, Any]
_STATE: Final = re.compile(r'(-?\d+) \[label="((?:[^"\\]|\\.)*)"')
_STEP: Final = re.compile(r'(-?\d+) -> (-?\d+) \[label="(\w+)"')
_ESCAPED: Final = re.compile(r"\\(.)")
# TLA+ writes a record as [name |-> value, ...], and has neither lists nor sets in our states.
_AS_JSON: Final = (
    (re.compile(r"(\w+) \|->"), r'"\1":'),
    (re.compile(r"\["), "{"),
    (re.compile(r"\]"), "}"),
    (re.compile(r"\bTRUE\b"), "true"),
    (re.compile(r"\bFALSE\b"), "false"),
)


@dataclass(frozen=True, slots=True)
class Edge:
    """One step: the action by its name in the specification, and the states before and after it."""

    action: str
    before: State
    after: State


@dataclass(slots=True)
class Graph:
    """All states of a model that can be reached, and all steps."""

    states: dict[str, State] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)


def read_graph(path: Path) -> Graph:
    """Return what TLC has written to the path."""
    graph, steps = Graph(), []
    with path.open() as lines:
        for line in lines:
            if step := _STEP.match(line):
                steps.append(step.groups())
            elif state := _STATE.match(line):
                graph.states[state[1]] = _read(state[2])
    for before, after, action in steps:
        graph.edges.append(Edge(action, graph.states[before], graph.states[after]))
    return graph


def _read(label: str) -> State:
    text = _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], label)
    variables = (part.split(" = ", 1) for part in text.removeprefix("/\\ ").split("\n/\\ "))
    return {name: _value(value) for name, value in variables}


@lru_cache(maxsize=100_000)
def _value(text: str) -> Any:
    for pattern, replacement in _AS_JSON:
        text = pattern.sub(replacement, text)
    return json.loads(text)
