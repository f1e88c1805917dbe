"""Bitstring Status Lists, read as the standard has it."""

import base64
import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openedx_certificates.credentials.status_lists import (
    PLACES,
    build_list,
    encode_bits,
    make_entry,
)

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = "https://certificates.example.org"


def decode(text: str) -> bytes:
    assert text.startswith("u")
    padded = text[1:] + "=" * (-(len(text) - 1) % 4)
    return gzip.decompress(base64.urlsafe_b64decode(padded))


@pytest.mark.parametrize(
    ("place", "byte", "bits"),
    [(0, 0, 0b10000000), (1, 0, 0b01000000), (7, 0, 1), (8, 1, 0b10000000), (PLACES - 1, -1, 1)],
)
def test_a_place_is_a_bit_and_the_first_is_the_highest(place: int, byte: int, bits: int):
    found = decode(encode_bits([place]))

    assert found[byte] == bits
    assert sum(found) == bits


def test_a_list_hides_each_credential_among_131072():
    assert 8 * len(decode(encode_bits([]))) == 131_072


def test_a_credential_names_its_list_and_its_place_in_it():
    entry = make_entry(PLACES + 5)

    assert entry["statusListCredential"] == "https://certificates.example.org/credentials/status/2"
    assert entry["statusListIndex"] == "5"
    assert build_list(2, [5], NOW, timedelta(minutes=5))["id"] == entry["statusListCredential"]


def test_a_list_is_good_for_as_long_as_it_says_and_for_a_clock_that_is_behind():
    made = build_list(1, [], NOW, timedelta(minutes=5))

    assert (made["validFrom"], made["validUntil"]) == (
        "2026-11-27T11:55:00Z",
        "2026-11-27T12:05:00Z",
    )
