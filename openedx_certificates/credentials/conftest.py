"""A site that signs, and a certificate."""

from typing import Any

import pytest

from openedx_certificates.credentials.keys import SigningKey
from openedx_certificates.testing.credentials import SITE
from openedx_certificates.testing.factories import CourseRunCertificateFactory


@pytest.fixture
def keys(settings: Any) -> list[SigningKey]:
    """The site's keys."""
    made = [SigningKey.generate(), SigningKey.generate()]
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_KEYS = [key.secret for key in made]
    settings.OPENEDX_CERTIFICATES_CREDENTIAL_SITE = SITE
    return made


@pytest.fixture
def certificate() -> Any:
    return CourseRunCertificateFactory.create(user__name="Ana Díaz", user__email="ana@example.com")
