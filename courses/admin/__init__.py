"""The admin of the app, a file for each concept."""

from courses.admin.certificate import (
    CourseRunCertificateAdmin,
    CourseRunCertificateDeletionAdmin,
)
from courses.admin.course import CourseAdmin, CourseRunAdmin
from courses.admin.enrollment import CourseRunEnrollmentAdmin, CourseRunEnrollmentAuditAdmin
from courses.admin.grade import CourseRunGradeAdmin, CourseRunGradeAuditAdmin
from courses.admin.request import CertificateRequestAdmin, OpenEdxPauseAdmin
from courses.admin.sweep import CourseRunSweepAdmin, SweepInline
from courses.admin.user_page import CertificateInline, EnrollmentInline, GradeInline

__all__ = [
    "CertificateInline",
    "CertificateRequestAdmin",
    "CourseAdmin",
    "CourseRunAdmin",
    "CourseRunCertificateAdmin",
    "CourseRunCertificateDeletionAdmin",
    "CourseRunEnrollmentAdmin",
    "CourseRunEnrollmentAuditAdmin",
    "CourseRunGradeAdmin",
    "CourseRunGradeAuditAdmin",
    "CourseRunSweepAdmin",
    "EnrollmentInline",
    "GradeInline",
    "OpenEdxPauseAdmin",
    "SweepInline",
]
