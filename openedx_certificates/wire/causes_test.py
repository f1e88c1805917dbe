"""Which failures are ours and not Open edX's, of those that no test can bring about for real."""

import errno
import os

import pytest
import requests

from openedx_certificates.wire.causes import explain
from openedx_certificates.wire.exceptions import CannotAsk, OpenEdxUnreachable


def failed_with(number: int) -> requests.ConnectionError:
    return requests.ConnectionError(OSError(number, os.strerror(number)))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_what_this_machine_has_run_out_of_is_ours(number: int):
    failure = explain(failed_with(number))

    assert isinstance(failure, CannotAsk)
    assert os.strerror(number) in str(failure)


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNRESET])
def test_what_the_network_says_is_not(number: int):
    failure = explain(failed_with(number))

    assert isinstance(failure, OpenEdxUnreachable)
    assert os.strerror(number) in str(failure)


def test_a_text_that_is_not_the_operating_systems_is_not_told():
    refused = requests.exceptions.ProxyError(OSError("Tunnel connection failed: 403 http://x@y"))

    failure = explain(refused)

    assert str(failure) == "The connection to Open edX failed (ProxyError)."
