"""What is told of a site whose credentials could not be verified."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client

from openedx_certificates.credentials import checks
from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.testing.credentials import SITE, fetch

pytestmark = pytest.mark.django_db
TWICE = SigningKey.generate()


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = SITE


@pytest.mark.parametrize(
    ("values", "site", "found"),
    [
        ([], "", []),
        ([], "http://localhost", []),
        (["good", "good"], SITE, []),
        (["good"], SITE, ["W001"]),
        (["z6Mk"], SITE, ["E002"]),
        (["0OIl"], SITE, ["E002"]),
        (["/no/such/file", "good"], SITE, ["E002"]),
        (["twice", "twice"], SITE, ["E004"]),
        (["good", "good"], "http://certificates.example.org", ["E001"]),
        (["good", "good"], "https://certificates.example.org/path", ["E001"]),
    ],
)
def test_what_can_not_be_verified_is_told(
    settings: Any, values: list[str], site: str, found: list[str]
):
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = site
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [
        {"good": SigningKey.generate(), "twice": TWICE}[value].secret
        if value in ("good", "twice")
        else value
        for value in values
    ]

    told = run_checks(tags=[checks.TAG])

    assert [str(each.id).partition(".")[2] for each in told] == found
    assert not any(value in str(each) for each in told for value in values if len(value) > 5)


def test_a_key_that_signed_and_is_missing_is_an_error(
    client: Client, keys: list[SigningKey], certificate: Any, settings: Any
):
    fetch(client, certificate.uuid)
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [keys[1].secret]

    told = run_checks(tags=[checks.TAG], databases=["default"])

    assert {str(each.id).partition(".")[2] for each in told} == {"W001", "E003"}


def test_no_key_at_all_is_one_too_if_any_has_signed(
    client: Client, keys: list[SigningKey], certificate: Any, settings: Any
):
    fetch(client, certificate.uuid)
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = []

    told = run_checks(tags=[checks.TAG], databases=["default"])

    assert [each.id for each in told] == ["openedx_credentials.E003"]
