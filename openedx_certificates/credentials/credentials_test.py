"""What a verifier is given: the keys, a credential, the list of what was revoked; and what is told of none."""

import base64
import gzip
import itertools
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from openedx_certificates.credentials.issuing import find_address
from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.credentials.models import Credential
from openedx_certificates.testing.credentials import SITE, fetch, read, verify
from openedx_certificates.testing.factories import (
    CourseRunCertificateDeletionFactory,
    CourseRunCertificateFactory,
)
from openedx_certificates.testing.scenes import at_once

pytestmark = pytest.mark.django_db
DID = "did:web:certificates.example.org"
minutes = (timedelta(seconds=61 * number) for number in itertools.count(1))


def is_revoked(client: Client, credential: dict[str, Any]) -> bool:
    """Whether the credential's list says so, read as the standard has it."""
    entry = credential["credentialStatus"]
    # In a minute in which nobody has asked yet.
    with time_machine.travel(timezone.now() + next(minutes)):
        listed = read(client.get(entry["statusListCredential"].removeprefix(SITE)))
    packed = listed["credentialSubject"]["encodedList"].removeprefix("u")
    bits = gzip.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    place = int(entry["statusListIndex"])
    return bool(bits[place // 8] & 0x80 >> place % 8)


class TestACredential:
    def test_says_who_earned_what_and_is_signed_by_the_first_key(
        self, client: Client, keys: list[SigningKey], certificate: Any
    ):
        reply = fetch(client, certificate.uuid)

        assert reply.status_code == 200
        assert reply["Content-Type"] == "application/vc"
        assert reply["Access-Control-Allow-Origin"] == "*"
        found = read(reply)
        assert found["id"] == f"{SITE}/certificate/{certificate.uuid}/credential/"
        assert found["issuer"]["id"] == DID
        subject = found["credentialSubject"]
        assert [each["identityHash"] for each in subject["identifier"]] == ["Ana Díaz"]
        assert subject["achievement"]["name"] == certificate.course_run.course.title
        assert found["proof"]["verificationMethod"] == f"{DID}#{keys[0].id}"
        verify(found, keys[0].id)

    def test_is_the_same_each_time(self, client: Client, keys: list[SigningKey], certificate: Any):
        assert fetch(client, certificate.uuid).content == fetch(client, certificate.uuid).content
        assert Credential.objects.count() == 1

    def test_has_nothing_of_the_address_but_a_hash_if_that_is_set(
        self, client: Client, keys: list[SigningKey], certificate: Any, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_CREDENTIAL_EMAIL_HASH = True

        reply = fetch(client, certificate.uuid)

        assert "ana@example.com" not in reply.text
        _name, address = read(reply)["credentialSubject"]["identifier"]
        assert address["hashed"]
        assert address["identityHash"].startswith("sha256$")

    def test_says_the_new_name_at_its_old_place_when_the_name_has_changed(
        self, client: Client, keys: list[SigningKey], certificate: Any, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_CREDENTIAL_EMAIL_HASH = True
        before = read(fetch(client, certificate.uuid))
        certificate.user.name = "Ana Díaz-Núñez"
        certificate.user.save()
        settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [key.secret for key in reversed(keys)]

        after = read(fetch(client, certificate.uuid))

        assert after["credentialSubject"]["identifier"][0]["identityHash"] == "Ana Díaz-Núñez"
        assert after["credentialStatus"] == before["credentialStatus"]
        assert (
            after["credentialSubject"]["identifier"][1]
            == before["credentialSubject"]["identifier"][1]
        )
        verify(after, keys[0].id)
        assert read(fetch(client, certificate.uuid)) == after

    def test_is_not_there_before_its_date(
        self, client: Client, keys: list[SigningKey], certificate: Any
    ):
        certificate.issue_date = timezone.now() + timedelta(days=1)
        certificate.save()

        assert fetch(client, certificate.uuid).status_code == 404
        assert not Credential.objects.exists()

    def test_is_there_at_once_also_if_this_process_has_a_clock_that_is_behind(
        self, client: Client, keys: list[SigningKey], certificate: Any
    ):
        with time_machine.travel(timezone.now() - timedelta(minutes=3)):
            assert fetch(client, certificate.uuid).status_code == 200

    def test_of_a_revoked_certificate_is_gone_and_comes_back_with_it(
        self, client: Client, keys: list[SigningKey], certificate: Any
    ):
        credential = read(fetch(client, certificate.uuid))
        certificate.is_revoked = True
        certificate.save()

        assert fetch(client, certificate.uuid).status_code == 410
        assert is_revoked(client, credential)

        certificate.is_revoked = False
        certificate.save()

        assert read(fetch(client, certificate.uuid)) == credential
        assert not is_revoked(client, credential)

    def test_of_a_deleted_certificate_is_revoked(
        self, client: Client, keys: list[SigningKey], certificate: Any
    ):
        credential = read(fetch(client, certificate.uuid))

        certificate.delete()

        assert fetch(client, certificate.uuid).status_code == 410
        assert is_revoked(client, credential)

    def test_of_a_certificate_that_was_deleted_before_anybody_asked_is_gone(
        self, client: Client, keys: list[SigningKey]
    ):
        deletion = CourseRunCertificateDeletionFactory.create()

        assert fetch(client, deletion.certificate_uuid).status_code == 410

    def test_of_an_old_key_is_verified_after_a_rotation(
        self, client: Client, keys: list[SigningKey], certificate: Any, settings: Any
    ):
        old, new = keys
        credential = read(fetch(client, certificate.uuid))
        settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [new.secret, old.secret]

        verify(credential, old.id)
        another = read(fetch(client, CourseRunCertificateFactory.create().uuid))
        verify(another, new.id)
        known = read(client.get("/.well-known/did.json"))["assertionMethod"]
        for each in (credential, another):
            assert each["proof"]["verificationMethod"] in known

    @pytest.mark.parametrize("path", ["credential/", "credential"])
    def test_of_no_certificate_is_a_404(self, client: Client, keys: list[SigningKey], path: str):
        assert client.get(f"/certificate/{uuid4()}/{path}", follow=True).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_many_that_ask_at_once_get_the_same(
    client: Client, keys: list[SigningKey], certificate: Any
):
    replies = at_once(*[lambda: Client().get(f"/certificate/{certificate.uuid}/credential/")] * 8)

    assert {reply.content for reply in replies} == {fetch(client, certificate.uuid).content}
    assert Credential.objects.count() == 1


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Decide which places are drawn next."""

    def draw(*drawn: int) -> None:
        left = iter(drawn)
        monkeypatch.setattr(secrets, "randbelow", lambda _below: next(left))

    return draw


class TestPlaces:
    def test_one_that_is_taken_is_drawn_again(
        self,
        client: Client,
        keys: list[SigningKey],
        certificate: Any,
        places: Callable[..., None],
    ):
        places(7, 7, 8)
        another = CourseRunCertificateFactory.create()

        found = [read(fetch(client, each.uuid)) for each in (certificate, another)]

        indexes = [each["credentialStatus"]["statusListIndex"] for each in found]
        assert indexes == ["7", "8"]

    def test_a_list_that_is_half_full_is_followed_by_the_next(
        self,
        client: Client,
        keys: list[SigningKey],
        certificate: Any,
        places: Callable[..., None],
    ):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO openedx_credentials_credential "
                "(created_on, updated_on, certificate_uuid, status_index, key_id, signed) "
                "SELECT now(), now(), gen_random_uuid(), n, 'z6Mk', '{}' "
                "FROM generate_series(0, 65535) AS n"
            )
        places(7)

        credential = read(fetch(client, certificate.uuid))

        assert credential["credentialStatus"]["statusListCredential"].endswith("/status/2")
        assert not is_revoked(client, credential)
        certificate.is_revoked = True
        certificate.save()
        assert is_revoked(client, credential)


class TestTheAddresses:
    def test_the_keys_are_told_without_their_secrets(self, client: Client, keys: list[SigningKey]):
        reply = client.get("/.well-known/did.json")

        document = read(reply)
        assert document["id"] == DID
        assert [each["publicKeyMultibase"] for each in document["verificationMethod"]] == [
            key.id for key in keys
        ]
        assert not any(key.secret in reply.text for key in keys)

    def test_a_list_is_signed(self, client: Client, keys: list[SigningKey]):
        reply = client.get("/credentials/status/1")

        assert reply["Content-Type"] == "application/vc"
        assert reply["Cache-Control"] == "public, max-age=240"
        verify(read(reply), keys[0].id)

    def test_a_list_is_signed_once_a_minute(self, client: Client, keys: list[SigningKey]):
        with time_machine.travel("2026-11-27T12:00:05Z", tick=False) as clock:
            first = client.get("/credentials/status/1").content
            clock.shift(50)
            assert client.get("/credentials/status/1").content == first
            clock.shift(10)
            assert client.get("/credentials/status/1").content != first

    @pytest.mark.parametrize("number", ["0", "2", "999999999999999999999999"])
    def test_a_list_that_is_none_is_a_404(
        self, client: Client, keys: list[SigningKey], number: str
    ):
        assert client.get(f"/credentials/status/{number}").status_code == 404

    @pytest.mark.parametrize(
        "path", ["/.well-known/did.json", "/credentials/status/1", "/certificate/{}/credential/"]
    )
    def test_nothing_is_taken_and_a_wallet_in_a_page_may_ask(
        self, client: Client, keys: list[SigningKey], path: str
    ):
        posted = client.post(path.format(uuid4()))
        asked = client.options(path.format(uuid4()))

        assert (posted.status_code, asked.status_code) == (405, 204)
        assert asked["Access-Control-Allow-Methods"] == "GET, HEAD"
        assert {posted["Access-Control-Allow-Origin"], asked["Access-Control-Allow-Origin"]} == {
            "*"
        }

    @pytest.mark.parametrize(
        "path", ["/.well-known/did.json", "/credentials/status/1", "/certificate/{}/credential/"]
    )
    def test_without_a_key_there_is_nothing(self, client: Client, certificate: Any, path: str):
        assert client.get(path.format(certificate.uuid)).status_code == 404
        assert find_address(certificate.uuid) is None

    def test_with_a_broken_key_it_is_a_503_and_nothing_unsigned(
        self, client: Client, keys: list[SigningKey], certificate: Any, settings: Any
    ):
        settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = ["z3u2secretbutbroken"]

        reply = fetch(client, certificate.uuid)

        assert reply.status_code == 503
        assert list(reply.json()) == ["error"]
        assert "secretbutbroken" not in reply.text


def test_the_admin_shows_what_was_signed(
    admin_client: Client, keys: list[SigningKey], certificate: Any
):
    fetch(admin_client, certificate.uuid)
    address = reverse("admin:openedx_credentials_credential_changelist")

    listed = admin_client.get(address, {"q": f"{SITE}/certificate/{certificate.uuid}/"})
    row = Credential.objects.get()
    shown = admin_client.get(reverse("admin:openedx_credentials_credential_change", args=[row.pk]))

    assert str(certificate.uuid) in listed.text
    assert f"{SITE}/certificate/{certificate.uuid}/credential/" in shown.text
    assert keys[0].id in shown.text
