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
    sweeps: int = 0
    tries: int = 2
    patience: int = 1
    #: Ticks.
    skew: int = 0
    zero: int = 1
    give_up: int = 2
    #: What Open edX may be besides well, and what a pass may become.
    moods: tuple[str, ...] = ("down",)
    falls: tuple[str, ...] = ()
    liveness: tuple[str, ...] = (SETTLED,)

    @property
    def constants(self) -> Mapping[str, str]:
        """The values of the specification's constants, as TLA+ writes them."""
        return {
            "Webs": _names(f"web{n}" for n in range(1, self.webs + 1)),
            "Workers": _names(["worker"]),
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


FALLS: Final = ("failed", "zero")
#: `make test` checks these, and walks each of their edges by the real code.
SMALL: Final = (
    Scope("two events at once", webs=2),
    Scope("a mishap anywhere", mishaps=1),
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
    Scope("sweeps", sweeps=1, falls=("failed",), liveness=(SETTLED, COMES)),
    Scope("lies and zeros", sweeps=1, acts=1, falls=("zero",), moods=(), tries=1, liveness=()),
)
#: `make proof` checks these.
LARGE: Final = (
    Scope("two events at once, people and a mishap", webs=2, acts=1, mishaps=1, liveness=()),
    Scope("people and a mishap", acts=1, mishaps=1, tries=3),
    Scope("two mishaps, and another clock", mishaps=2, skew=1, patience=3, tries=3),
    Scope("sweeps, people and zeros", sweeps=1, acts=2, falls=FALLS, liveness=()),
    Scope(
        "sweeps and lies",
        sweeps=1,
        mishaps=1,
        zero=2,
        falls=("zero",),
        moods=("lies", "down"),
        liveness=(),
    ),
    Scope("two passes", passes=2, falls=FALLS, mishaps=1, liveness=()),
)
