"""The admin of the app's tables, a file for each concept, and the parts of which a host builds its own."""

from openedx_certificates.admin.deletion import CertificateAdmin, CourseRunCertificateDeletionAdmin
from openedx_certificates.admin.filters import LatelyFilter, OneOf
from openedx_certificates.admin.learner_run import (
    CertificateColumns,
    LearnerRunAdmin,
    ReadOnlyInline,
    ReadOnlyMixin,
    with_certificate,
    with_grade,
)
from openedx_certificates.admin.pasted import Pasted
from openedx_certificates.admin.request import CertificateRequestAdmin, OpenEdxPauseAdmin
from openedx_certificates.admin.support import (
    FIND_LEARNER,
    SupportAdmin,
    find_users,
    find_users_named,
    find_users_of_certificate,
)
from openedx_certificates.admin.sweep import CourseRunSweepAdmin, SweepInline

__all__ = [
    "FIND_LEARNER",
    "CertificateAdmin",
    "CertificateColumns",
    "CertificateRequestAdmin",
    "CourseRunCertificateDeletionAdmin",
    "CourseRunSweepAdmin",
    "LatelyFilter",
    "LearnerRunAdmin",
    "OneOf",
    "OpenEdxPauseAdmin",
    "Pasted",
    "ReadOnlyInline",
    "ReadOnlyMixin",
    "SupportAdmin",
    "SweepInline",
    "find_users",
    "find_users_named",
    "find_users_of_certificate",
    "with_certificate",
    "with_grade",
]
