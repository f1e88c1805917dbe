"""Proofs, by the example that W3C publishes, and by changing what was signed."""

import copy
import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from openedx_certificates.credentials import proofs
from openedx_certificates.credentials.badges import Holder, build_badge
from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.credentials.status_lists import make_entry
from openedx_certificates.testing.credentials import verify
from openedx_certificates.testing.scenes import at_once

SIGNED_ON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
# https://www.w3.org/TR/vc-di-eddsa/, "Representation: eddsa-rdfc-2022", with its key.
W3C_KEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
W3C_EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
W3C_DOCUMENT = {
    "@context": ["https://www.w3.org/ns/credentials/v2", W3C_EXAMPLES],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
W3C_OPTIONS = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-rdfc-2022",
    "created": "2023-02-24T23:36:38Z",
    "verificationMethod": f"did:key:{W3C_KEY}#{W3C_KEY}",
    "proofPurpose": "assertionMethod",
}
W3C_DOCUMENT_HASH = "517744132ae165a5349155bef0bb0cf2258fff99dfe1dbd914b938d775a36017"
W3C_OPTIONS_HASH = "bea7b7acfbad0126b135104024a5f1733e705108f42d59668b05c0c50004c6b0"
W3C_PROOF = (
    "z2YwC8z3ap7yx1nZYCg4L3j3ApHsF8kgPdSb5xoS1VR7vPG3F561B52hYnQF9iseabecm3ijx4K1FBTQsCZahKZme"
)


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The context of W3C's example, which no document of ours has."""
    context = tmp_path / "examples.json"
    context.write_text('{"@context": {"@vocab": "https://www.w3.org/ns/credentials/examples#"}}')
    monkeypatch.setitem(proofs._FILES, W3C_EXAMPLES, str(context))


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = "https://certificates.example.org"


def badge() -> dict[str, Any]:
    return build_badge(
        address="https://certificates.example.org/certificate/1/credential/",
        course_id="course-v1:MITxT+18.6501x+R1",
        title="Fundamentals of Statistics",
        holder=Holder("Ana Díaz", "ana@example.com", "00ff"),
        issued_on=SIGNED_ON,
        status=make_entry(7),
    )


@pytest.mark.usefixtures("examples")
class TestTheExampleOfW3C:
    def test_its_canonical_form_comes_out(self):
        found = hashlib.sha256(proofs.canonicalize(W3C_DOCUMENT).encode()).hexdigest()

        assert found == W3C_DOCUMENT_HASH

    def test_what_is_signed_comes_out(self):
        hashes = proofs.make_hash(W3C_DOCUMENT, W3C_OPTIONS)

        assert hashes.hex() == W3C_OPTIONS_HASH + W3C_DOCUMENT_HASH

    def test_its_proof_verifies(self):
        verify({**W3C_DOCUMENT, "proof": {**W3C_OPTIONS, "proofValue": W3C_PROOF}}, W3C_KEY)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value of a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in pairs:
        if isinstance(part, dict | list):
            yield from leaves(part, (*path, name))
        else:
            yield (*path, name)


def test_each_value_of_a_badge_is_signed(key: SigningKey):
    signed = proofs.sign(badge(), key, SIGNED_ON)
    verify(signed, key.id)

    for path in leaves(signed):
        changed = copy.deepcopy(signed)
        place = changed
        for name in path[:-1]:
            place = place[name]
        value = place[path[-1]]
        place[path[-1]] = not value if isinstance(value, bool) else f"{value}x"
        if "@context" in path:
            # No other is known here at all.
            continue
        if path[-1] == "proofValue":
            place[path[-1]] = f"z1{value[1:]}"

        # Of another type, its words are no longer known.
        with pytest.raises((InvalidSignature, proofs.UnknownTerm)):
            verify(changed, key.id)


def test_another_order_is_the_same_credential(key: SigningKey):
    signed = proofs.sign(badge(), key, SIGNED_ON)

    verify(dict(reversed(signed.items())), key.id)


def test_many_sign_at_once(key: SigningKey):
    def sign_some() -> list[Any]:
        return [proofs.sign(badge(), key, SIGNED_ON) for _ in range(10)]

    alone = proofs.sign(badge(), key, SIGNED_ON)
    usual = sys.getswitchinterval()
    # Threads take turns within PyLD's shortest steps, as they seldom do by themselves.
    sys.setswitchinterval(1e-5)
    try:
        replies = at_once(*[sign_some] * 8)
    finally:
        sys.setswitchinterval(usual)

    assert replies == [[alone] * 10] * 8


def test_another_key_has_not_signed_it(key: SigningKey):
    signed = proofs.sign(badge(), key, SIGNED_ON)

    with pytest.raises(InvalidSignature):
        verify(signed, SigningKey.generate().id)


@pytest.mark.parametrize(
    "more",
    [
        {"gradeOfTheLearner": "A"},
        {"type": ["VerifiableCredential", "OpenBadgeCredential", "Diploma"]},
        {"credentialSchema": [{"id": "https://example.org/1", "type": "OurOwnSchema"}]},
        {"name": "Statistics\x0bin spring"},
    ],
)
def test_a_word_that_no_context_knows_is_not_signed(key: SigningKey, more: dict[str, Any]):
    with pytest.raises(proofs.UnknownTerm):
        proofs.sign({**badge(), **more}, key, SIGNED_ON)
