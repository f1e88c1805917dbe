"""Check the specification in models that take minutes, and that each broken variant is caught."""

import os
import sys
import time

from tqdm import tqdm

from tools.proof.scopes import INVARIANTS, LARGE, SMALL, STEPS, Scope
from tools.proof.tlc import SPECIFICATION, Check, check
from tools.proof.variants import VARIANTS


def main() -> int:
    """Print a table of the models and one of the variants; return 1 if one is not as it must be."""
    is_good = True
    tqdm.write(f"{'model':45}{'states':>12}{'depth':>7}{'seconds':>9}  broken")
    for scope in (*SMALL, *LARGE):
        started_at = time.monotonic()
        found = _check(scope)
        seconds = time.monotonic() - started_at
        tqdm.write(
            f"{scope.name:45}{found.states:12,}{found.depth:7}{seconds:9.0f}  {found.broken or '-'}"
        )
        is_good &= found.broken is None
    tqdm.write(f"\n{'broken variant':90}  caught by")
    for variant in VARIANTS:
        caught = variant.check(SPECIFICATION.read_text())
        tqdm.write(f"{variant.fault:90}  {variant.caught_by if caught else 'NOT CAUGHT'}")
        is_good &= caught
    return 0 if is_good else 1


def _check(scope: Scope) -> Check:
    with tqdm(desc=scope.name, unit=" states", unit_scale=True, leave=False) as progress:

        def report(states: int) -> None:
            progress.update(states - progress.n)

        return check(
            scope,
            [*INVARIANTS, *STEPS, *scope.liveness],
            workers=os.cpu_count() or 1,
            report=report,
        )


if __name__ == "__main__":
    sys.exit(main())
