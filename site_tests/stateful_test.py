"""Whatever happens in whatever order: each accepted event ends settled, as a simple model says.

On a failure hypothesis prints the sequence of steps that shows it. To look further than the build
does, at random, and to have the shortest sequence printed:
EXAMPLES=1000 pytest site_tests/stateful_test.py
"""

import logging
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from threading import Thread

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase
from hypothesis import settings as how_to_try
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pytest_django import Settings

from courses.api import (
    change_enrollment,
    generate_course_run_certificates,
    manage_course_run_certificate_access,
)
from openedx_certificates.api import process_requests, prune_requests, reopen, settle_as_failed
from openedx_certificates.models import CertificateRequest, OpenEdxPause
from openedx_certificates.testing.scenes import travel
from openedx_certificates.testing.stateful_model import (
    DELETIONS_MAX,
    OTHER_FAULTS,
    OUTAGES,
    PAUSE_AFTER,
    Model,
    Seat,
)
from openedx_certificates.testing.stateful_world import AVAILABLE_ON, LEARNERS, SEATS, START, World
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

DAY = timedelta(days=1)
STEPS = [timedelta(seconds=seconds) for seconds in (3, 15, 60, 600, 3600, 86_400)]
# The longest wait is a day: these are more than any request can need.
STEPS_AT_THE_END = [timedelta(minutes=10), DAY] + [timedelta(hours=1)] * 10

# Much happens to one of them, or nothing would come to its end.
seats = st.sampled_from([SEATS[0]] * 2 * len(SEATS) + SEATS)
grades = st.sampled_from(["passed", "passed", "failed", "zero"])
beginnings = st.tuples(grades, st.sampled_from([True, True, False]), st.booleans(), st.booleans())


class Machine(RuleBasedStateMachine):
    """What can happen, one rule for each; after each the rows are what the model says."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.model = Model(SEATS, AVAILABLE_ON)
        self.known_certificates: set[int] = set()
        world.clean()

    @initialize(first=st.lists(beginnings, min_size=len(SEATS), max_size=len(SEATS)))
    def learners_begin(self, first: list[tuple[str, bool, bool, bool]]):
        for seat, (grade, is_paid, has_event, is_revoked) in zip(SEATS, first, strict=True):
            self.grade_changes(seat, grade)
            self.enrollment_changes(seat, is_paid, is_active=True)
            if has_event:
                self.event_comes(seat, is_async=False, times=1)
            if seat in self.certified():
                self.administrator_changes(seat, revoke=is_revoked)

    @rule(seat=seats, is_async=st.booleans(), times=st.sampled_from([1, 1, 2]))
    def event_comes(self, seat: Seat, is_async: bool, times: int):
        for _ in range(times):
            now = timezone.now()

            reply = self.world.knock(seat, is_async=is_async)

            asked = self.world.take_questions(self.model)
            assert (reply, asked) == self.model.take_event(seat, now, is_async=is_async)

    @rule(
        learner=st.sampled_from([None, None, *LEARNERS]),
        fault=st.sampled_from(OUTAGES + OTHER_FAULTS),
    )
    def open_edx_fails(self, learner: str | None, fault: str):
        self.model.faults[learner] = fault
        self.world.set_faults(self.model.faults)

    @precondition(lambda self: self.model.faults)
    @rule()
    def open_edx_recovers(self):
        self.model.faults.clear()
        self.world.set_faults({})

    @rule(seat=seats, grade=grades)
    def grade_changes(self, seat: Seat, grade: str):
        self.world.grade(seat, grade)
        self.model.learners[seat].change(grade=grade)

    @rule(seat=seats, is_paid=st.booleans(), is_active=st.sampled_from([True, True, False]))
    def enrollment_changes(self, seat: Seat, is_paid: bool, is_active: bool):
        run, user = self.world.find(seat)
        mode = "verified" if is_paid else "audit"

        change_enrollment(
            user, run, acting_user=self.world.staff, enrollment_mode=mode, active=is_active
        )

        self.model.learners[seat].change(is_paid=is_paid, is_active=is_active)

    @precondition(lambda self: any(self.certified()))
    @rule(data=st.data(), revoke=st.booleans())
    def administrator_revokes_or_gives_back(self, data: st.DataObject, revoke: bool):
        self.administrator_changes(data.draw(st.sampled_from(self.certified())), revoke=revoke)

    @precondition(lambda self: any(each.requests for each in self.model.learners.values()))
    @rule(data=st.data())
    def administrator_replays(self, data: st.DataObject):
        held = [
            (seat, index)
            for seat in SEATS
            for index in range(len(self.model.learners[seat].requests))
        ]
        seat, index = data.draw(st.sampled_from(held))

        chosen = self.world.requests_of(seat)[index]
        replay = reopen(CertificateRequest.objects.filter(pk=chosen.pk))

        assert len(replay.started) == 1
        self.model.replay(seat, index, timezone.now())

    @precondition(lambda self: any(self.model.iter_open()))
    @rule(data=st.data())
    def administrator_settles_as_failed(self, data: st.DataObject):
        seat = data.draw(st.sampled_from([seat for seat, _ in self.model.iter_open()]))

        assert len(settle_as_failed(self.world.requests_of(seat))) == 1

        self.model.give_up(seat, timezone.now())

    @rule(step=st.sampled_from(STEPS))
    def time_passes(self, step: timedelta):
        self.world.clock.shift(step)

    @rule(
        step=st.sampled_from([timedelta(0), *STEPS]),
        times=st.sampled_from([1, 1, 4]),
        ignore_due=st.sampled_from([False, False, True]),
    )
    def worker_comes(self, step: timedelta, times: int, ignore_due: bool):
        for _ in range(times):
            self.world.clock.shift(step)

            process_requests(ignore_due=ignore_due)

            self.see_what_was_asked(ignore_due=ignore_due)

    @precondition(lambda self: any(self.answerable()))
    @rule(data=st.data())
    def event_joins_while_open_edx_is_asked(self, data: st.DataObject):
        seat = data.draw(st.sampled_from(self.answerable()))
        _, user = self.world.find(seat)
        now = timezone.now()
        self.world.set_faults(self.model.faults, Fault("hang", username=user.edx_username))
        worker = Thread(target=self.work_on, args=(seat,))
        worker.start()
        self.world.openedx.wait_for_requests(1)

        reply = self.world.knock(seat, is_async=True)

        # The question goes on, and is answered rightly.
        self.world.set_faults(self.model.faults)
        worker.join()
        assert (reply, []) == self.model.take_event(seat, now, is_async=True)
        assert self.world.take_questions(self.model) == [seat]
        self.model.take_question(seat, now, is_joined=True)

    @rule(step=st.sampled_from([timedelta(0), DAY]), times=st.integers(1, 2))
    def sweep_comes(self, step: timedelta, times: int):
        for _ in range(times):
            self.world.clock.shift(step)

            generate_course_run_certificates()

            assert self.world.take_questions(self.model) == []
            self.model.take_sweep(timezone.now())

    @rule(
        run=st.sampled_from(sorted(AVAILABLE_ON)),
        fault=st.sampled_from(OUTAGES),
        step=st.sampled_from(STEPS),
        times=st.integers(1, 4),
    )
    def exam_ends_in_an_outage(self, run: str, fault: str, step: timedelta, times: int):
        self.open_edx_fails(None, fault)
        for learner in LEARNERS:
            self.event_comes((learner, run), is_async=False, times=1)
        self.worker_comes(step, times=times, ignore_due=False)

    @precondition(lambda self: any(self.certified()))
    @rule(data=st.data(), revoke=st.booleans())
    def open_edx_reports_zero_twice(self, data: st.DataObject, revoke: bool):
        seat = data.draw(st.sampled_from(self.certified()))
        self.administrator_changes(seat, revoke=revoke)
        self.open_edx_recovers()
        self.grade_changes(seat, "zero")
        self.sweep_comes(timedelta(0), times=1)
        self.sweep_comes(timedelta(hours=21), times=1)

    @rule(days=st.sampled_from([0, 91]))
    def old_requests_are_pruned(self, days: int):
        self.world.clock.shift(timedelta(days=days))

        prune_requests()

        self.model.prune(timezone.now())

    @invariant()
    def rows_are_what_the_model_says(self):
        requests, certificates = self.world.find_requests(), self.world.find_certificates()
        for seat, learner in self.model.learners.items():
            assert [
                (each.status, "" if each.is_open else each.reason, each.deliveries)
                for each in requests[seat]
            ] == [(each.status, each.reason, each.deliveries) for each in learner.requests]
            assert sum(each.is_open for each in requests[seat]) <= 1
            assert ["revoked" if each.is_revoked else "valid" for each in certificates[seat]] == (
                [learner.certificate] if learner.certificate else []
            )
            for certificate in certificates[seat]:
                # Whatever the model's reasons were: a new one is of a learner that is eligible now.
                assert certificate.pk in self.known_certificates or learner.is_eligible
                self.known_certificates.add(certificate.pk)
        assert OpenEdxPause.objects.filter(since__isnull=False).exists() == self.model.is_paused

    def teardown(self):
        if sys.exc_info()[0] is not None:
            # A step failed: whatever would be found here would hide it.
            return
        if self.model.faults:
            self.open_edx_recovers()
        for step in STEPS_AT_THE_END:
            if not any(self.model.iter_open()):
                break
            self.worker_comes(step, times=1, ignore_due=False)
            self.rows_are_what_the_model_says()

        assert not CertificateRequest.objects.filter(status="open").exists()
        for learner in self.model.learners.values():
            assert learner.certificate or not learner.is_promised

    def administrator_changes(self, seat: Seat, *, revoke: bool) -> None:
        run, user = self.world.find(seat)

        manage_course_run_certificate_access(user, run.courseware_id, revoke)

        self.model.learners[seat].change(certificate="revoked" if revoke else "valid")

    def certified(self) -> list[Seat]:
        """Return the learners with a certificate, revoked or not."""
        return [seat for seat, learner in self.model.learners.items() if learner.certificate]

    def answerable(self) -> list[Seat]:
        """Return the learners with an open request that Open edX would tell of, if it was asked."""
        return [
            seat
            for seat, _ in self.model.iter_open()
            if self.model.learners[seat].certificate is None and self.model.find_fault(seat) is None
        ]

    def work_on(self, seat: Seat) -> None:
        try:
            process_requests(self.world.requests_of(seat), ignore_due=True)
        finally:
            connections.close_all()

    def see_what_was_asked(self, *, ignore_due: bool) -> None:
        """Tell the model of the questions of a pass, and of what it gave up."""
        now, asked = timezone.now(), self.world.take_questions(self.model)
        rows = self.world.find_requests()
        given_up = [
            (seat, request)
            for seat, request in self.model.iter_open()
            if rows[seat][self.model.learners[seat].requests.index(request)].status == "failed"
        ]
        for seat, request in given_up:
            if seat not in asked:
                assert request.may_be_given_up(now)
                self.model.give_up(seat, now)
        self.model.take_pass(asked, now, ignore_due=ignore_due)
        for seat, request in given_up:
            if request.status == "open":
                assert request.may_be_given_up(now)
                self.model.give_up(seat, now)


@pytest.fixture
def world(
    transactional_db: None,
    openedx: SimulatedOpenEdx,
    client: Client,
    staff_user: User,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[World]:
    # Ten thousands of lines would bury the sequence that failed.
    caplog.set_level(logging.CRITICAL)
    # Small, so that a few learners come to both.
    settings.OPENEDX_CERTIFICATES_PAUSE_AFTER_FAILURES = PAUSE_AFTER
    settings.OPENEDX_CERTIFICATES_DELETIONS_MAX = DELETIONS_MAX
    with travel(START) as clock:
        yield World(openedx, client, staff_user, clock)


def test_each_accepted_event_ends_settled_as_the_model_says_whatever_happens(world: World):
    examples = int(os.environ.get("EXAMPLES", "0"))

    run_state_machine_as_test(
        partial(Machine, world),
        settings=how_to_try(
            max_examples=examples or 25,
            stateful_step_count=25,
            # The same examples at every build; new ones if more are asked for.
            derandomize=not examples,
            # The shortest sequence takes minutes to find: that is for a look into a failure.
            phases=tuple(Phase) if examples else (Phase.explicit, Phase.generate),
            # No example is kept in the working copy: a build does not depend on the one before.
            database=None,
            # A step is a few requests over real HTTP and a real database: slow, and not by fault.
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
