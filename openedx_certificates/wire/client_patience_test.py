"""The question for one learner from a patient caller: a sweep asks for it as it does for a page."""

import pytest

from openedx_certificates.testing.clients import make_client
from openedx_certificates.wire.client import OpenEdxClient
from openedx_certificates.wire.exceptions import OpenEdxNotFound, OpenEdxRefused, OpenEdxUnreachable
from tools.simulator import Fault, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"


@pytest.fixture
def waits() -> list[float]:
    """The seconds the client has waited, or would have."""
    return []


@pytest.fixture
def client(openedx: SimulatedOpenEdx, waits: list[float]) -> OpenEdxClient:
    """A client of an Open edX with Alice, passed."""
    openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.85)
    return make_client(openedx.url, page_retry_delay=1.0, sleep=waits.append)


@pytest.mark.parametrize("fault", ["500", "503", "close", "html", "empty-list"])
def test_three_failures_are_outlived(
    openedx: SimulatedOpenEdx, client: OpenEdxClient, waits: list[float], fault: str
):
    openedx.set_fault(Fault(fault, count=3))

    assert client.fetch_grade(COURSE_ID, "alice", patient=True).passed

    assert openedx.request_count == 4
    assert waits == [1, 2, 4]


def test_a_fourth_failure_is_raised(openedx: SimulatedOpenEdx, client: OpenEdxClient):
    openedx.set_fault("500")

    with pytest.raises(OpenEdxUnreachable):
        client.fetch_grade(COURSE_ID, "alice", patient=True)

    assert openedx.request_count == 4


@pytest.mark.parametrize("fault", ["401", "404"])
def test_what_asking_again_cannot_mend_is_not_asked_again(
    openedx: SimulatedOpenEdx, client: OpenEdxClient, fault: str
):
    openedx.set_fault(fault)

    with pytest.raises((OpenEdxRefused, OpenEdxNotFound)):
        client.fetch_grade(COURSE_ID, "alice", patient=True)

    assert openedx.request_count == 1
