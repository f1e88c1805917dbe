"""The models of the app, a file for each concept."""

from courses.models.certificate import CourseRunCertificate, CourseRunCertificateDeletion
from courses.models.course import Course, CourseRun
from courses.models.enrollment import CourseRunEnrollment, CourseRunEnrollmentAudit
from courses.models.grade import CourseRunGrade, CourseRunGradeAudit

__all__ = [
    "Course",
    "CourseRun",
    "CourseRunCertificate",
    "CourseRunCertificateDeletion",
    "CourseRunEnrollment",
    "CourseRunEnrollmentAudit",
    "CourseRunGrade",
    "CourseRunGradeAudit",
]
