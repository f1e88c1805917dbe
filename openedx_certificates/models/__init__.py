"""The app's own tables, a file for each."""

from openedx_certificates.models.deletion import CourseRunCertificateDeletion
from openedx_certificates.models.pause import OpenEdxPause
from openedx_certificates.models.request import CertificateRequest
from openedx_certificates.models.sweep import CourseRunSweep
from openedx_certificates.models.zero_note import ZeroNote

__all__ = [
    "CertificateRequest",
    "CourseRunCertificateDeletion",
    "CourseRunSweep",
    "OpenEdxPause",
    "ZeroNote",
]
