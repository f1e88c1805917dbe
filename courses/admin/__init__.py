"""The admin of courses, a file for each concept."""

from courses.admin.certificate import CourseRunCertificateAdmin
from courses.admin.course import CourseAdmin, CourseRunAdmin
from courses.admin.enrollment import CourseRunEnrollmentAdmin, CourseRunEnrollmentAuditAdmin
from courses.admin.grade import CourseRunGradeAdmin, CourseRunGradeAuditAdmin
from courses.admin.user_page import CertificateInline, EnrollmentInline, GradeInline

__all__ = [
    "CertificateInline",
    "CourseAdmin",
    "CourseRunAdmin",
    "CourseRunCertificateAdmin",
    "CourseRunEnrollmentAdmin",
    "CourseRunEnrollmentAuditAdmin",
    "CourseRunGradeAdmin",
    "CourseRunGradeAuditAdmin",
    "EnrollmentInline",
    "GradeInline",
]
