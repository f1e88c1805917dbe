"""How large a model is: each scope has more of one thing that can happen, and less of the others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

INVARIANTS: Final = ("OneCertificate", "NothingForgotten", "PaidIsHeld")
STEPS: Final = ("Earned", "RevokedStays", "TwoZeros", "Newest", "Patient", "ThreeDays", "Alone")
SETTLED: Final = "Settled"
COMES: Final = "Comes"


@dataclass(frozen=True, slots=True)
class Scope:
    """One model: what it has, how often each thing happens, and what is asked of it in the end."""

    name: str
    #: How often, by the specification's names.
    passes: int = 1
    acts: int = 0
    mishaps: int = 0
    webs: int = 1
    workers: int = 1
    sweeps: int = 0
    tries: int = 2
    patience: int = 1
    #: Ticks.
    skew: int = 0
    zero: int = 1
    give_up: int = 1
    #: What Open edX may be besides well, and what a pass may become.
    moods: tuple[str, ...] = ("down",)
    falls: tuple[str, ...] = ()
    liveness: tuple[str, ...] = (SETTLED,)

    @property
    def constants(self) -> Mapping[str, str]:
        """The values of the specification's constants, as TLA+ writes them."""
        return {
            "Webs": _names(f"web{n}" for n in range(1, self.webs + 1)),
            "Workers": _names(f"worker{n}" for n in range(1, self.workers + 1)),
            "Sweeps": _names(f"sweep{n}" for n in range(1, self.sweeps + 1)),
            "Passes": str(self.passes),
            "Acts": str(self.acts),
            "Mishaps": str(self.mishaps),
            "Skew": str(self.skew),
            "Moods": _names(self.moods),
            "Falls": _names(self.falls),
            "Tries": str(self.tries),
            "Patience": str(self.patience),
            "Zero": str(self.zero),
            "GiveUp": str(self.give_up),
        }


def _names(words: Iterable[str]) -> str:
    return "{" + ", ".join(f'"{word}"' for word in words) + "}"


#: `make test` checks these, and walks each of their edges by the real code.
SMALL: Final = (
    Scope("an event twice at once", webs=2, liveness=()),
    Scope("two workers", workers=2, tries=1, liveness=()),
    Scope("a mishap anywhere", mishaps=1, give_up=2),
    Scope("another clock", mishaps=1, skew=2, patience=2, give_up=3, moods=(), tries=1),
    Scope(
        "zeros by another clock",
        webs=0,
        sweeps=1,
        mishaps=1,
        skew=1,
        zero=2,
        falls=("zero",),
        moods=(),
    ),
    Scope("people", acts=2, tries=1),
    Scope("sweeps", sweeps=1, falls=("failed",), tries=1, liveness=(SETTLED, COMES)),
    Scope("zeros and people", webs=0, sweeps=1, acts=3, falls=("zero",), liveness=()),
    Scope("lies", sweeps=1, mishaps=1, moods=("lies",), tries=1, liveness=()),
)
#: `make proof` checks these.
LARGE: Final = (
    Scope("an event twice at once, and people", webs=2, acts=1, liveness=()),
    Scope("an event twice at once, and a mishap", webs=2, mishaps=1, liveness=()),
    Scope("people and a mishap", acts=1, mishaps=1),
    Scope("two mishaps, and another clock", mishaps=2, skew=1, patience=3),
    Scope("sweeps, people and zeros", sweeps=1, acts=1, falls=("failed", "zero"), liveness=()),
    Scope("sweeps, lies and outages", sweeps=1, mishaps=1, moods=("lies", "down"), liveness=()),
    Scope("two passes", passes=2, falls=("failed", "zero"), liveness=()),
)
