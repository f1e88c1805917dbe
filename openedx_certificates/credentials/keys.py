"""The keys that sign, and the document that tells others how to verify: did:web."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openedx_certificates.credentials import multibase
from openedx_certificates.settings import app_settings

# Multicodec's names for an Ed25519 key, before its 32 bytes.
_PRIVATE: Final = bytes.fromhex("8026")
_PUBLIC: Final = bytes.fromhex("ed01")
_KEY_BYTES: Final = 32
_CONTEXTS: Final = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]


class BadKey(Exception):
    """A key can't be read. The text tells which one, and nothing of what it holds."""


class NotConfigured(Exception):
    """This site signs nothing."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of Ed25519."""

    private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> Self:
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, secret: str) -> Self:
        """Return the key of a secret in multibase, as `secret` writes it.

        Raises BadKey.
        """
        try:
            data = multibase.decode(secret)
        except ValueError as error:
            raise BadKey("is not a key in multibase") from error.with_traceback(None)
        if data[: len(_PRIVATE)] != _PRIVATE or len(data) != len(_PRIVATE) + _KEY_BYTES:
            raise BadKey("is not a secret key of Ed25519")
        return cls(Ed25519PrivateKey.from_private_bytes(data[len(_PRIVATE) :]))

    @property
    def secret(self) -> str:
        """The secret, in multibase."""
        return multibase.encode(_PRIVATE + self.private.private_bytes_raw())

    @property
    def id(self) -> str:
        """The public key, in multibase: what others know it by."""
        return multibase.encode(_PUBLIC + self.private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> str:
        """Return the signature, in multibase."""
        return multibase.encode(self.private.sign(data))

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"


def load_keys() -> list[SigningKey]:
    """Return the site's keys; the first one signs, the others verify what they signed.

    Raises NotConfigured if there is none, BadKey.
    """
    if not app_settings.CREDENTIAL_KEYS or not app_settings.CREDENTIAL_SITE:
        raise NotConfigured
    return _load(tuple(app_settings.CREDENTIAL_KEYS))


def get_did() -> str:
    """Return the issuer's identifier: a verifier reads our keys at the site it names."""
    return f"did:web:{quote(urlsplit(app_settings.CREDENTIAL_SITE).netloc, safe='')}"


def describe_keys(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """Return the DID document, which has the public keys."""
    did = get_did()
    methods = [
        {
            "id": f"{did}#{key.id}",
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": key.id,
        }
        for key in keys
    ]
    return {
        "@context": _CONTEXTS,
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }


# Files are read once: a key that changes under a running site is not meant.
@lru_cache(maxsize=4)
def _load(entries: tuple[str, ...]) -> list[SigningKey]:
    return [_load_one(number, entry) for number, entry in enumerate(entries, start=1)]


def _load_one(number: int, entry: str) -> SigningKey:
    """Return the key of an entry: a secret, or the path of a file with one."""
    try:
        secret = Path(entry).read_text().strip() if entry.startswith("/") else entry.strip()
        return SigningKey.parse(secret)
    except (OSError, UnicodeDecodeError) as error:
        raise BadKey(f"Key {number} can't be read: {type(error).__name__}.") from None
    except BadKey as error:
        raise BadKey(f"Key {number} {error}.") from None
