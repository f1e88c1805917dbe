"""What TLC writes for dot, read back."""

from pathlib import Path

from tools.proof.graph import Edge, read_graph

WRITTEN = r"""strict digraph DiskGraph {
nodesep=0.35;
-12 [label="/\\ at = [ web1 |-> [pc |-> \"idle\", n |-> 0],\n  worker |->\n [pc |-> \"told\", n |-> 1] ]\n/\\ db = TRUE",style = filled]
34 [label="/\\ at = [web1 |-> [pc |-> \"seen\", n |-> -9]]\n/\\ db = FALSE"];
-12 -> 34 [label="See",color="black",fontcolor="black"];
34 -> 34 [label="Tick",color="black",fontcolor="black"];
}
"""


def test_states_are_read_with_their_records_and_steps_with_their_action(tmp_path: Path):
    path = tmp_path / "graph.dot"
    path.write_text(WRITTEN)

    graph = read_graph(path)

    before = {
        "at": {"web1": {"pc": "idle", "n": 0}, "worker": {"pc": "told", "n": 1}},
        "db": True,
    }
    after = {"at": {"web1": {"pc": "seen", "n": -9}}, "db": False}
    assert list(graph.states.values()) == [before, after]
    assert graph.edges == [Edge("See", before, after), Edge("Tick", after, after)]
