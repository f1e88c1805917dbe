"""What a host's page of a certificate may ask."""

from openedx_certificates.credentials.issuing import find_address

__all__ = ["find_address"]
