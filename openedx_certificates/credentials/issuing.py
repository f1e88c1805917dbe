"""From a certificate to its credential: signed when it is asked for first, and kept."""

import secrets
import time
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from unicodedata import category
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from openedx_certificates import host
from openedx_certificates.credentials import badges, proofs, status_lists
from openedx_certificates.credentials.keys import SigningKey, load_keys
from openedx_certificates.credentials.models import Credential
from openedx_certificates.logs import get_logger
from openedx_certificates.models import CourseRunCertificateDeletion
from openedx_certificates.public_names import get_public_name
from openedx_certificates.settings import app_settings

log = get_logger(__name__)

#: How long a verifier may keep a list of what was revoked, and for how long it is signed once here.
LIST_GOOD_FOR: Final = timedelta(minutes=5)
LIST_KEPT_SECONDS: Final = 60
#: As many as there are places that the column can hold.
LISTS_MAX: Final = 2**31 // status_lists.PLACES
# A random place of a list that is half full is free at the second try.
_FILL: Final = status_lists.PLACES // 2
_TRIES: Final = 50
_REVOKED: Final = """
SELECT credential.status_index - %(first)s
FROM openedx_credentials_credential AS credential
LEFT JOIN {certificates} AS certificate ON certificate.uuid = credential.certificate_uuid
WHERE credential.status_index BETWEEN %(first)s AND %(last)s
AND (certificate.uuid IS NULL OR certificate.is_revoked)
"""


class Absence(StrEnum):
    """Why there is no credential."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"


def get_address(certificate_uuid: UUID) -> str:
    """Return where the credential of a certificate is."""
    return f"{app_settings.CREDENTIAL_SITE}/certificate/{certificate_uuid}/credential/"


def find_address(certificate_uuid: UUID) -> str | None:
    """Return where the credential of a certificate is; None if this site signs none."""
    is_configured = app_settings.CREDENTIAL_KEYS and app_settings.CREDENTIAL_SITE
    return get_address(certificate_uuid) if is_configured else None


def get_or_issue(certificate_uuid: UUID) -> dict[str, Any] | Absence:
    """Return the credential of a certificate, signed now if it is asked for the first time.

    It is signed again, at its place in the lists, if the certificate's page says something else by now,
    such as another name. Repeatable, also at the same time: of simultaneous first ones all get what one has
    stored.

    Raises NotConfigured and BadKey, if there is no key to sign with, and Django's database errors.
    """
    keys = load_keys()
    certificate = host.find_certificate(certificate_uuid)
    found = Credential.objects.filter(certificate_uuid=certificate_uuid).first()
    if certificate is None:
        was_deleted = CourseRunCertificateDeletion.objects.filter(certificate_uuid=certificate_uuid)
        is_gone = found is not None or was_deleted.exists()
        return Absence.REVOKED if is_gone else Absence.UNKNOWN
    if certificate.is_revoked:
        return Absence.REVOKED
    if not certificate.is_issued:
        return Absence.UNKNOWN
    if found is None:
        return _issue(certificate, keys[0]).signed
    return _keep_up(found, certificate, keys)


def sign_list(number: int) -> dict[str, Any] | None:
    """Return a signed list of what was revoked a minute ago at most; None if there is no such list.

    Raises what `get_or_issue` raises.
    """
    key = load_keys()[0]
    if not 1 <= number <= LISTS_MAX or number > _count_lists():
        return None
    minute = int(time.time()) // LIST_KEPT_SECONDS
    return _sign_list(number, key, app_settings.CREDENTIAL_SITE, minute)


# In the process and in no cache: what is asked without a token must not depend on another server.
@lru_cache(maxsize=8)
def _sign_list(number: int, key: SigningKey, _site: str, _minute: int) -> dict[str, Any]:
    first = (number - 1) * status_lists.PLACES
    with connection.cursor() as cursor:
        cursor.execute(
            host.sql(_REVOKED), {"first": first, "last": first + status_lists.PLACES - 1}
        )
        revoked = [place for (place,) in cursor.fetchall()]
    now = timezone.now()
    unsigned = status_lists.build_list(number, revoked, now, LIST_GOOD_FOR)
    return proofs.sign(unsigned, key, now)


def _keep_up(
    credential: Credential, certificate: host.Certificate, keys: Sequence[SigningKey]
) -> dict[str, Any]:
    """Return what is stored, signed again if it is no longer what is to be said."""
    signed = credential.signed
    unsigned = {name: value for name, value in signed.items() if name != "proof"}
    expected = _build(certificate, credential.status_index, salt=_find_salt(signed))
    if unsigned == expected:
        return signed
    # By the same key if it is there: files that it has signed are with learners.
    key = next((key for key in keys if key.id == credential.key_id), keys[0])
    again = proofs.sign(expected, key, timezone.now())
    Credential.objects.filter(pk=credential.pk).update(
        signed=again, key_id=key.id, updated_on=Now()
    )
    return again


def _issue(certificate: host.Certificate, key: SigningKey) -> Credential:
    """Sign the certificate's credential and store it; return what is stored."""
    for _ in range(_TRIES):
        index = _choose_place()
        unsigned = _build(certificate, index, salt=secrets.token_hex(16))
        signed = proofs.sign(unsigned, key, timezone.now())
        try:
            with transaction.atomic():
                issued = Credential.objects.create(
                    certificate_uuid=certificate.uuid,
                    status_index=index,
                    key_id=key.id,
                    signed=signed,
                )
        except IntegrityError:
            # The place is taken, or a simultaneous request has signed the same.
            found = Credential.objects.filter(certificate_uuid=certificate.uuid).first()
            if found is not None:
                return found
            continue
        log.info(
            "credential issued",
            extra={
                "user_id": certificate.user_id,
                "course_id": certificate.course_run.courseware_id,
            },
        )
        return issued
    raise RuntimeError("no free place in the list of what was revoked")


def _find_salt(signed: dict[str, Any]) -> str:
    """Return the salt of a credential's hash, a new one if it has none."""
    for identifier in signed["credentialSubject"]["identifier"]:
        if "salt" in identifier:
            return str(identifier["salt"])
    return secrets.token_hex(16)


def _build(certificate: host.Certificate, index: int, *, salt: str) -> dict[str, Any]:
    course_run, user = certificate.course_run, certificate.user
    return badges.build_badge(
        address=get_address(certificate.uuid),
        course_id=course_run.courseware_id,
        title=_clean(course_run.course.title),
        holder=badges.Holder(
            name=_clean(get_public_name(user.name)) or "A learner",
            email=user.email.lower() if app_settings.CREDENTIAL_EMAIL_HASH else None,
            salt=salt,
        ),
        issued_on=certificate.issue_date,
        status=status_lists.make_entry(index),
    )


def _clean(text: str) -> str:
    """Return the text without control characters, which verifiers read differently."""
    return " ".join("".join(" " if category(sign) == "Cc" else sign for sign in text).split())


def _count_lists() -> int:
    """Return how many lists there are."""
    last = Credential.objects.aggregate(last=Max("status_index"))["last"]
    return 1 if last is None else 1 + int(last) // status_lists.PLACES


def _choose_place() -> int:
    """Return a random place of the last list; of a new one if that is half full."""
    first = (_count_lists() - 1) * status_lists.PLACES
    if Credential.objects.filter(status_index__gte=first).count() >= _FILL:
        first += status_lists.PLACES
    return first + secrets.randbelow(status_lists.PLACES)
