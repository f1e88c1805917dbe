"""Credentials as others see them: verifiers from npm and PyPI, unchanged, ask the running site by HTTPS."""

import json
import os
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.utils import timezone
from openvc.proof.data_integrity import DataIntegrityProofSuite, SignatureInvalid

from courses.factories import CourseRunCertificateFactory
from courses.models import CourseRunCertificate
from openedx_certificates.credentials import proofs
from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.credentials.proofs import OPEN_BADGES_CONTEXT
from openedx_certificates.testing.tls import make_certificate
from site_tests.processes import Programs, is_open
from tools.processes import Program, find_free_port, wait_until

VERIFIERS = settings.BASE_DIR / "site_tests" / "verifiers"
NPM, NODE = shutil.which("npm"), shutil.which("node")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="session")
def verifiers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the verifiers, with what their lock file names."""
    if NPM is None or NODE is None:
        pytest.skip("These verifiers of others run on Node.js, which is not here.")
    folder = tmp_path_factory.mktemp("verifiers")
    for name in ("package.json", "package-lock.json", "verify.mjs"):
        shutil.copy(VERIFIERS / name, folder)
    subprocess.run(
        [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True
    )
    return folder


@dataclass
class SignedSite:
    """A site that signs, by HTTPS on this machine."""

    programs: Programs
    folder: Path
    get_verifiers: Callable[[], Path]
    port: int = field(default_factory=find_free_port)
    keys: list[SigningKey] = field(
        default_factory=lambda: [SigningKey.generate(), SigningKey.generate()]
    )
    server: Program | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def bundle(self) -> Path:
        """The authorities that a client trusts."""
        return self.folder / "server.pem"

    def start(self, *, expires_in: timedelta = timedelta(days=1)) -> None:
        """Serve with the keys as they are; what ran before is ended."""
        self.end()
        make_certificate(self.bundle, host="localhost", expires_in=expires_in)
        self.server = self.programs.start_tls_web_server(
            self.port,
            self.bundle,
            SITE_BASE_URL=self.url,
            ALLOWED_HOSTS="localhost",
            CREDENTIAL_KEYS=",".join(key.secret for key in self.keys),
        )

    def end(self) -> None:
        if self.server is not None:
            self.server.kill()
            # Its workers end a moment later, and share the port until then.
            wait_until(lambda: not is_open(self.port))

    def fetch(self, certificate: CourseRunCertificate) -> dict[str, Any]:
        """Return the certificate's credential."""
        address = f"{self.url}/certificate/{certificate.uuid}/credential/"
        reply = requests.get(address, verify=str(self.bundle), timeout=30)
        reply.raise_for_status()
        return reply.json()

    def ask_others(self, credential: dict[str, Any]) -> dict[str, tuple[bool, bool | None]]:
        """Return of each verifier whether it takes the credential for good, and for revoked."""
        found = self._ask(credential)
        return {name: (each["isGood"], each["isRevoked"]) for name, each in found.items()}

    def why_refused(self, credential: dict[str, Any]) -> str:
        """Return what one of them says, the one with words; both must refuse it."""
        found = self._ask(credential)
        assert [each["isGood"] for each in found.values()] == [False, False]
        return str(found["bazaar"]["error"])

    def _ask(self, credential: dict[str, Any]) -> dict[str, dict[str, Any]]:
        file = self.folder / "credential.json"
        file.write_text(json.dumps(credential))
        output = subprocess.run(
            [str(NODE), "verify.mjs", str(file)],
            cwd=self.get_verifiers(),
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self.bundle)},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        answers: dict[str, dict[str, Any]] = json.loads(output)
        return answers


@pytest.fixture
def site(programs: Programs, tmp_path: Path, request: pytest.FixtureRequest) -> SignedSite:
    return SignedSite(programs, tmp_path, lambda: request.getfixturevalue("verifiers"))


@pytest.fixture
def certificate(db: None) -> CourseRunCertificate:
    return CourseRunCertificateFactory.create(user__name="Ana Díaz")


# One of them takes a revoked credential for well signed, and tells that it was revoked; the other takes
# it for no good one.
GOOD = {"bazaar": (True, False), "core": (True, False)}
REVOKED = {"bazaar": (True, True), "core": (False, True)}


def test_a_credential_is_good(site: SignedSite, certificate: CourseRunCertificate):
    site.start()

    assert site.ask_others(site.fetch(certificate)) == GOOD


def test_a_revoked_one_is_told_and_good_again_when_it_is_given_back(
    site: SignedSite, certificate: CourseRunCertificate
):
    site.start()
    credential = site.fetch(certificate)
    certificate.is_revoked = True
    certificate.save()

    assert site.ask_others(credential) == REVOKED

    certificate.is_revoked = False
    certificate.save()
    # What was signed a minute ago at most goes with the process.
    site.start()

    assert site.ask_others(credential) == GOOD


def test_of_a_deleted_certificate_it_is_revoked(
    site: SignedSite, certificate: CourseRunCertificate
):
    site.start()
    credential = site.fetch(certificate)
    certificate.delete()

    assert site.ask_others(credential) == REVOKED


def test_a_verifier_of_pypi_says_the_same(site: SignedSite, certificate: CourseRunCertificate):
    site.start()
    credential = site.fetch(certificate)
    contexts = {OPEN_BADGES_CONTEXT: proofs.read_context(OPEN_BADGES_CONTEXT)}
    public = site.keys[0].private.public_key().public_bytes_raw()
    key = {"kty": "OKP", "crv": "Ed25519", "x": urlsafe_b64encode(public).decode().rstrip("=")}

    def verify() -> str:
        suite = DataIntegrityProofSuite()
        return suite.verify(credential, public_key_jwk=key, extra_contexts=contexts).issuer

    assert verify() == f"did:web:localhost%3A{site.port}"
    change_name(credential)
    with pytest.raises(SignatureInvalid):
        verify()


def change_name(credential: dict[str, Any]) -> None:
    credential["credentialSubject"]["identifier"][0]["identityHash"] = "Mallory"


def change_course(credential: dict[str, Any]) -> None:
    credential["credentialSubject"]["achievement"]["name"] = "Quantum Mechanics"


def change_date(credential: dict[str, Any]) -> None:
    credential["validFrom"] = "2001-01-01T00:00:00Z"


def change_place_in_the_list(credential: dict[str, Any]) -> None:
    credential["credentialStatus"]["statusListIndex"] = "1"


@pytest.mark.parametrize(
    "change", [change_name, change_course, change_date, change_place_in_the_list]
)
def test_a_changed_one_is_refused(
    site: SignedSite,
    certificate: CourseRunCertificate,
    change: Callable[[dict[str, Any]], None],
):
    site.start()
    credential = site.fetch(certificate)
    change(credential)

    assert "Invalid signature" in site.why_refused(credential)


def test_after_a_rotation_the_old_and_the_new_are_good(
    site: SignedSite, certificate: CourseRunCertificate
):
    site.start()
    old = site.fetch(certificate)
    site.keys.reverse()
    site.start()
    new = site.fetch(CourseRunCertificateFactory.create())

    assert old["proof"]["verificationMethod"] != new["proof"]["verificationMethod"]
    assert site.ask_others(old) == GOOD
    assert site.ask_others(new) == GOOD


def test_by_a_key_that_the_site_does_not_know_it_is_refused(
    site: SignedSite, certificate: CourseRunCertificate, settings: Any
):
    site.start()
    credential = site.fetch(certificate)
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = site.url
    stranger, unsigned = SigningKey.generate(), dict(credential)
    del unsigned["proof"]

    forged = proofs.sign(unsigned, stranger, timezone.now())

    assert stranger.id in site.why_refused(forged)


def test_a_site_with_an_expired_certificate_of_tls_is_not_believed(
    site: SignedSite, certificate: CourseRunCertificate
):
    site.start()
    credential = site.fetch(certificate)
    site.start(expires_in=timedelta(hours=-1))

    assert "expired" in site.why_refused(credential)


@pytest.mark.parametrize(
    "odd", ["Ana \x08Díaz\x7f", "\u202eevil", "Ана 🎓", "N" * 255, "a\u0301 \u200d"]
)
def test_whatever_a_name_is_made_of_others_read_the_same(site: SignedSite, odd: str):
    site.start()
    fields = {"user__name": odd, "course_run__course__title": f"Statistics\x0b{odd[:200]}"}

    assert site.ask_others(site.fetch(CourseRunCertificateFactory.create(**fields))) == GOOD
