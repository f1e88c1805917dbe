"""What a credential says: a certificate in the words of Open Badges 3.0, without a proof."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from openedx_certificates.credentials.keys import get_did
from openedx_certificates.credentials.proofs import (
    CREDENTIALS_CONTEXT,
    OPEN_BADGES_CONTEXT,
    to_json_date,
)
from openedx_certificates.settings import app_settings


@dataclass(frozen=True, slots=True)
class Holder:
    """Who earned a certificate."""

    #: As it is printed.
    name: str
    #: None if the credential is to tell nothing of the address.
    email: str | None
    #: Makes the address's hash one that no table has.
    salt: str


def build_badge(
    *,
    address: str,
    course_id: str,
    title: str,
    holder: Holder,
    issued_on: datetime,
    status: dict[str, Any],
) -> dict[str, Any]:
    """Return the credential of a certificate.

    Args:
        address: of the credential itself.
        course_id: Open edX's.
        title: of the course.
        holder: of the certificate.
        issued_on: from when it is valid.
        status: the entry that says which list tells whether it was revoked.
    """
    site = app_settings.CREDENTIAL_SITE
    return {
        "@context": [CREDENTIALS_CONTEXT, OPEN_BADGES_CONTEXT],
        "id": address,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": title,
        "issuer": {
            "id": get_did(),
            "type": ["Profile"],
            "name": app_settings.CREDENTIAL_ISSUER_NAME,
            "url": site,
        },
        "validFrom": to_json_date(issued_on),
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": _identify(holder),
            "achievement": {
                # By RFC 4151: a name for the course that leads nowhere, and that no other site makes.
                "id": f"tag:{urlsplit(site).hostname},2026:{quote(course_id, safe=':+')}",
                "type": ["Achievement"],
                "achievementType": "Course",
                "name": title,
                "description": f"Completed and passed the course {title}.",
                "criteria": {"narrative": "The learner passed the course and its assessments."},
            },
        },
        # No `credentialSchema`: 1EdTech's type of it stands in none of the contexts, and verifiers refuse it.
        "credentialStatus": status,
    }


def _identify(holder: Holder) -> list[dict[str, Any]]:
    name = {
        "type": "IdentityObject",
        "identityType": "name",
        "hashed": False,
        "identityHash": holder.name,
    }
    if holder.email is None:
        return [name]
    digest = hashlib.sha256(f"{holder.email}{holder.salt}".encode()).hexdigest()
    address = {
        "type": "IdentityObject",
        "identityType": "emailAddress",
        "hashed": True,
        "identityHash": f"sha256${digest}",
        "salt": holder.salt,
    }
    return [name, address]
