"""The specification holds in small models, and the code does what it does: each step, by the real functions.

What one process does depends on the rows, on what it remembers itself, and, when it asks, on Open edX;
never on what another process remembers. So edges that differ in nothing else are one step, taken once.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_django import Settings

from openedx_certificates.testing.scenes import travel
from site_tests.proof.rows import Rows
from site_tests.proof.steps import IDLE, Steps
from site_tests.stateful_test import START
from tools.proof.graph import Edge, Graph, State, read_graph
from tools.proof.readme import read_models, read_walks
from tools.proof.scopes import INVARIANTS, SMALL, STEPS, Scope
from tools.proof.tlc import check
from tools.simulator import SimulatedOpenEdx

#: What is not ours: Open edX and the sender, time, mishaps, and a reply whose words were settled before.
OTHERS: Final = frozenset(
    {"Pass", "RollBack", "Fall", "Fails", "Recover", "Knock", "TimeOut", "Reply", "Tick"}
    | {"Kill", "Break", "Down", "Up"}
)
#: What the code must refuse, and change nothing, where the specification has no such step; by the kind
#: of the process.
REFUSABLE: Final = {
    **dict.fromkeys(("Claim", "SettleCertified"), "worker"),
    **dict.fromkeys(("Replay", "Revoke", "GiveBack", "SettleAsFailed"), ""),
}
ROWS: Final = ("row", "grade", "paid", "certs", "revoked", "note")


@dataclass(slots=True)
class Step:
    """Edges that are the same to us."""

    action: str
    kind: str
    before: State
    afters: list[State] = field(default_factory=list)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scope", SMALL, ids=lambda scope: scope.name)
def test_a_small_model_keeps_every_promise_and_the_code_takes_its_steps(
    scope: Scope,
    tmp_path: Path,
    settings: Settings,
    openedx: SimulatedOpenEdx,
    caplog: pytest.LogCaptureFixture,
):
    # Thousands of lines would bury the step that differs.
    caplog.set_level(logging.CRITICAL, "openedx_certificates")
    settings.OPENEDX_CERTIFICATES_NOT_PASSED_DELAYS = (10.0, 60.0, 600.0)[: scope.patience]
    path = tmp_path / "graph.dot"

    # Apart, since TLC takes twice as long to do both at once.
    found = check(scope, [*INVARIANTS, *STEPS], graph=path)
    in_the_end = check(scope, scope.liveness) if scope.liveness else found

    assert (found.broken, in_the_end.broken) == (None, None)
    assert (found.states, found.depth) == read_models()[scope.name]
    graph = read_graph(path)
    ours = [edge for edge in graph.edges if edge.action not in OTHERS]
    steps, refusals = _join(ours), list(_refusals(graph))
    with travel(START):
        rows = Rows(scope)
        taking = Steps(rows, openedx)
        for step in [*steps, *refusals]:
            taken = []
            for act in taking.ways(step.action, step.before, step.kind):
                rows.put(step.before)
                me = act()
                taken.append(rows.read() | {"me": me})
                assert rows.count_records() == _records(step.before, taken[-1])
            assert _sorted(taken) == _sorted(step.afters), f"{step.action} of {step.before}"

    walked = (len(graph.edges), len(ours), len(steps), len(refusals))
    assert walked == read_walks()[scope.name]


def _join(edges: Iterable[Edge]) -> list[Step]:
    """Return each step that is another to us once, with all that can come of it."""
    found: dict[str, Step] = {}
    afters: defaultdict[str, set[str]] = defaultdict(set)
    for edge in edges:
        actor = _actor(edge)
        kind = actor.rstrip("0123456789")
        before = _seen_by(actor, edge.before)
        if edge.action == "Ask":
            before |= {"edx": {name: edge.before["edx"][name] for name in ("grade", "mood")}}
            before |= NOTHING
        after = _seen_by(actor, edge.after) | (NOTHING if edge.action == "Ask" else {})
        key = json.dumps([edge.action, kind, before])
        found.setdefault(key, Step(edge.action, kind, before))
        afters[key].add(json.dumps(after))
    for key, step in found.items():
        step.afters = [json.loads(after) for after in afters[key]]
    return list(found.values())


def _refusals(graph: Graph) -> Iterator[Step]:
    """Yield the steps that the specification does not have, with nothing changed."""
    able: defaultdict[str, set[str]] = defaultdict(set)
    for edge in graph.edges:
        if edge.action in REFUSABLE:
            able[edge.action].add(json.dumps(_seen_by(_actor(edge), edge.before)))
    for action, kind in REFUSABLE.items():
        seen = set()
        for state in graph.states.values():
            before = _seen_by(f"{kind}1" if kind else "", state)
            key = json.dumps(before)
            can_try = state["db"] and (not kind or before["me"] == IDLE)
            # A person who has acted as often as the scope allows is not refused by us.
            is_over = not kind and not state["left"]["acts"]
            if can_try and not is_over and key not in able[action] and key not in seen:
                seen.add(key)
                yield Step(action, kind, before, [before])


def _actor(edge: Edge) -> str:
    """Return the process that takes the step, by its name; empty if it is a person."""
    for process, at in edge.before["at"].items():
        after = edge.after["at"][process]
        # What else a process remembers may change by another's step.
        if (at["pc"], at["told"]) != (after["pc"], after["told"]):
            return str(process)
    return "worker1" if edge.action == "SettleCertified" else ""


def _seen_by(actor: str, state: State) -> State:
    """Return the rows, and what the process remembers; other processes are as one."""
    lease = {"none": "none", actor: "me"}.get(state["row"]["lease"], "other")
    me = state["at"].get(actor)
    return {
        **{name: state[name] for name in ROWS},
        "row": state["row"] | {"lease": lease},
        "me": me and {name: value for name, value in me.items() if name != "fresh"},
    }


def _records(before: State, after: State) -> tuple[int, int]:
    """Return how many deletions of certificates, and changes of grades, are to be recorded."""
    is_changed = before["grade"] not in ("none", after["grade"])
    return before["certs"] - min(before["certs"], after["certs"]), int(is_changed)


#: The rows do not matter to a question, nor does it change them.
NOTHING: Final[dict[str, Any]] = {
    "row": {
        "status": "none",
        "lease": "none",
        "left": 0,
        "n": 0,
        "patience": 0,
        "due": 0,
        "failing": -9,
    },
    "grade": "none",
    "paid": False,
    "certs": 0,
    "revoked": False,
    "note": -9,
}


def _sorted(states: Iterable[State]) -> list[str]:
    return sorted({json.dumps(state, sort_keys=True) for state in states})
