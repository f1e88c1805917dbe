"""The filters of the lists: which rows each choice is, and what a link may ask for besides."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from courses.models import CourseRunCertificate
from openedx_certificates.testing.factories import (
    CertificateRequestFactory,
    CourseRunCertificateFactory,
    CourseRunFactory,
    CourseRunSweepFactory,
)
from openedx_certificates.testing.scenes import Clock

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def listed(client: Client, list_of: str, **query: str) -> list[object]:
    response = client.get(reverse(f"admin:{list_of}_changelist"), query)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def chosen(client: Client, list_of: str, title: str, **query: str) -> list[str]:
    """Return what the filter shows as chosen."""
    response = client.get(reverse(f"admin:{list_of}_changelist"), query)
    changelist = response.context["cl"]
    (spec,) = (spec for spec in changelist.filter_specs if spec.title == title)
    return [str(choice["display"]) for choice in spec.choices(changelist) if choice["selected"]]


@pytest.fixture
def noon(clock: Clock) -> datetime:
    clock.move_to(NOON)
    return NOON


class TestRequests:
    @pytest.mark.parametrize(
        ("state", "status", "reason"),
        [
            ("created", "created", ""),
            ("exists", "exists", ""),
            ("revoked", "revoked", ""),
            ("grade_not_passed", "not_eligible", "grade_not_passed"),
            ("no_paid_enrollment", "not_eligible", "no_paid_enrollment"),
            ("failed", "failed", ""),
        ],
    )
    def test_by_outcome(
        self, admin_client: Client, noon: datetime, state: str, status: str, reason: str
    ):
        wanted = CertificateRequestFactory.create(status=status, reason=reason, settled_on=noon)
        for other in {"created", "failed"} - {status}:
            CertificateRequestFactory.create(status=other, settled_on=noon)
        CertificateRequestFactory.create(reason=reason)

        assert listed(admin_client, "openedx_certificates_certificaterequest", state=state) == [
            wanted
        ]

    def test_what_is_open_is_a_state(self, admin_client: Client, noon: datetime):
        waiting = CertificateRequestFactory.create(reason="grade_not_passed")
        CertificateRequestFactory.create(status="failed", settled_on=noon)

        assert listed(admin_client, "openedx_certificates_certificaterequest", state="open") == [
            waiting
        ]
        assert chosen(
            admin_client, "openedx_certificates_certificaterequest", "state", state="open"
        ) == ["open"]

    @pytest.mark.parametrize(
        ("work", "expected"),
        [
            ("failing", {"failing"}),
            ("due", {"due", "overdue", "lease ran out"}),
            ("overdue", {"overdue"}),
            ("at_work", {"at work"}),
            ("anything else", {"failing", "due", "overdue", "at work", "lease ran out", "settled"}),
        ],
    )
    def test_by_what_there_is_to_do(
        self, admin_client: Client, noon: datetime, work: str, expected: set[str]
    ):
        lease = uuid.uuid4()
        made = {
            "failing": {"failing_since": noon, "next_attempt_on": noon + HOUR},
            "due": {"next_attempt_on": noon},
            "overdue": {"next_attempt_on": noon - 5 * MINUTE},
            "at work": {"lease": lease, "leased_until": noon + MINUTE},
            "lease ran out": {"lease": lease, "leased_until": noon},
            "settled": {"status": "failed", "settled_on": noon, "failing_since": noon - DAY},
        }
        names = {
            CertificateRequestFactory.create(**fields).pk: name for name, fields in made.items()
        }

        found = listed(admin_client, "openedx_certificates_certificaterequest", work=work)

        assert {names[request.pk] for request in found} == expected


class TestLately:
    def test_a_link_asks_for_an_hour_and_the_list_says_which(
        self, admin_client: Client, noon: datetime
    ):
        moments = (noon - HOUR, noon - MINUTE / 60, noon, noon - HOUR - MINUTE / 60)
        made = [
            CertificateRequestFactory.create(status="created", settled_on=moment)
            for moment in moments
        ]
        hour = {
            "settled_on__gte": "2026-03-02T11:00Z",
            "settled_on__lt": "2026-03-02T12:00Z",
        }

        assert set(listed(admin_client, "openedx_certificates_certificaterequest", **hour)) == set(
            made[:2]
        )
        assert chosen(
            admin_client, "openedx_certificates_certificaterequest", "settled on", **hour
        ) == ["From 2026-03-02 11:00 to before 2026-03-02 12:00 UTC"]

    @pytest.mark.site("The lists of runs and certificates are the host's admin.")
    def test_the_last_day_is_a_click(self, admin_client: Client, noon: datetime):
        new = CourseRunCertificateFactory.create()
        old = CourseRunCertificateFactory.create()
        CourseRunCertificate.all_objects.filter(pk=old.pk).update(created_on=noon - DAY - MINUTE)
        response = admin_client.get(reverse("admin:courses_courseruncertificate_changelist"))
        changelist = response.context["cl"]
        (spec,) = (spec for spec in changelist.filter_specs if spec.title == "created on")
        links = {choice["display"]: choice["query_string"] for choice in spec.choices(changelist)}

        after = admin_client.get(response.request["PATH_INFO"] + links["Last 24 hours"])

        assert list(links) == ["Any time", "Last hour", "Last 24 hours", "Last 14 days"]
        assert list(after.context["cl"].result_list) == [new]

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ({"settled_on__gte": "yesterday"}, 302),
            ({"settled_on__gte": "2026-13-45T00:00Z"}, 302),
            ({"settled_on__isnull": "True"}, 200),
            ({"settled_on__gte": "9999-12-31T23:59:59-12:00"}, 200),
        ],
        ids=str,
    )
    def test_what_is_typed_by_hand_breaks_nothing(
        self, admin_client: Client, query: dict[str, str], status: int
    ):
        address = reverse("admin:openedx_certificates_certificaterequest_changelist")

        assert admin_client.get(address, query).status_code == status


class TestSweeps:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"result": "failing"}, {"broke off", "learners", "closed"}),
            ({"result": "failing", "next": "due"}, {"broke off", "learners"}),
            ({"result": "well"}, {"well"}),
            ({"next": "due"}, {"broke off", "learners", "well"}),
            ({"next": "none"}, {"closed"}),
        ],
        ids=["failing", "failing and swept", "well", "swept", "not swept"],
    )
    def test_by_result_and_by_what_comes_next(
        self, admin_client: Client, noon: datetime, query: dict[str, str], expected: set[str]
    ):
        made = {
            "broke off": {"error": "timeout"},
            "learners": {"failed_learners": 1},
            "well": {},
            "closed": {"course_run__live": False, "error": "timeout"},
        }
        names = {CourseRunSweepFactory.create(**fields).pk: name for name, fields in made.items()}

        found = listed(admin_client, "openedx_certificates_courserunsweep", **query)

        assert {names[sweep.pk] for sweep in found} == expected


@pytest.mark.site("The lists of runs and certificates are the host's admin.")
class TestRuns:
    def test_by_whether_they_are_swept(self, admin_client: Client, noon: datetime):
        swept = [CourseRunFactory.create(), CourseRunFactory.create(self_paced=True)]
        long_over = noon - 32 * DAY
        not_swept = [
            CourseRunFactory.create(live=False),
            CourseRunFactory.create(certificate_available_date=long_over),
        ]

        assert set(listed(admin_client, "courses_courserun", swept="yes")) == set(swept)
        assert set(listed(admin_client, "courses_courserun", swept="no")) == set(not_swept)
