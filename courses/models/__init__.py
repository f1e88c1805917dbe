"""The models of the app, a file for each concept."""

from courses.models.certificate import CourseRunCertificate, CourseRunCertificateDeletion
from courses.models.certificate_request import CertificateRequest
from courses.models.course import Course, CourseRun
from courses.models.enrollment import CourseRunEnrollment, CourseRunEnrollmentAudit
from courses.models.grade import CourseRunGrade, CourseRunGradeAudit
from courses.models.openedx_pause import OpenEdxPause
from courses.models.sweep import CourseRunSweep

__all__ = [
    "CertificateRequest",
    "Course",
    "CourseRun",
    "CourseRunCertificate",
    "CourseRunCertificateDeletion",
    "CourseRunEnrollment",
    "CourseRunEnrollmentAudit",
    "CourseRunGrade",
    "CourseRunGradeAudit",
    "CourseRunSweep",
    "OpenEdxPause",
]
