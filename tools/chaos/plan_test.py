"""The plan: repeatable, with everybody in it."""

from collections import Counter
from dataclasses import replace

import pytest

from tools.chaos.cast import Story
from tools.chaos.plan import (
    Broker,
    Kill,
    Options,
    ReadOnly,
    RestartPostgres,
    Sending,
    Silence,
    make_plan,
)

OPTIONS = Options(seed=7, learners=500, kills=50, seconds=120.0)


def test_a_seed_gives_the_same_plan_each_time_and_another_seed_another():
    plan = make_plan(OPTIONS)

    assert make_plan(OPTIONS) == plan
    assert list(make_plan(OPTIONS).lines()) == list(plan.lines())
    assert make_plan(replace(OPTIONS, seed=8)).cases != plan.cases


@pytest.mark.parametrize("learners", [40, 100, 500])
def test_each_story_is_told_of_somebody_and_each_learner_once_in_a_run(learners):
    cases = make_plan(replace(OPTIONS, learners=learners)).cases

    assert {case.story for case in cases} == set(Story)
    assert len({case.learner for case in cases}) == learners
    assert max(Counter(case.key for case in cases).values()) == 1


def test_everybody_has_an_event_but_those_nobody_tells_about():
    plan = make_plan(OPTIONS)

    told = {sending.case.key for sending in plan.sendings}

    untold = {case.key for case in plan.cases if case.key not in told}
    assert untold == {case.key for case in plan.cases if case.story is Story.UNTOLD}
    assert not any(case.run.is_due for case in plan.cases if case.story is Story.UNTOLD)


def test_a_grade_that_comes_late_comes_with_the_first_event_and_in_time():
    late: list[Sending] = [one for one in make_plan(OPTIONS).sendings if one.passes_after]

    assert late
    assert {one.case.story for one in late} == {Story.LATE}
    # Open edX is asked again for 7 s after the first "not passed".
    assert max(one.passes_after for one in late) < 7


def test_all_kills_and_outages_are_in_it():
    acts = Counter(type(act) for _, act in make_plan(OPTIONS).acts)
    without_a_broker = Counter(
        type(act) for _, act in make_plan(replace(OPTIONS, is_broker_down=True)).acts
    )

    assert acts[Kill] == 58
    assert acts[RestartPostgres] == 1
    assert acts[ReadOnly] == 2
    assert acts[Silence] == 1
    assert acts[Broker] == 2
    assert without_a_broker[Broker] == 0


@pytest.mark.parametrize(("is_async", "share"), [(None, 0.5), (True, 1.0), (False, 0.0)])
def test_web_servers_start_half_and_half_or_as_they_are_told(is_async, share):
    plan = make_plan(replace(OPTIONS, is_async=is_async))

    for modes in plan.modes.values():
        assert sum(modes[:10]) / 10 == share
