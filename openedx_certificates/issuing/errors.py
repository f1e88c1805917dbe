"""What can go wrong on our side, and what of it may be logged."""

import traceback

from openedx_certificates.wire.exceptions import CannotAsk


class CertificateNotSaved(Exception):
    """The host's own code raised while it saved a certificate. The text names the error's class."""


def describe_own_error(error: Exception) -> dict[str, str]:
    """Return what may be logged of an error that is neither Open edX's nor the database's.

    That is its kind and its place in the code: of CertificateNotSaved, the place in the host. Its text
    could hold the learner's values, so that it is told only if it is our own.
    """
    is_told = isinstance(error, CannotAsk | CertificateNotSaved)
    origin = (error.__cause__ if isinstance(error, CertificateNotSaved) else None) or error
    fields = {
        "kind": type(error).__name__,
        "stack": "".join(traceback.format_tb(origin.__traceback__)),
    }
    return {**fields, "cause": str(error)} if is_told else fields
