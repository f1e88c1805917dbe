"""The connections behind the questions: kept, mended, and with no secrets but ours."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from openedx_certificates.api import fetch_grades_with_users
from openedx_certificates.testing.clients import make_client
from openedx_certificates.testing.factories import CourseRunFactory, UserFactory
from openedx_certificates.testing.scripted_server import Answer, ScriptedServer, http
from openedx_certificates.wire.client import OpenEdxClient
from openedx_certificates.wire.exceptions import OpenEdxNonsense
from tools.simulator import Fault, SimulatedOpenEdx
from users.models import User

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
ALICES_GRADE = (
    b'[{"username": "alice", "course_id": "%b", "passed": true, "percent": 0.85}]'
    % COURSE_ID.encode()
)


@pytest.fixture
def client(openedx: SimulatedOpenEdx) -> OpenEdxClient:
    """A client of an Open edX with Alice and Bob, both passed."""
    openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.85)
    openedx.enroll(COURSE_ID, "bob", passed=True, percent=0.6)
    return make_client(openedx.url)


def find_connections(openedx: SimulatedOpenEdx) -> set[int]:
    """Return our own port of every connection that this process holds to Open edX."""
    port = urlsplit(openedx.url).port
    return {
        connection.laddr.port
        for connection in psutil.Process().net_connections("tcp")
        if connection.raddr
        and connection.raddr.port == port
        and connection.status == psutil.CONN_ESTABLISHED
    }


class TestKeptConnections:
    def test_questions_one_after_the_other_share_a_connection(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        client.fetch_grade(COURSE_ID, "alice")
        after_the_first = find_connections(openedx)

        client.fetch_grade(COURSE_ID, "bob")
        list(client.iter_grade_pages(COURSE_ID))

        assert len(after_the_first) == 1
        assert find_connections(openedx) == after_the_first

    @pytest.mark.parametrize("fault", ["401", "404", "429", "500"])
    def test_an_answer_with_bad_news_keeps_the_connection(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, fault: str
    ):
        client.fetch_grade(COURSE_ID, "alice")
        before = find_connections(openedx)
        openedx.set_fault(Fault(fault, username="alice"))

        with pytest.raises(Exception, match="Open edX"):
            client.fetch_grade(COURSE_ID, "alice")
        client.fetch_grade(COURSE_ID, "bob")

        assert find_connections(openedx) == before

    @pytest.mark.parametrize(
        "ask",
        [
            pytest.param(lambda client: client.fetch_grade(COURSE_ID, "alice"), id="a learner"),
            pytest.param(lambda client: list(client.iter_grade_pages(COURSE_ID)), id="pages"),
        ],
    )
    def test_a_restart_of_open_edx_between_two_questions_is_not_noticed(
        self,
        openedx: SimulatedOpenEdx,
        client: OpenEdxClient,
        ask: Callable[[OpenEdxClient], object],
    ):
        before = ask(client)

        openedx.stop()
        openedx.start()

        assert ask(client) == before
        assert openedx.request_count == 2

    def test_a_kept_connection_that_closes_at_the_next_question_is_not_noticed(self):
        # Open edX gives the connection up just as we use it again, so it looked alive before.
        script = [Answer(http(ALICES_GRADE)), Answer(b"", is_last=True), Answer(http(ALICES_GRADE))]
        with ScriptedServer(*script) as server:
            client = make_client(server.url)

            assert client.fetch_grade(COURSE_ID, "alice").passed
            assert client.fetch_grade(COURSE_ID, "alice").passed
            assert len(server.heads) == 3

    def test_threads_share_a_client_and_each_gets_its_own_answer(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        cast = [f"learner-{number}" for number in range(40)]
        for username in cast:
            openedx.enroll(COURSE_ID, username, passed=True, percent=0.5)

        with ThreadPoolExecutor(max_workers=10) as threads:
            grades = list(threads.map(lambda name: client.fetch_grade(COURSE_ID, name), cast * 3))

        assert [grade.username for grade in grades] == cast * 3
        assert len(find_connections(openedx)) <= 10


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_worker_asks_over_a_connection_of_its_own(openedx: SimulatedOpenEdx):
    run = CourseRunFactory.build(courseware_id=COURSE_ID)
    UserFactory.create(openedx_user__edx_username="alice")
    openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.85)
    # With the account at hand, the child has no need of the database, which is its parent's.
    alice = User.objects.prefetch_related("openedx_users").get()
    list(fetch_grades_with_users(run, alice))
    parents = find_connections(openedx)

    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            list(fetch_grades_with_users(run, alice))
            os._exit(0 if find_connections(openedx) - parents else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    list(fetch_grades_with_users(run, alice))
    assert find_connections(openedx) == parents
    assert openedx.request_count == 3


class TestSecrets:
    @pytest.mark.parametrize("place", ["NETRC", "HOME"])
    def test_a_password_in_netrc_does_not_take_the_tokens_place(
        self,
        openedx: SimulatedOpenEdx,
        client: OpenEdxClient,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        place: str,
    ):
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login mallory password secret\n")
        netrc.chmod(0o600)
        monkeypatch.delenv("NETRC", raising=False)
        monkeypatch.setenv(place, os.fspath(netrc if place == "NETRC" else tmp_path))

        client.fetch_grade(COURSE_ID, "alice")
        list(client.iter_grade_pages(COURSE_ID))

        assert {request.authorization for request in openedx.requests} == {
            "Bearer service-worker-token"
        }

    def test_a_redirect_does_not_take_the_token_along(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        with SimulatedOpenEdx() as elsewhere:
            elsewhere.enroll(COURSE_ID, "alice", passed=True, percent=0.85)
            openedx.set_fault(Fault("redirect", target=elsewhere.url))

            with pytest.raises(OpenEdxNonsense, match="302"):
                client.fetch_grade(COURSE_ID, "alice")

            assert elsewhere.request_count == 0

    def test_a_redirect_within_open_edx_is_not_followed_either(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        openedx.set_fault(Fault("redirect", count=1, target=openedx.url))

        with pytest.raises(OpenEdxNonsense, match="302"):
            client.fetch_grade(COURSE_ID, "alice")

        assert openedx.request_count == 1

    def test_a_cookie_is_not_kept(self):
        answer = http(ALICES_GRADE, "Set-Cookie: sessionid=mallory; Path=/")
        with ScriptedServer(Answer(answer)) as server:
            client = make_client(server.url)

            client.fetch_grade(COURSE_ID, "alice")
            client.fetch_grade(COURSE_ID, "alice")

            assert len(server.heads) == 2
            assert "cookie" not in "".join(server.heads).lower()


class TestProxyOfTheEnvironment:
    def test_each_question_goes_through_it(self, monkeypatch: pytest.MonkeyPatch):
        with ScriptedServer(Answer(http(ALICES_GRADE))) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            client = make_client("http://openedx.test")

            client.fetch_grade(COURSE_ID, "alice")
            client.fetch_grade(COURSE_ID, "alice")

            asked = [head.partition("/api/")[0] for head in proxy.heads]
            assert asked == ["GET http://openedx.test"] * 2

    def test_no_question_does_if_open_edx_is_excepted(self, monkeypatch: pytest.MonkeyPatch):
        with (
            ScriptedServer(Answer(http(ALICES_GRADE))) as proxy,
            ScriptedServer(Answer(http(ALICES_GRADE))) as server,
        ):
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            client = make_client(server.url)

            client.fetch_grade(COURSE_ID, "alice")
            client.fetch_grade(COURSE_ID, "alice")

            assert (len(proxy.heads), len(server.heads)) == (0, 2)
