"""The specification broken in one way each: what cannot fail proves nothing."""

from dataclasses import dataclass, replace
from typing import Final

from tools.proof.scopes import INVARIANTS, SETTLED, SMALL, STEPS, Scope
from tools.proof.tlc import TEMPORAL, check

_TWICE, _WORKERS, _MISHAP, _CLOCK, _, _PEOPLE, _SWEEPS, _ZEROS, _ = SMALL
_SWEEPS_AND_AN_EVENT_AGAIN: Final = replace(_SWEEPS, tries=2)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to be wrong."""

    #: As a sentence.
    fault: str
    #: The property that must not hold any more.
    caught_by: str
    #: Where it is looked for.
    scope: Scope
    #: Texts of the specification, each of which stands there once, and what comes in its place. None
    #: if the fault is an assumption that does not hold.
    changes: tuple[tuple[str, str], ...]

    def apply(self, specification: str) -> str:
        """Return the specification with the fault. Raises ValueError if a text is not there once."""
        for old, new in self.changes:
            if specification.count(old) != 1:
                raise ValueError(f"{self.fault}: {specification.count(old)} times {old!r}")
            specification = specification.replace(old, new)
        return specification

    def check(self, specification: str) -> bool:
        """Return whether the fault is caught by the property that is to catch it.

        Raises SpecificationError if TLC can't check it.
        """
        is_temporal = self.caught_by == SETTLED
        properties = [SETTLED] if is_temporal else [*INVARIANTS, *STEPS]
        found = check(self.scope, properties, specification=self.apply(specification))
        return found.broken == (TEMPORAL if is_temporal else self.caught_by)


VARIANTS: Final = (
    Variant(
        "The reply leaves before the commit.",
        "NothingForgotten",
        _TWICE,
        (
            (
                'Goes(w, IF certs > 0 THEN "replying" ELSE "seen")\n'
                "          /\\ UNCHANGED <<edx, sender, db, row, stored, left, owed, passed>>",
                'Goes(w, IF certs > 0 THEN "replying" ELSE "seen")\n'
                "          /\\ sender' = [left |-> 0, on |-> \"none\"] /\\ owed' = (owed \\/ certs = 0)\n"
                "          /\\ UNCHANGED <<edx, db, row, stored, left, passed>>",
            ),
        ),
    ),
    Variant(
        "A lease never ends.",
        SETTLED,
        _MISHAP,
        (
            (
                'AtWork == row.lease # "none" /\\ IsToCome(row.left, 2 * Lease)',
                'AtWork == row.lease # "none"',
            ),
        ),
    ),
    Variant(
        "A request is claimed in two statements: one looks whether it is free, one takes it.",
        "Alone",
        _TWICE,
        (
            (
                "Claim(k) == /\\ db /\\ at[k] = Idle /\\ IsOpen /\\ ~AtWork /\\ IsDue\n",
                'Look(k) == /\\ db /\\ at[k] = Idle /\\ IsOpen /\\ ~AtWork /\\ IsDue /\\ Goes(k, "looked")\n'
                "           /\\ UNCHANGED <<edx, sender, db, row, stored, left, owed, passed>>\n"
                'Claim(k) == /\\ db /\\ at[k].pc = "looked"\n',
            ),
            ("Work(p) == Claim(p)", "Work(p) == Look(p) \\/ Claim(p)"),
        ),
    ),
    Variant(
        "An event takes a lease from the process that works on the request.",
        "Alone",
        _TWICE,
        (
            ("isMine == asks /\\ ~(IsOpen /\\ AtWork)", "isMine == asks"),
            (
                "row' = IF IsOpen /\\ AtWork THEN held\n",
                "row' = IF IsOpen /\\ AtWork /\\ ~asks THEN held\n",
            ),
        ),
    ),
    Variant(
        "Two workers run, and a question takes longer than a lease.",
        SETTLED,
        _WORKERS,
        (),
    ),
    Variant(
        "A worker that has lost its lease postpones the request all the same.",
        "Alone",
        _MISHAP,
        (
            (
                "            /\\ LET isMine == IsOpen /\\ row.lease = p\n                   ends",
                "            /\\ LET isMine == IsOpen\n                   ends",
            ),
        ),
    ),
    Variant(
        "A request is settled without a look whether an event has joined it.",
        "NothingForgotten",
        _TWICE,
        (("isSame == row.n = at[p].n", "isSame == TRUE"),),
    ),
    Variant(
        "An event that joins a request is not counted.",
        "NothingForgotten",
        _TWICE,
        (
            (
                "Joined(r) == [r EXCEPT !.n = @ + 1, ",
                "Joined(r) == [r EXCEPT !.n = IF @ = 0 THEN 1 ELSE @, ",
            ),
        ),
    ),
    Variant(
        "The event is believed, and Open edX is not asked.",
        "Earned",
        _TWICE,
        (('CASE edx.mood = "well" -> {edx.grade}', 'CASE edx.mood = "well" -> {"passed"}'),),
    ),
    Variant(
        "Open edX's first “not passed” is the last word.",
        "Patient",
        _TWICE,
        (('waits == at[p].told = "notpassed" /\\ row.patience < Patience', "waits == FALSE"),),
    ),
    Variant(
        "A request is given up at its first failure.",
        "ThreeDays",
        _MISHAP,
        (("!.old = row.failing >= GiveUp", "!.old = TRUE"),),
    ),
    Variant(
        "A certificate is created without a look for another.",
        "OneCertificate",
        _SWEEPS,
        (
            (
                "[] certs > 0 -> As(told, certs, IF",
                '[] certs > 0 /\\ told # "passed" -> As(told, certs, IF',
            ),
        ),
    ),
    Variant(
        "A certificate is created without a look for a payment.",
        "Earned",
        _PEOPLE,
        (('[] told = "passed" /\\ paid ->', '[] told = "passed" ->'),),
    ),
    Variant(
        "A sweep deletes a certificate on one 0.0.",
        "TwoZeros",
        _ZEROS,
        (
            (
                'note < 0 -> As(grade, certs, 0, "certified")',
                'note < 0 -> As(told, 0, None, "notpassed")',
            ),
        ),
    ),
    Variant(
        "A 0.0 deletes a revoked certificate too.",
        "RevokedStays",
        _ZEROS,
        (("[] certs > 0 /\\ isZero /\\ ~revoked ->", "[] certs > 0 /\\ isZero ->"),),
    ),
    Variant(
        "An answer overwrites a grade that was stored since the question.",
        "Newest",
        _SWEEPS,
        (
            (
                "Judged(IF at[p].late THEN grade ELSE at[p].told, at[p].late)",
                "Judged(at[p].told, FALSE)",
            ),
        ),
    ),
    Variant(
        "A payment opens no request.",
        "PaidIsHeld",
        _PEOPLE,
        (('       /\\ IF grade = "passed" /\\ certs = 0\n', "       /\\ IF FALSE\n"),),
    ),
    Variant(
        "“No paid enrollment” is answered again though a payment would open no request.",
        "NothingForgotten",
        _SWEEPS_AND_AN_EVENT_AGAIN,
        (
            (
                'IsToCome(row.left, Window) /\\ ~paid /\\ grade = "passed"',
                "IsToCome(row.left, Window) /\\ ~paid",
            ),
        ),
    ),
)
