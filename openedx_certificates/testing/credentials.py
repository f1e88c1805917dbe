"""What tests of credentials share: a site that signs, and a verifier."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.test import Client

from openedx_certificates.credentials import multibase, proofs

SITE = "https://certificates.example.org"


def fetch(client: Client, uuid: object) -> Any:
    """Ask for the credential of a certificate."""
    return client.get(f"/certificate/{uuid}/credential/")


def read(reply: Any) -> dict[str, Any]:
    """Return what the reply says, of whatever type of JSON it is."""
    return json.loads(reply.content)


def verify(document: dict[str, Any], key_id: str) -> None:
    """Raise InvalidSignature if the proof is not the key's, or of another document."""
    options = dict(document["proof"])
    signature = multibase.decode(options.pop("proofValue"))
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    public = Ed25519PublicKey.from_public_bytes(multibase.decode(key_id)[2:])
    public.verify(signature, proofs.make_hash(unsigned, options))
