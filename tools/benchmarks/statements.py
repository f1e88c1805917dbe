"""How many statements PostgreSQL was sent, by its own log: nothing a client does can hide there."""

import re
from pathlib import Path
from typing import Final

# What a measurement sends before and after its work.
BEGINS: Final = "the measurement begins"
ENDS: Final = "the measurement ends"
# A prepared statement is executed by a name.
_STATEMENT: Final = re.compile(r" LOG:  (?:statement|execute [^:]*): (.*)")


def count_statements(log: Path) -> int:
    """Return how many there are between the last two marks, BEGIN and COMMIT included."""
    count = counted = 0
    with log.open(errors="replace") as lines:
        for statement in filter(None, map(_STATEMENT.search, lines)):
            if BEGINS in statement[1]:
                count = 0
            elif ENDS in statement[1]:
                counted = count
            else:
                count += 1
    return counted
