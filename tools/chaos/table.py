"""The table at the end."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tools.chaos.plan import BEAT, WATCH, WEBS, WORKER, Plan
from tools.chaos.senders import Sent
from tools.chaos.storm import Told
from tools.chaos.verdict import CHECKS, CaseFacts, Verdict
from tools.demo.terminal import heading, say

OFFENDERS_SHOWN = 20
_WIDTH = 34


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the table is made of."""

    plan: Plan
    sent: Sent
    told: Told
    kills: Counter[str]
    unexpected_ends: dict[str, int]
    spoiled: Counter[str]
    questions: int
    facts: list[CaseFacts]
    verdict: Verdict
    seconds: float


def print_table(outcome: Outcome) -> None:
    """Print what happened, and then the verdict."""
    heading("What happened")
    for name, value in _rows(outcome):
        say(f"{name:<{_WIDTH}} {value}")
    heading("Verdict")
    for name, promise in CHECKS.items():
        offenders = outcome.verdict.offenders[name]
        say(f"{len(offenders):>4}  {name:<26} {promise}", "bad" if offenders else "good")
        for offender in offenders[:OFFENDERS_SHOWN]:
            say(f"        {offender}", "bad")
        if len(offenders) > OFFENDERS_SHOWN:
            say(f"        and {len(offenders) - OFFENDERS_SHOWN} more", "bad")


def _rows(outcome: Outcome) -> Iterator[tuple[str, object]]:
    options, sent, told, kills = outcome.plan.options, outcome.sent, outcome.told, outcome.kills
    accepted = [case for case in outcome.facts if case.is_accepted]
    settled = [one for case in outcome.facts for one in case.requests if one.status != "open"]
    yield "seed", options.seed
    yield "learners, in course runs", f"{options.learners}, {len(outcome.facts)} cases"
    yield "events sent", sent.events
    yield "  tries answered 200, 202", f"{sent.count(200)}, {sent.count(202)}"
    yield "  tries without a reply", _in_words(Counter(_errors(sent)))
    yield "  other replies", _in_words(Counter(_other_statuses(sent)))
    yield "  events never accepted", sent.never_accepted
    yield "kills of web servers", sum(kills[name] for name in WEBS)
    yield "kills of workers, of beat", f"{kills[WORKER] + kills[WATCH]}, {kills[BEAT]}"
    yield "  ended by themselves", _in_words(outcome.unexpected_ends)
    yield "outages of PostgreSQL", len(told.postgres_outages)
    yield "outages of the broker", told.broker_outages or "the whole time"
    yield "faults of Open edX", f"{told.fault_phases} times, {outcome.spoiled.total()} answers"
    yield "  answers spoiled by", _in_words(outcome.spoiled)
    yield "questions to Open edX", outcome.questions
    yield "administrator's commands", f"{told.commands.total()}, {told.commands[0]} of status 0"
    yield "requests settled as", _in_words(Counter(one.status for one in settled))
    yield "  with reason", _in_words(Counter(one.reason for one in settled if one.reason))
    yield "  by an administrator's --all", told.left_to_an_administrator
    yield "cases accepted, settled", f"{len(accepted)}, {sum(map(_is_settled, accepted))}"
    yield "certificates, revoked", _certificates(outcome.facts)
    yield "seconds in all, to settle", f"{outcome.seconds:.0f}, {told.settle_seconds:.0f}"


def _other_statuses(sent: Sent) -> Iterable[int]:
    return (one.status for one in sent.tries if one.status not in (None, 200, 202))


def _errors(sent: Sent) -> Iterable[str]:
    return (one.body for one in sent.tries if one.status is None)


def _is_settled(case: CaseFacts) -> bool:
    is_open = any(one.status == "open" for one in case.requests)
    return not is_open and bool(case.requests or case.certificate)


def _certificates(facts: list[CaseFacts]) -> str:
    issued = [case.certificate for case in facts if case.certificate is not None]
    return f"{len(issued)}, {sum(one.is_revoked for one in issued)}"


def _in_words(counts: dict[str, int] | Counter[int] | Counter[str]) -> str:
    pairs = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {count}" for name, count in pairs) or "none"
