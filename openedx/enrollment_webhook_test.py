"""The enrollment webhook: what becomes of an enrollment that was made inside Open edX."""

import json
from typing import Any

import pytest

from courses.factories import CourseRunEnrollmentFactory, CourseRunFactory
from courses.models import CourseRun, CourseRunEnrollment, CourseRunEnrollmentAudit
from openedx_certificates.testing.webhooks import Knock
from tools.simulator import SimulatedOpenEdx
from users.models import User

pytestmark = pytest.mark.django_db

WEBHOOK = "openedx-enrollment-webhook"


@pytest.fixture
def run() -> CourseRun:
    return CourseRunFactory.create()


def event_of(user: User, run: CourseRun, **fields: object) -> dict[str, object]:
    return {"email": user.email, "course_id": run.courseware_id, **fields}


def mirrored(response: Any, status: int) -> CourseRunEnrollment:
    """Check the reply against the one row there is, and return that."""
    enrollment = CourseRunEnrollment.all_objects.get()
    body = json.loads(response.content)
    assert response.status_code == status, response.content
    assert set(body) == {"message", "enrollment_id", "active", "edx_enrolled"}
    assert body["message"]
    assert body["enrollment_id"] == enrollment.pk
    assert body["active"] is enrollment.active is True
    assert body["edx_enrolled"] is enrollment.edx_enrolled is True
    return enrollment


class TestNew:
    @pytest.mark.parametrize(
        ("fields", "mode"),
        [
            ({}, "audit"),
            ({"role": "staff"}, "audit"),
            ({"role": "instructor", "mode": None}, "audit"),
            ({"role": None, "mode": ""}, "audit"),
            ({"role": "", "mode": "  "}, "audit"),
            ({"mode": "verified"}, "verified"),
            ({"mode": " honor "}, "honor"),
            ({"mode": "m" * 20, "role": "r" * 64}, "m" * 20),
        ],
        ids=str,
    )
    def test_an_enrollment_is_created_in_the_events_mode_else_in_audit(
        self,
        fields: dict[str, object],
        mode: str,
        user: User,
        run: CourseRun,
        staff_token: str,
        knock: Knock,
    ):
        response = knock(WEBHOOK, event_of(user, run, **fields), token=staff_token)

        enrollment = mirrored(response, 201)
        assert (enrollment.user, enrollment.run) == (user, run)
        assert enrollment.enrollment_mode == mode

    def test_open_edx_is_not_asked(
        self,
        user: User,
        run: CourseRun,
        openedx: SimulatedOpenEdx,
        staff_token: str,
        knock: Knock,
    ):
        knock(WEBHOOK, event_of(user, run, mode="verified"), token=staff_token)

        assert openedx.request_count == 0

    def test_it_leaves_an_audit_row(
        self, user: User, run: CourseRun, staff_token: str, knock: Knock
    ):
        knock(WEBHOOK, event_of(user, run), token=staff_token)

        audit = CourseRunEnrollmentAudit.objects.get()
        assert audit.enrollment == CourseRunEnrollment.objects.get()
        assert audit.acting_user is None
        assert audit.data_before is None
        assert audit.data_after["enrollment_mode"] == "audit"


class TestExisting:
    def test_an_event_that_comes_again_changes_nothing(
        self, user: User, run: CourseRun, staff_token: str, knock: Knock
    ):
        enrollment = CourseRunEnrollmentFactory.create(user=user, run=run, enrollment_mode="audit")

        response = knock(WEBHOOK, event_of(user, run, role="staff"), token=staff_token)

        assert mirrored(response, 200).updated_on == enrollment.updated_on
        assert not CourseRunEnrollmentAudit.objects.exists()

    def test_one_that_ended_is_made_active_again(
        self, user: User, run: CourseRun, staff_token: str, knock: Knock
    ):
        CourseRunEnrollmentFactory.create(
            user=user,
            run=run,
            enrollment_mode="audit",
            active=False,
            change_status="unenrolled",
            edx_enrolled=False,
        )

        response = knock(WEBHOOK, event_of(user, run), token=staff_token)

        assert mirrored(response, 200).change_status is None
        audit = CourseRunEnrollmentAudit.objects.get()
        assert (audit.data_before["active"], audit.data_after["active"]) == (False, True)

    @pytest.mark.parametrize(
        ("before", "event", "after"),
        [
            ("audit", "verified", "verified"),
            ("honor", "verified", "verified"),
            ("verified", "audit", "verified"),
            ("verified", None, "verified"),
            ("verified", "verified", "verified"),
            ("honor", "audit", "honor"),
            ("audit", "honor", "audit"),
        ],
    )
    def test_it_moves_up_to_a_paid_mode_and_never_to_an_unpaid_one(
        self,
        before: str,
        event: str | None,
        after: str,
        user: User,
        run: CourseRun,
        staff_token: str,
        knock: Knock,
    ):
        CourseRunEnrollmentFactory.create(user=user, run=run, enrollment_mode=before)

        response = knock(WEBHOOK, event_of(user, run, mode=event), token=staff_token)

        assert mirrored(response, 200).enrollment_mode == after
        assert CourseRunEnrollmentAudit.objects.count() == (before != after)

    @pytest.mark.parametrize("change_status", ["refunded", "deferred", "transferred"])
    @pytest.mark.parametrize(
        ("event", "after"),
        [
            pytest.param({"mode": "audit"}, "audit", id="as audit"),
            pytest.param({"mode": "honor"}, "honor", id="as honor"),
            pytest.param({"role": "staff"}, "audit", id="as staff"),
            pytest.param({}, "audit", id="without a word"),
            pytest.param({"mode": "verified"}, "verified", id="paid again"),
        ],
    )
    def test_one_whose_payment_is_gone_comes_back_in_the_mode_of_the_event(
        self,
        change_status: str,
        event: dict[str, str],
        after: str,
        user: User,
        run: CourseRun,
        staff_token: str,
        knock: Knock,
    ):
        CourseRunEnrollmentFactory.create(
            user=user, run=run, active=False, change_status=change_status
        )

        response = knock(WEBHOOK, event_of(user, run, **event), token=staff_token)

        enrollment = mirrored(response, 200)
        assert (enrollment.enrollment_mode, enrollment.change_status) == (after, None)
        audit = CourseRunEnrollmentAudit.objects.get()
        assert audit.data_before["enrollment_mode"] == "verified"
        assert audit.data_after["enrollment_mode"] == after

    def test_one_that_ended_for_another_reason_keeps_what_was_paid(
        self, user: User, run: CourseRun, staff_token: str, knock: Knock
    ):
        CourseRunEnrollmentFactory.create(
            user=user, run=run, active=False, change_status="unenrolled"
        )

        response = knock(WEBHOOK, event_of(user, run, mode="audit"), token=staff_token)

        assert mirrored(response, 200).enrollment_mode == "verified"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", 7),
        ("mode", True),
        ("mode", ["verified"]),
        ("mode", {"slug": "verified"}),
        ("mode", "m" * 21),
        ("mode", "verif\x00ied"),
        ("mode", "verified\n"),
        ("mode", "\ud800"),
        ("role", 7),
        ("role", False),
        ("role", []),
        ("role", "r" * 65),
        ("role", "staff\x00"),
    ],
    ids=str,
)
def test_a_mode_or_role_that_is_no_short_text_is_400(
    field: str, value: object, user: User, run: CourseRun, staff_token: str, knock: Knock
):
    response = knock(WEBHOOK, event_of(user, run, **{field: value}), token=staff_token)

    assert response.status_code == 400
    assert json.loads(response.content)["error"].startswith(field)
    assert not CourseRunEnrollment.all_objects.exists()
