"""How an e-mail address appears in a log: never in clear."""

import re

from django.utils.crypto import salted_hmac

_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE)


def mask_email(email: str) -> str:
    """Return the address's domain and a short hash, such as `example.com#3f9a0c21d4`.

    The same address gives the same text, whatever its case, so that lines about it can be joined.
    The hash is keyed with SECRET_KEY: without it a list of addresses can't be tried out.
    """
    address = email.strip().lower()
    domain = address.rpartition("@")[2] if "@" in address else ""
    shown = domain if _DOMAIN.fullmatch(domain) else "no-domain"
    digest = salted_hmac(
        "openedx_certificates.masking.mask_email", address.encode("utf-8", "replace")
    )
    return f"{shown}#{digest.hexdigest()[:10]}"
