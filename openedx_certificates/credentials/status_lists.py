"""Which credentials were revoked: Bitstring Status Lists, https://www.w3.org/TR/vc-bitstring-status-list/.

A list is a bit for each place, and each credential has a random one: a verifier reads all of it, and the
site does not learn which credential was looked at.
"""

import base64
import gzip
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from openedx_certificates.credentials.keys import get_did
from openedx_certificates.credentials.proofs import CREDENTIALS_CONTEXT, to_json_date
from openedx_certificates.settings import app_settings

# The least that the standard allows, so that one credential is hidden among many.
PLACES: Final = 131_072
PURPOSE: Final = "revocation"


def address_of(number: int) -> str:
    """Return the address of a list; the first is number 1."""
    return f"{app_settings.CREDENTIAL_SITE}/credentials/status/{number}"


def make_entry(index: int) -> dict[str, Any]:
    """Return what a credential says of its status.

    Args:
        index: its place in all lists together.
    """
    number, place = divmod(index, PLACES)
    address = address_of(number + 1)
    return {
        "id": f"{address}#{place}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": PURPOSE,
        "statusListIndex": str(place),
        "statusListCredential": address,
    }


def build_list(
    number: int, revoked: Iterable[int], now: datetime, good_for: timedelta
) -> dict[str, Any]:
    """Return the credential that is a list, without a proof.

    Args:
        number: of the list.
        revoked: the places in it.
        now: when it is signed.
        good_for: how long a verifier may keep it.
    """
    address = address_of(number)
    return {
        "@context": [CREDENTIALS_CONTEXT],
        "id": address,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": get_did(),
        # A verifier whose clock is behind takes it, too.
        "validFrom": to_json_date(now - good_for),
        "validUntil": to_json_date(now + good_for),
        "credentialSubject": {
            "id": f"{address}#list",
            "type": "BitstringStatusList",
            "statusPurpose": PURPOSE,
            "encodedList": encode_bits(revoked),
        },
    }


def encode_bits(places: Iterable[int]) -> str:
    """Return the list's bits: place 0 is the highest bit of the first byte."""
    bits = bytearray(PLACES // 8)
    for place in places:
        bits[place // 8] |= 0x80 >> place % 8
    # No time of ours in it: the same list is the same text.
    packed = gzip.compress(bytes(bits), mtime=0)
    return "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
