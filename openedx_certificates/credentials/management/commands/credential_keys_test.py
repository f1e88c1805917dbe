"""Making, listing and forgetting keys, as an operator does it."""

import io
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client

from openedx_certificates.credentials import checks
from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.testing.credentials import fetch, read, verify

pytestmark = pytest.mark.django_db


def test_makes_a_key_that_signs(settings: Any):
    out, told = io.StringIO(), io.StringIO()

    call_command("credential_keys", "--new", stdout=out, stderr=told)

    key = SigningKey.parse(out.getvalue().strip())
    assert key.id in told.getvalue()


def test_lists_the_keys_with_what_they_signed(
    client: Client, keys: list[SigningKey], certificate: Any
):
    fetch(client, certificate.uuid)
    out = io.StringIO()

    call_command("credential_keys", stdout=out)

    first, second = out.getvalue().splitlines()
    assert first == f"{keys[0].id}  signs  1 credentials"
    assert second == f"{keys[1].id}  verifies  0 credentials"
    assert not any(key.secret in out.getvalue() for key in keys)


def test_forgets_a_stolen_key_so_that_another_signs(
    client: Client, keys: list[SigningKey], certificate: Any, settings: Any
):
    stolen, new = keys
    fetch(client, certificate.uuid)
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [new.secret]

    call_command("credential_keys", "--forget", stolen.id, stdout=io.StringIO())

    verify(read(fetch(client, certificate.uuid)), new.id)
    told = run_checks(tags=[checks.TAG], databases=["default"])
    assert not any(each.id == "openedx_credentials.E003" for each in told)


def test_without_a_key_ends_with_a_reason():
    with pytest.raises(CommandError, match="no key"):
        call_command("credential_keys")
