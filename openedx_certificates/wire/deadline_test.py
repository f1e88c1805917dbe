"""A question ends in its time, whatever the other side does, and leaves other questions alone."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from openedx_certificates.testing.clients import make_client
from openedx_certificates.testing.scripted_server import Answer, ScriptedServer, http
from openedx_certificates.testing.tls import make_certificate
from openedx_certificates.wire.client import OpenEdxClient
from openedx_certificates.wire.exceptions import CannotAsk, OpenEdxTimeout, OpenEdxUnreachable
from tools.simulator import Fault, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
ALICES_GRADE = (
    b'[{"username": "alice", "course_id": "%b", "passed": true, "percent": 0.85}]'
    % COURSE_ID.encode()
)
# As short as a machine under load allows, for questions that use all their time.
SHORT = 0.3
# No assertion on speed: a question that is never ended would hold the tests up for ever.
GUARD_SECONDS = 8.0


@pytest.fixture
def openedx(openedx: SimulatedOpenEdx) -> SimulatedOpenEdx:
    """An Open edX with Alice and Bob, both passed."""
    openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.85)
    openedx.enroll(COURSE_ID, "bob", passed=True, percent=0.6)
    return openedx


class Resolver:
    """A resolver that hangs at the look-ups it is told to: a real one can't be made to, here."""

    def __init__(self, look_up: Callable[..., Any]) -> None:
        #: Whether the next look-up hangs, and those after it; none does behind the last.
        self.hangs: list[bool] = []
        self._look_up = look_up
        self._is_over = threading.Event()

    def look_up(self, *arguments: Any, **options: Any) -> Any:
        if self.hangs and self.hangs.pop(0):
            self._is_over.wait(3 * GUARD_SECONDS)
        return self._look_up(*arguments, **options)

    def end(self) -> None:
        """Give the waiting look-ups their answer."""
        self._is_over.set()


@contextmanager
def ends_in_time() -> Iterator[None]:
    """Expect a time-out, and that it comes."""
    started = time.monotonic()
    with pytest.raises(OpenEdxTimeout):
        yield
    assert time.monotonic() - started < GUARD_SECONDS


def in_chunks(body: bytes) -> bytes:
    """Return an answer in chunks of one byte."""
    head = http(b"", "Transfer-Encoding: chunked", has_length=False)
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


def drip_body(answer: bytes) -> Answer:
    return Answer(answer, drips_from=answer.index(b"\r\n\r\n") + 4)


DRIPS = [
    pytest.param(Answer(http(ALICES_GRADE), drips_from=0), id="an answer"),
    pytest.param(drip_body(http(ALICES_GRADE)), id="a body"),
    pytest.param(drip_body(http(ALICES_GRADE, has_length=False)), id="a body without a length"),
    pytest.param(drip_body(in_chunks(ALICES_GRADE)), id="a body in chunks"),
    pytest.param(drip_body(http(b" " * 500, status="500 No")), id="the body of a failure"),
    pytest.param(
        Answer(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, drips_from=0), id="a promise to go on"
    ),
]


class TestTimeIsUp:
    @pytest.mark.parametrize("fault", ["hang", "drip-headers:20", "drip-body:20", "delay:9000"])
    def test_an_open_edx_that_takes_too_long_is_a_timeout(
        self, openedx: SimulatedOpenEdx, fault: str
    ):
        openedx.set_fault(fault)
        client = make_client(openedx.url, timeout=SHORT)

        with ends_in_time():
            client.fetch_grade(COURSE_ID, "alice")

        assert openedx.request_count == 1

    @pytest.mark.parametrize("answer", DRIPS)
    def test_what_drips_in_is_hung_up_on(self, answer: Answer):
        with ScriptedServer(answer) as server:
            client = make_client(server.url, timeout=SHORT)

            with ends_in_time():
                client.fetch_grade(COURSE_ID, "alice")

            assert len(server.heads) == 1

    def test_a_page_that_drips_in_is_a_timeout_at_each_try(self, openedx: SimulatedOpenEdx):
        openedx.set_fault("drip-body:20")
        # Longer than it may take a busy machine to send a try's question.
        client = make_client(openedx.url, timeout=4 * SHORT)

        with ends_in_time():
            list(client.iter_grade_pages(COURSE_ID))

        assert openedx.request_count == 4

    def test_a_proxy_that_drips_is_hung_up_on(self, monkeypatch: pytest.MonkeyPatch):
        with ScriptedServer(Answer(http(ALICES_GRADE), drips_from=0)) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            client = make_client("http://openedx.test", timeout=SHORT)

            with ends_in_time():
                client.fetch_grade(COURSE_ID, "alice")

            assert proxy.heads[0].startswith("GET http://openedx.test/api/")

    def test_the_next_question_is_answered(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("drip-body", delay_ms=20, count=1))
        client = make_client(openedx.url, timeout=SHORT)

        with ends_in_time():
            client.fetch_grade(COURSE_ID, "alice")

        assert client.fetch_grade(COURSE_ID, "alice").username == "alice"

    @pytest.mark.parametrize("fault", [None, "hang", "drip-body:20"])
    def test_its_thread_ends(self, openedx: SimulatedOpenEdx, fault: str | None):
        if fault:
            openedx.set_fault(Fault(fault.partition(":")[0], delay_ms=20, username="alice"))
        client = make_client(openedx.url, timeout=SHORT)

        with suppress(OpenEdxTimeout):
            client.fetch_grade(COURSE_ID, "alice")

        for thread in find_questions():
            thread.join(GUARD_SECONDS)
        assert find_questions() == []

    def test_without_a_thread_the_question_is_not_asked(
        self, openedx: SimulatedOpenEdx, monkeypatch: pytest.MonkeyPatch
    ):
        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)

        with pytest.raises(CannotAsk, match="no thread left"):
            make_client(openedx.url).fetch_grade(COURSE_ID, "alice")

        assert openedx.request_count == 0


class TestTries:
    @pytest.mark.parametrize("fault", ["503", "close"])
    def test_no_try_is_begun_that_may_not_end_in_time(self, openedx: SimulatedOpenEdx, fault: str):
        # Half the time must be left; the first failure takes more.
        openedx.set_fault(Fault(fault, delay_ms=500))
        client = make_client(openedx.url, timeout=0.9)

        with pytest.raises(OpenEdxUnreachable):
            client.fetch_grade(COURSE_ID, "alice")

        assert openedx.request_count == 1

    def test_no_try_is_begun_after_a_failure_that_took_all_the_time_to_read(self):
        with ScriptedServer(drip_body(http(b" " * 500, status="503 Busy"))) as server:
            client = make_client(server.url, timeout=SHORT)

            with ends_in_time():
                client.fetch_grade(COURSE_ID, "alice")

            assert server.count_connections() == 1


class TestNames:
    """The look-up of a name, which knows no time-out; a test says which of them hang."""

    @pytest.fixture
    def resolver(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
        """The look-up of names, which hangs when it is told to."""
        resolver = Resolver(socket.getaddrinfo)
        monkeypatch.setattr(socket, "getaddrinfo", resolver.look_up)
        yield resolver
        resolver.end()

    @pytest.fixture
    def by_name(self, openedx: SimulatedOpenEdx) -> str:
        """Open edX's address with the name of its host."""
        return openedx.url.replace("127.0.0.1", "localhost")

    def test_a_look_up_that_hangs_is_a_timeout(
        self, openedx: SimulatedOpenEdx, by_name: str, resolver: Resolver
    ):
        resolver.hangs = [True] * 9

        with ends_in_time():
            make_client(by_name, timeout=SHORT).fetch_grade(COURSE_ID, "alice")

        assert openedx.request_count == 0

    def test_its_thread_ends_when_the_look_up_does(
        self, openedx: SimulatedOpenEdx, by_name: str, resolver: Resolver
    ):
        resolver.hangs = [True]

        with ends_in_time():
            make_client(by_name, timeout=SHORT).fetch_grade(COURSE_ID, "alice")

        resolver.end()
        for thread in find_questions():
            thread.join(GUARD_SECONDS)
        assert find_questions() == []

    def test_a_kept_connection_needs_no_look_up(
        self, openedx: SimulatedOpenEdx, by_name: str, resolver: Resolver
    ):
        client = make_client(by_name)
        client.fetch_grade(COURSE_ID, "alice")
        resolver.hangs = [True] * 9

        assert client.fetch_grade(COURSE_ID, "bob").passed

    def test_a_name_is_asked_over_tls_as_the_certificate_has_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        tls = make_certificate(tmp_path / "tls.pem", host="localhost")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(tmp_path / "tls.pem"))

        with ScriptedServer(Answer(http(ALICES_GRADE)), tls=tls) as server:
            client = make_client(f"https://localhost:{server.port}")

            assert client.fetch_grade(COURSE_ID, "alice").passed


class TestOtherQuestions:
    def test_they_go_on_while_one_is_hung_up_on(self, openedx: SimulatedOpenEdx):
        openedx.set_fault(Fault("drip-body", delay_ms=20, username="alice"))
        client = make_client(openedx.url, timeout=SHORT)

        def ask_for_bob(_: int) -> bool:
            return client.fetch_grade(COURSE_ID, "bob").passed

        with ThreadPoolExecutor(max_workers=4) as threads:
            alices = threads.submit(client.fetch_grade, COURSE_ID, "alice")
            bobs = []
            while not alices.done():
                bobs += threads.map(ask_for_bob, range(3))

        assert isinstance(alices.exception(), OpenEdxTimeout)
        assert all(bobs)


class TestTLS:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """The path of the server's certificate."""
        return tmp_path / "certificate.pem"

    @pytest.fixture
    def tls(self, certificate: Path) -> ssl.SSLContext:
        """The server's side of TLS."""
        return make_certificate(certificate)

    @pytest.fixture
    def make_trusting_client(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., OpenEdxClient]:
        """Make a client that takes the server's certificate for good."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(certificate))
        return make_client

    def test_a_grade_comes_over_tls(
        self, tls: ssl.SSLContext, make_trusting_client: Callable[..., OpenEdxClient]
    ):
        with ScriptedServer(Answer(http(ALICES_GRADE)), tls=tls) as server:
            client = make_trusting_client(server.url)

            assert client.fetch_grade(COURSE_ID, "alice").passed

    def test_the_token_is_not_sent_to_a_server_whose_certificate_is_not_trusted(
        self, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
    ):
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        with ScriptedServer(Answer(http(ALICES_GRADE)), tls=tls) as server:
            with pytest.raises(OpenEdxUnreachable):
                make_client(server.url).fetch_grade(COURSE_ID, "alice")

            assert server.heads == []

    @pytest.mark.parametrize("answer", DRIPS[:3])
    def test_what_drips_in_is_hung_up_on(
        self,
        answer: Answer,
        tls: ssl.SSLContext,
        make_trusting_client: Callable[..., OpenEdxClient],
    ):
        with ScriptedServer(answer, tls=tls) as server:
            client = make_trusting_client(server.url, timeout=SHORT)

            with ends_in_time():
                client.fetch_grade(COURSE_ID, "alice")

            assert len(server.heads) == 1

    def test_a_handshake_that_is_never_answered_is_a_timeout(self):
        with ScriptedServer(Answer(b"")) as silent:
            client = make_client(f"https://127.0.0.1:{silent.port}", timeout=SHORT)

            with ends_in_time():
                client.fetch_grade(COURSE_ID, "alice")


def find_questions() -> list[threading.Thread]:
    """Return the threads of questions that are still asked."""
    return [thread for thread in threading.enumerate() if thread.name == "question"]
