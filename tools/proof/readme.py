"""The tables of docs/proof/README.md, which the tests hold."""

import re
from typing import Final

from tools.proof.tlc import SPECIFICATION

README: Final = SPECIFICATION.with_name("README.md")
_ROW: Final = re.compile(r"^\| (.+?) \|$", re.MULTILINE)


def read_models() -> dict[str, tuple[int, int]]:
    """Return the states and the depth of each scope, by its name."""
    return {name: (int(states), int(depth)) for name, states, depth, *_ in _rows("Scope")}


def read_walks() -> dict[str, tuple[int, ...]]:
    """Return of each scope the edges, those that are ours, the steps among them, and the refusals."""
    return {name: tuple(map(int, numbers)) for name, *numbers in _rows("Walked")}


def read_variants() -> dict[str, str]:
    """Return the property that each broken variant is caught by."""
    return {fault: caught_by.strip("`") for fault, caught_by, *_ in _rows("Fault")}


def _rows(heading: str) -> list[list[str]]:
    """Return the cells of the table that begins with the heading, without separators of thousands."""
    table = README.read_text().partition(f"| {heading} |")[2].partition("\n\n")[0]
    rows = _ROW.findall("| " + table)[2:] if table else []
    return [
        [cell.strip() for cell in re.sub(r"(?<=\d),(?=\d)", "", row).split("|")] for row in rows
    ]
