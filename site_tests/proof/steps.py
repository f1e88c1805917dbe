"""The steps of the specification that are ours, each taken by the function that takes it in production."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.test import override_settings

from courses.api import manage_course_run_certificate_access
from courses.models import CourseRunEnrollment
from openedx_certificates.api import reopen, settle_as_failed
from openedx_certificates.attempts.attempt import apply_answer, apply_failure
from openedx_certificates.attempts.intake import Seen, see_event, take_in
from openedx_certificates.held.backoff import is_time_to_give_up
from openedx_certificates.held.outcomes import settle_already_certified, settle_certified
from openedx_certificates.held.queue import accept_request, claim, is_due, was_unpaid_lately
from openedx_certificates.issuing.fetching import fetch_grade, fetch_grade_pages
from openedx_certificates.issuing.learner import issue_for_grade
from openedx_certificates.issuing.pages import judge_by
from openedx_certificates.issuing.writing import carry_out_where_needed
from openedx_certificates.models import CertificateRequest, OpenEdxPause
from openedx_certificates.rules import CertificateOutcome, Terms, Verdict
from openedx_certificates.wire.exceptions import OpenEdxError, OpenEdxUnreachable, UnusableGrade
from openedx_certificates.wire.grades import EdxGrade
from site_tests.proof.rows import GRADES, LEASES, Rows
from tools.proof.graph import State
from tools.simulator import SimulatedOpenEdx
from users.models import User

#: What a process remembers when its step is over; None if it is nobody's step.
Me = dict[str, Any] | None
Act = Callable[[], Me]
IDLE: Final = {"pc": "idle", "n": 0, "told": "", "late": False, "old": False}
_OUTCOMES: Final = {
    "notpassed": CertificateOutcome.NOT_PASSED,
    "unpaid": CertificateOutcome.NO_PAID_ENROLLMENT,
}


class Steps:
    """Takes them, on rows that stand as before the step."""

    def __init__(self, rows: Rows, openedx: SimulatedOpenEdx) -> None:
        self._rows = rows
        self._openedx = openedx

    def ways(self, action: str, state: State, kind: str) -> Iterator[Act]:
        """Yield the ways in which the step can go: where the specification has a choice, each.

        Args:
            action: the specification's.
            state: before the step, with what the process remembers as `me`.
            kind: of the process: `web`, `worker` or `sweep`; a person's is empty.
        """
        match action:
            case "Accept":
                yield partial(self._accept, asks=True)
                yield partial(self._accept, asks=False)
            case "Ask":
                # On a page, the grade of another learner is another learner's affair.
                lies = state["edx"]["mood"] == "lies" and kind != "sweep"
                for is_odd in (False, True) if lies else (False,):
                    yield partial(self._ask, state, kind, is_odd=is_odd)
            case _:
                yield partial(getattr(self, f"_{action.lower()}"), state, kind)

    def _see(self, _state: State, _kind: str) -> Me:
        seen = see_event(self._rows.user.email, self._rows.run.courseware_id)
        return {**IDLE, "pc": "seen" if seen.answer is None else "replying"}

    def _accept(self, *, asks: bool) -> Me:
        user, run = self._rows.user, self._rows.run
        if not asks:
            return self._accept_for_a_worker()
        request = accept_request(user, run, lease=LEASES["me"])
        if request is None:
            return {**IDLE, "pc": "replying" if was_unpaid_lately(user, run) else "knocked"}
        if request.lease == LEASES["me"]:
            return {**IDLE, "pc": "claimed", "n": request.deliveries}
        return {**IDLE, "pc": "replying"}

    @override_settings(OPENEDX_CERTIFICATES_WEBHOOK_ASYNC=True)
    def _accept_for_a_worker(self) -> Me:
        # As if nothing had been there when it looked.
        seen = Seen(self._rows.user, self._rows.run, None, OpenEdxPause())
        outcome = take_in(seen, self._rows.user, self._rows.run)
        is_certified = outcome is not None and outcome.is_certified
        return {**IDLE, "pc": "knocked" if is_certified else "replying"}

    def _claim(self, _state: State, _kind: str) -> Me:
        lease = claim(CertificateRequest.objects.filter(is_due()))
        if lease is None:
            return IDLE
        request = CertificateRequest.objects.get(lease=lease)
        CertificateRequest.objects.filter(lease=lease).update(lease=LEASES["me"])
        is_over = is_time_to_give_up(
            request.last_attempt_on, request.failing_since, request.last_delivered_on
        )
        return {**IDLE, "pc": "claimed", "n": request.deliveries, "old": is_over}

    def _ask(self, state: State, kind: str, *, is_odd: bool) -> Me:
        mood, grade = state["edx"]["mood"], state["edx"]["grade"]
        with self._open_edx_answers(
            "zero" if mood == "lies" else grade, is_odd=is_odd, is_down=mood == "down"
        ):
            try:
                if kind == "sweep":
                    ((told, _),) = next(iter(fetch_grade_pages(self._rows.run))).graded
                else:
                    told = fetch_grade(self._rows.run, self._rows.user)
            except (OpenEdxError, ValueError):
                told = None
        names = [
            name for name, values in GRADES.items() if told and values["percent"] == told.percent
        ]
        me = state["me"]
        return {**me, "pc": "told", "told": names[0] if names else "cannot", "late": False}

    def _defer(self, state: State, kind: str) -> Me:
        apply_failure(self._rows.claimed(state), LEASES["me"], OpenEdxUnreachable("down"))
        return _after(kind)

    def _write(self, state: State, kind: str) -> Me:
        answer = self._rows.answer(state)
        if kind == "sweep":
            return {
                **IDLE,
                "pc": "judged" if self._write_page(answer).certificate.is_certified else "idle",
            }
        try:
            verdict = issue_for_grade(self._rows.user.pk, self._rows.run, answer, Terms())
        except UnusableGrade:
            return {**state["me"], "told": "cannot", "late": False}
        outcome = verdict.certificate
        if outcome.is_certified:
            return _after(kind)
        told = "unpaid" if outcome is CertificateOutcome.NO_PAID_ENROLLMENT else "notpassed"
        return {**state["me"], "pc": "judged", "told": told}

    def _write_page(self, answer: EdxGrade) -> Verdict:
        # Of two learners, since a page of one settles as an event does. The other is new each time.
        answers = {self._rows.user.pk: answer, self._rows.other.pk: self._rows.grade("failed")}
        judge = judge_by(answers, Terms())
        return carry_out_where_needed(self._rows.run, answers, judge)[self._rows.user.pk]

    def _settle(self, state: State, kind: str) -> Me:
        outcome = _OUTCOMES[state["me"]["told"]]
        apply_answer(self._rows.claimed(state), LEASES["me"], outcome)
        return _after(kind)

    def _settlecertified(self, _state: State, kind: str) -> Me:
        if kind == "sweep":
            learners = (self._rows.user.pk, self._rows.other.pk)
            settle_certified(self._rows.run, dict.fromkeys(learners, CertificateOutcome.EXISTS))
        else:
            settle_already_certified(CertificateRequest.objects.all())
        return IDLE

    def _pay(self, _state: State, _kind: str) -> Me:
        return self._enroll("verified")

    def _takeback(self, _state: State, _kind: str) -> Me:
        return self._enroll("audit")

    def _revoke(self, _state: State, _kind: str) -> Me:
        manage_course_run_certificate_access(self._rows.user, self._rows.run.courseware_id, True)
        return None

    def _giveback(self, _state: State, _kind: str) -> Me:
        manage_course_run_certificate_access(self._rows.user, self._rows.run.courseware_id, False)
        return None

    def _replay(self, _state: State, _kind: str) -> Me:
        reopen(CertificateRequest.objects.all())
        return None

    def _settleasfailed(self, _state: State, _kind: str) -> Me:
        settle_as_failed(CertificateRequest.objects.all())
        return None

    @transaction.atomic
    def _enroll(self, mode: str) -> Me:
        User.objects.filter(pk=self._rows.user.pk).update(is_active=True)
        enrollment = CourseRunEnrollment.all_objects.get(user=self._rows.user)
        enrollment.enrollment_mode, enrollment.active = mode, True
        enrollment.save()
        return None

    @contextmanager
    def _open_edx_answers(self, grade: str, *, is_odd: bool, is_down: bool) -> Iterator[None]:
        username, course_id = str(self._rows.user.edx_username), self._rows.run.courseware_id
        self._openedx.enroll(course_id, username, **GRADES[grade])
        if is_odd:
            # Of another learner, as a mistaken cache before Open edX may answer.
            other = {"username": "another", "course_id": course_id, **GRADES["passed"]}
            self._openedx.set_grade(course_id, username, record=other)
        if is_down:
            self._openedx.set_fault("500")
        yield
        self._openedx.clear_fault()
        self._openedx.set_grade(course_id, username, record=None)


def _after(kind: str) -> Me:
    return {**IDLE, "pc": "replying" if kind == "web" else "idle"}
