"""What becomes of a question that fails: which error it is, and whether it was asked again."""

import gzip
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from openedx_certificates.testing.clients import make_client
from openedx_certificates.testing.lacking import without_file_descriptors
from openedx_certificates.testing.scripted_server import Answer, ScriptedServer, http
from openedx_certificates.testing.tls import DAY, make_certificate
from openedx_certificates.wire import client as client_module
from openedx_certificates.wire.client import OpenEdxClient
from openedx_certificates.wire.exceptions import (
    CannotAsk,
    OpenEdxError,
    OpenEdxNonsense,
    OpenEdxNotFound,
    OpenEdxRefused,
    OpenEdxThrottled,
    OpenEdxTimeout,
    OpenEdxUnreachable,
    UnusableGrade,
)
from tools.simulator import Fault, SimulatedOpenEdx

COURSE_ID = "course-v1:MITx+6.00x+1T2026"
DEEP_JSON = "[" * 100_000


@pytest.fixture
def client(openedx: SimulatedOpenEdx) -> OpenEdxClient:
    """A client of an Open edX with Alice, passed."""
    openedx.enroll(COURSE_ID, "alice", passed=True, percent=0.85)
    return make_client(openedx.url)


def fail(client: OpenEdxClient) -> OpenEdxError:
    """Ask for Alice's grade, and return why it did not come."""
    with pytest.raises(OpenEdxError) as caught:
        client.fetch_grade(COURSE_ID, "alice")
    return caught.value


@pytest.mark.parametrize(
    ("fault", "error", "code", "retryable", "asked"),
    [
        pytest.param("401", OpenEdxRefused, "refused", False, 1, id="token expired"),
        pytest.param("403", OpenEdxRefused, "refused", False, 1, id="not staff"),
        pytest.param("404", OpenEdxNotFound, "not_found", False, 1, id="404"),
        pytest.param("html:404", OpenEdxNotFound, "not_found", False, 1, id="404 of a proxy"),
        pytest.param("429", OpenEdxThrottled, "throttled", True, 1, id="429"),
        pytest.param("500", OpenEdxUnreachable, "unreachable", True, 1, id="500"),
        pytest.param("502", OpenEdxUnreachable, "unreachable", True, 3, id="502"),
        pytest.param("503", OpenEdxUnreachable, "unreachable", True, 3, id="503"),
        pytest.param("504", OpenEdxTimeout, "timeout", True, 3, id="504"),
        pytest.param("599", OpenEdxUnreachable, "unreachable", True, 1, id="599"),
        pytest.param("close", OpenEdxUnreachable, "unreachable", True, 3, id="closed"),
        pytest.param("truncated", OpenEdxUnreachable, "unreachable", True, 1, id="cut off"),
        pytest.param("400", OpenEdxNonsense, "nonsense", True, 1, id="400"),
        pytest.param("408", OpenEdxNonsense, "nonsense", True, 1, id="408"),
        pytest.param("redirect", OpenEdxNonsense, "nonsense", True, 1, id="redirect"),
        pytest.param("html", OpenEdxNonsense, "nonsense", True, 1, id="HTML with status 200"),
        pytest.param("html:203", OpenEdxNonsense, "nonsense", True, 1, id="another success"),
        pytest.param("malformed", OpenEdxNonsense, "nonsense", True, 1, id="broken JSON"),
        pytest.param("json: ", OpenEdxNonsense, "nonsense", True, 1, id="a blank"),
        pytest.param("json:\ufeff[]", OpenEdxNonsense, "nonsense", True, 1, id="a BOM"),
        pytest.param(f"json:{DEEP_JSON}", OpenEdxNonsense, "nonsense", True, 1, id="deep JSON"),
        pytest.param("empty-object", OpenEdxNonsense, "nonsense", True, 1, id="empty object"),
        pytest.param('json:{"a": 1, "a": 1}', OpenEdxNonsense, "nonsense", True, 1, id="key twice"),
        pytest.param(
            "repeated-key", UnusableGrade, "unusable_grade", True, 1, id="key twice in the grade"
        ),
    ],
)
def test_every_failure_has_its_error_and_is_asked_again_where_that_can_help(
    openedx: SimulatedOpenEdx,
    client: OpenEdxClient,
    fault: str,
    error: type[OpenEdxError],
    code: str,
    retryable: bool,
    asked: int,
):
    openedx.set_fault(fault)

    failure = fail(client)

    assert type(failure) is error
    assert (failure.code, failure.retryable) == (code, retryable)
    assert "\n" not in str(failure)
    assert "service-worker-token" not in str(failure)
    assert openedx.request_count == asked


@pytest.mark.parametrize("fault", ["502", "503", "504", "close"])
def test_a_failure_that_passes_is_not_noticed(
    openedx: SimulatedOpenEdx, client: OpenEdxClient, fault: str
):
    openedx.set_fault(Fault(fault, count=1))

    assert client.fetch_grade(COURSE_ID, "alice").passed
    assert openedx.request_count == 2


def test_different_failures_in_a_row_may_pass(openedx: SimulatedOpenEdx, client: OpenEdxClient):
    openedx.set_fault(Fault("503", count=1), Fault("close", count=1))

    assert client.fetch_grade(COURSE_ID, "alice").passed
    assert openedx.request_count == 3


def test_a_learner_is_not_waited_for_as_long_as_open_edx_asks(
    openedx: SimulatedOpenEdx, client: OpenEdxClient
):
    openedx.set_fault(Fault("503", count=1, retry_after=3600))

    assert client.fetch_grade(COURSE_ID, "alice").passed


class TestNotFound:
    @pytest.mark.parametrize(
        "code", ["user_does_not_exist", "user_not_enrolled", "course_not_open"]
    )
    def test_open_edx_tells_what_it_does_not_know(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, code: str
    ):
        openedx.set_fault(f"404:{code}")

        failure = fail(client)

        assert isinstance(failure, OpenEdxNotFound)
        assert failure.error_code == code
        assert code in str(failure)

    @pytest.mark.parametrize(
        "fault",
        [
            pytest.param("html:404", id="an HTML page"),
            pytest.param("404:not\na word", id="two lines"),
            pytest.param("404:ünknown", id="not ASCII"),
            pytest.param("404: ", id="a blank"),
            pytest.param("404:" + "a" * 65, id="too long"),
        ],
    )
    def test_what_is_no_word_is_not_passed_on(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, fault: str
    ):
        openedx.set_fault(fault)

        failure = fail(client)

        assert isinstance(failure, OpenEdxNotFound)
        assert failure.error_code is None
        assert str(failure).startswith("Open edX does not know it (404")


class TestRetryAfter:
    @pytest.mark.parametrize("status", ["429", "500", "503"])
    def test_seconds_are_passed_on(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, status: str
    ):
        openedx.set_fault(f"{status}:120")

        assert fail(client).retry_after == 120

    def test_a_date_becomes_seconds(self, openedx: SimulatedOpenEdx, client: OpenEdxClient):
        openedx.set_fault("429-date:3600")

        assert fail(client).retry_after == pytest.approx(3600, abs=60)

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            pytest.param("0", 0, id="zero"),
            pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0, id="a date gone by"),
            pytest.param("soon", None, id="a word"),
            pytest.param("-5", None, id="a negative number"),
            pytest.param("1e3", None, id="a float"),
            pytest.param("9" * 5000, None, id="five thousand digits"),
            pytest.param("Mon, 99 Foo 2026 99:99:99 GMT", None, id="no date of a calendar"),
            pytest.param("Fri, 31 Dec 999999 23:59:59 GMT", None, id="a year too far"),
            pytest.param("", None, id="none"),
        ],
    )
    def test_nonsense_is_none(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, header: str, seconds: float | None
    ):
        openedx.set_fault(Fault("429", retry_after=header))

        assert fail(client).retry_after == seconds


class TestNoConnection:
    def test_a_refused_connection_is_no_timeout(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        failure = fail(make_client(f"http://127.0.0.1:{port}"))

        assert type(failure) is OpenEdxUnreachable

    def test_an_answer_to_tls_in_clear_is_unreachable(self):
        with ScriptedServer(Answer(http(b"[]"))) as server:
            server_speaks_no_tls = f"https://127.0.0.1:{server.port}"
            # It waits for the end of a head that never comes, as a web server would.
            failure = fail(make_client(server_speaks_no_tls, timeout=1.0))

        assert isinstance(failure, OpenEdxUnreachable)


class TestTheCause:
    """What failed is told in the error's text, without addresses."""

    def test_a_refused_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        failure = fail(make_client(f"http://127.0.0.1:{port}"))

        assert str(failure) == (
            "The connection to Open edX failed (ConnectionRefusedError: Connection refused)."
        )

    @pytest.mark.parametrize(
        ("answer", "cause"),
        [
            pytest.param(b"", "RemoteDisconnected|ProtocolError", id="closed"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", "IncompleteRead", id="cut"
            ),
            pytest.param(
                b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "BadStatusLine|ProtocolError", id="not HTTP"
            ),
            pytest.param(http(b"[]", "Content-Encoding: gzip"), "error", id="no gzip"),
        ],
    )
    def test_an_answer_that_breaks_off_or_breaks_http(self, answer: bytes, cause: str):
        with ScriptedServer(Answer(answer, is_last=True)) as server:
            failure = fail(make_client(server.url))

        # urllib3-future has one name for several.
        assert str(failure) in {
            f"The connection to Open edX failed ({name})." for name in cause.split("|")
        }

    def test_a_name_that_can_not_be_resolved(self):
        # Too long for any name: the resolver says so without asking anybody.
        failure = fail(make_client(f"http://{'.'.join(['x' * 60] * 5)}.test"))

        assert type(failure) is OpenEdxUnreachable
        assert str(failure).startswith("The name of Open edX's host can't be resolved (gaierror")
        assert "xxx" not in str(failure)

    @pytest.mark.parametrize(
        ("certificate", "is_trusted", "cause"),
        [
            pytest.param({"expires_in": -DAY}, True, "certificate has expired", id="expired"),
            pytest.param({"host": "elsewhere.test"}, True, "Hostname mismatch", id="wrong host"),
            pytest.param({"host": "localhost"}, False, "self-signed certificate", id="unknown"),
        ],
    )
    def test_a_certificate_that_is_not_good(
        self,
        certificate: dict[str, Any],
        is_trusted: bool,
        cause: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        tls = make_certificate(tmp_path / "tls.pem", **({"host": "localhost"} | certificate))
        make_certificate(tmp_path / "another.pem")
        trusted = tmp_path / ("tls.pem" if is_trusted else "another.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(trusted))

        with ScriptedServer(Answer(http(b"[]")), tls=tls) as server:
            failure = fail(make_client(f"https://localhost:{server.port}"))

            assert server.heads == []

        assert type(failure) is OpenEdxUnreachable
        assert str(failure) == (
            f"The connection to Open edX failed (SSLCertVerificationError: {cause})."
        )

    @pytest.mark.parametrize("status", ["401", "403"])
    def test_a_refusal_of_open_edx_is_told_from_a_firewalls(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, status: str
    ):
        openedx.set_fault(status)
        own = fail(client)
        openedx.set_fault(f"html:{status}")
        foreign = fail(client)

        assert (own.code, foreign.code) == ("refused", "refused")
        assert "our token" in str(own)
        assert "token" not in str(foreign)
        assert "look at the firewall or proxy in between" in str(foreign)

    @pytest.mark.parametrize("body", [b'{"message": "Forbidden"}', b'["detail"]', b"\xff", b""])
    def test_json_of_another_is_not_open_edxs(self, body: bytes):
        with ScriptedServer(Answer(http(body, status="403 Forbidden"))) as server:
            failure = fail(make_client(server.url))

        assert isinstance(failure, OpenEdxRefused)
        assert "Something before Open edX" in str(failure)

    def test_a_page_that_is_not_found_is_told_from_a_learner(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient
    ):
        openedx.set_fault("html:404")

        assert "not Open edX's JSON" in str(fail(client))


class TestWhatWeLack:
    """A failure of ours is no outage of Open edX."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_file_descriptors(self, openedx: SimulatedOpenEdx, client: OpenEdxClient, host: str):
        client = make_client(openedx.url.replace("127.0.0.1", host))

        with without_file_descriptors(), pytest.raises(CannotAsk, match="Too many open files"):
            client.fetch_grade(COURSE_ID, "alice")

        assert client.fetch_grade(COURSE_ID, "alice").passed

    @pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=str)
    def test_a_bundle_of_certificates(
        self, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        bundle = tmp_path / "bundle.pem"
        if content is not None:
            bundle.write_bytes(content)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(bundle))
        tls = make_certificate(tmp_path / "tls.pem")

        with (
            ScriptedServer(Answer(http(b"[]")), tls=tls) as server,
            pytest.raises(CannotAsk, match="bundle of trusted certificates") as caught,
        ):
            make_client(server.url).fetch_grade(COURSE_ID, "alice")

        assert os.fspath(tmp_path) not in str(caught.value)


class TestOddBodies:
    def test_an_answer_over_the_limit_is_nonsense(
        self, openedx: SimulatedOpenEdx, client: OpenEdxClient, monkeypatch: pytest.MonkeyPatch
    ):
        openedx.set_grade(COURSE_ID, "alice", letter_grade="B" * 2000)
        monkeypatch.setattr(client_module, "ONE_ANSWER_MAX", 1000)

        failure = fail(client)

        assert type(failure) is OpenEdxNonsense
        assert "over 1000 bytes" in str(failure)

    def test_the_limit_is_on_what_is_unpacked(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(client_module, "ONE_ANSWER_MAX", 100_000)
        packed = gzip.compress(b" " * 10_000_000)

        with ScriptedServer(Answer(http(packed, "Content-Encoding: gzip"))) as server:
            failure = fail(make_client(server.url))

        assert "over 100000 bytes" in str(failure)

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(http(b"[\xff]"), id="not UTF-8"),
            pytest.param(http(b"", status="204 No Content"), id="no content"),
            pytest.param(http(b"[]", "Content-Encoding: gzip"), id="no gzip"),
            pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="not HTTP"),
            pytest.param(
                http(b"nonsense", "Transfer-Encoding: chunked", has_length=False),
                id="broken chunks",
            ),
            pytest.param(
                http(b"[]", *(f"X-{number}: 1" for number in range(200))), id="200 headers"
            ),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        ],
    )
    def test_an_answer_that_breaks_http_is_one_of_our_errors(self, answer: bytes):
        # Which one depends on the library: urllib3 and urllib3-future differ in what they forgive.
        with ScriptedServer(Answer(answer, is_last=True)) as server:
            failure = fail(make_client(server.url))

        assert failure.retryable
        assert not isinstance(failure, OpenEdxTimeout)


class TestAnswersThatBreakHttp:
    @pytest.mark.parametrize(
        "head",
        [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
            "HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:99999/\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
        ],
        ids=["a negative chunk", "half an address", "a port too high", "no text"],
    )
    def test_they_come_out_in_our_words(self, head: str):
        answer = Answer(head.encode("latin-1"), is_last=True)

        with ScriptedServer(answer) as server, pytest.raises(OpenEdxError):
            make_client(server.url).fetch_grade("course-v1:MITx+1x+1T2026", "dana")

    def test_the_body_of_a_redirect_is_read_within_the_limit(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(client_module, "ONE_ANSWER_MAX", 1000)
        bomb = gzip.compress(b" " * 10_000_000)
        head = (
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Encoding: gzip\r\n"
            f"Content-Length: {len(bomb)}\r\n\r\n"
        )
        answer = Answer(head.encode() + bomb, is_last=True)

        with ScriptedServer(answer) as server, pytest.raises(OpenEdxNonsense, match="over 1000"):
            make_client(server.url).fetch_grade("course-v1:MITx+1x+1T2026", "dana")
