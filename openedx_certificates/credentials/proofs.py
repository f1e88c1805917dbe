"""Signing a document as W3C's Data Integrity has it: the cryptosuite `eddsa-rdfc-2022`.

https://www.w3.org/TR/vc-di-eddsa/. What is signed is the meaning of the document, so that a verifier may
store it in another order; what its contexts do not know would be signed by nobody, and is refused here.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from pyld import jsonld

from openedx_certificates.credentials.keys import SigningKey, get_did

CREDENTIALS_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
# Two official copies of it differ, in `inLanguage` and `awardedDate` alone: no document here uses them.
OPEN_BADGES_CONTEXT: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
_FILES: Final = {
    CREDENTIALS_CONTEXT: "credentials-v2.json",
    OPEN_BADGES_CONTEXT: "open-badges-3.0.3.json",
}
_READ_DIFFERENTLY: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_RELATIVE: Final = "relative:/"
# PyLD keeps contexts in caches that two threads break for each other: one of them gets a KeyError.
_PYLD: Final = threading.Lock()
_FOLDER: Final = Path(__file__).resolve().parent / "contexts"


class UnknownTerm(Exception):
    """A document holds what others would read differently, or not at all."""


def sign(document: Mapping[str, Any], key: SigningKey, created: datetime) -> dict[str, Any]:
    """Return the document with a proof.

    Args:
        document: of JSON-LD, without a proof.
        key: of the issuer.
        created: when it is signed.

    Raises UnknownTerm.
    """
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-rdfc-2022",
        "created": to_json_date(created),
        "verificationMethod": f"{get_did()}#{key.id}",
        "proofPurpose": "assertionMethod",
    }
    proof = {**options, "proofValue": key.sign(make_hash(document, options))}
    return {**document, "proof": proof}


def make_hash(document: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """Return what is signed: the hashes of the proof's options and of the document, in canonical form."""
    parts = ({**options, "@context": document["@context"]}, document)
    return b"".join(hashlib.sha256(canonicalize(part).encode()).digest() for part in parts)


def canonicalize(document: Mapping[str, Any]) -> str:
    """Return the document's meaning, in a form that depends on nothing else (RDFC-1.0).

    Raises UnknownTerm, also for a control character: the canonical form escapes it, and PyLD does not.
    """
    options = {
        "algorithm": "URDNA2015",
        "format": "application/n-quads",
        "documentLoader": _load_context,
    }
    with _PYLD:
        _refuse_unknown_terms(document)
        form = str(jsonld.normalize(dict(document), options))
    if _READ_DIFFERENTLY.search(form):
        raise UnknownTerm("The document holds a control character.")
    return form


def to_json_date(moment: datetime) -> str:
    """Return a moment in UTC as XML Schema writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _refuse_unknown_terms(document: Mapping[str, Any]) -> None:
    def refuse(term: str) -> None:
        raise UnknownTerm(f"None of the document's contexts knows {term}.")

    expanded = jsonld.expand(
        dict(document),
        {"documentLoader": _load_context, "base": _RELATIVE},
        on_property_dropped=refuse,
    )
    for found in _list_types(expanded):
        # A type that is known has an address of its own.
        if found.startswith(_RELATIVE):
            refuse(found.removeprefix(_RELATIVE))


def _list_types(expanded: Any) -> Iterator[str]:
    if isinstance(expanded, list):
        for part in expanded:
            yield from _list_types(part)
    elif isinstance(expanded, dict):
        types = expanded.get("@type", [])
        yield from [types] if isinstance(types, str) else types
        for part in expanded.values():
            yield from _list_types(part)


def _load_context(url: str, _options: object = None) -> dict[str, Any]:
    """Return a context that comes with the app; nothing is fetched."""
    return {"contextUrl": None, "documentUrl": url, "document": read_context(url)}


@cache
def read_context(url: str) -> Any:
    """Return a context that comes with the app."""
    return json.loads((_FOLDER / _FILES[url]).read_text())
