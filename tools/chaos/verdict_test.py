"""The verdict must be able to find each broken promise."""

import pytest

from tools.chaos.cast import Story
from tools.chaos.verdict import (
    CHECKS,
    CaseFacts,
    CertificateFacts,
    Interval,
    Reply,
    RequestFacts,
    judge,
)

CERTIFIED = {"certificate": CertificateFacts(), "uuids": {"a"}}
REVOKED = {
    "certificate": CertificateFacts(is_revoked=True),
    "uuids": {"a"},
    "was_revoked": True,
}
CREATED = [RequestFacts("created")]
NOT_PASSED = [RequestFacts("not_eligible", "grade_not_passed")]
NOT_PAID = [RequestFacts("not_eligible", "no_paid_enrollment")]


def case(story=Story.EARNED, *, is_accepted=True, requests=(), **fields):
    return CaseFacts(12, 3, story, is_accepted, requests=list(requests), **fields)


def find_broken(*facts, replies=(), outages=()):
    verdict = judge(facts, replies, outages)
    return [name for name, offenders in verdict.offenders.items() if offenders]


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(case(requests=CREATED, **CERTIFIED), id="earned"),
        pytest.param(case(**CERTIFIED), id="found-without-a-request"),
        pytest.param(case(is_accepted=False), id="never-accepted"),
        pytest.param(case(Story.CERTIFIED, **CERTIFIED), id="certified-before"),
        pytest.param(case(Story.REVOKED, **REVOKED), id="revoked-before"),
        pytest.param(
            case(Story.REVOKED_MEANWHILE, requests=CREATED, **REVOKED), id="revoked-meanwhile"
        ),
        pytest.param(case(Story.FAILED, requests=NOT_PASSED * 2), id="not-passed-twice"),
        pytest.param(case(Story.AUDIT, requests=NOT_PAID), id="not-paid"),
        pytest.param(case(Story.UNTOLD, is_accepted=False), id="untold"),
    ],
)
def test_a_promise_that_was_kept_is_no_offence(kept):
    verdict = judge([kept], [], [])

    assert verdict.is_good
    assert find_broken(kept) == []


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        pytest.param(case(is_held=True, **CERTIFIED), ["not settled"], id="its-request-is-gone"),
        pytest.param(case(), ["not settled", "lost"], id="forgotten"),
        pytest.param(
            case(requests=[RequestFacts("open")], **CERTIFIED), ["not settled"], id="open"
        ),
        pytest.param(
            case(is_accepted=False, requests=[RequestFacts("open")]),
            ["not settled"],
            id="open-though-the-reply-was-lost",
        ),
        pytest.param(case(requests=CREATED), ["lost"], id="settled-without-its-certificate"),
        pytest.param(
            case(Story.CERTIFIED, is_accepted=False), ["lost"], id="an-old-certificate-is-gone"
        ),
        pytest.param(
            case(Story.LATE, requests=NOT_PASSED), ["settled wrongly", "lost"], id="asked-too-soon"
        ),
        pytest.param(
            case(requests=[*NOT_PASSED, *CREATED], **CERTIFIED),
            ["settled wrongly"],
            id="wrong-at-first",
        ),
        pytest.param(
            case(requests=[RequestFacts("failed", "", "timeout", 9)], **CERTIFIED),
            ["settled wrongly"],
            id="given-up",
        ),
        pytest.param(
            case(Story.AUDIT, requests=NOT_PASSED), ["settled wrongly"], id="the-wrong-reason"
        ),
        pytest.param(
            case(requests=CREATED, **CERTIFIED | {"uuids": {"a", "b"}}), ["doubled"], id="doubled"
        ),
        pytest.param(
            case(Story.AUDIT, requests=NOT_PAID, **CERTIFIED),
            ["issued to the ineligible"],
            id="issued-without-payment",
        ),
        pytest.param(
            case(Story.FAILED, requests=NOT_PASSED, uuids={"a"}),
            ["issued to the ineligible"],
            id="issued-and-taken-away-again",
        ),
        pytest.param(
            case(Story.UNTOLD, is_accepted=False, **CERTIFIED),
            ["issued to the ineligible"],
            id="issued-before-its-date",
        ),
        pytest.param(
            case(Story.REVOKED, **REVOKED | {"certificate": CertificateFacts()}),
            ["given back"],
            id="given-back",
        ),
        pytest.param(
            case(requests=CREATED, **REVOKED), ["revoked by nobody"], id="revoked-by-nobody"
        ),
    ],
)
def test_each_broken_promise_is_found_and_named(broken, names):
    verdict = judge([case(requests=CREATED, **CERTIFIED), broken], [], [])

    assert find_broken(broken) == names
    assert not verdict.is_good
    for name in names:
        (offender,) = verdict.offenders[name]
        assert offender.startswith("user 12, run 3 ")


def test_a_reply_of_5xx_is_excused_while_postgresql_was_away_and_at_no_other_time():
    outage = Interval(10.0, 12.0)
    replies = {
        "before": Reply(500, Interval(8.0, 9.9)),
        "into it": Reply(503, Interval(9.0, 10.5)),
        "out of it": Reply(503, Interval(11.0, 14.0)),
        "after": Reply(503, Interval(12.1, 13.0)),
        "refused": Reply(404, Interval(1.0, 2.0)),
    }

    broken = {
        name: find_broken(replies=[reply], outages=[outage]) for name, reply in replies.items()
    }

    assert broken == {
        "before": ["replies of 5xx"],
        "into it": [],
        "out of it": [],
        "after": ["replies of 5xx"],
        "refused": [],
    }


def test_every_check_is_made_also_where_nothing_is_wrong():
    assert judge([], [], []).offenders == {name: [] for name in CHECKS}
