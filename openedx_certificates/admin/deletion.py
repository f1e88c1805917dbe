"""The admin of the records of deleted certificates."""

from uuid import UUID

from django.contrib import admin
from django.db.models import Q

from openedx_certificates.admin.learner_run import LearnerRunAdmin, ReadOnlyMixin
from openedx_certificates.models import CourseRunCertificateDeletion


class CertificateAdmin(ReadOnlyMixin, LearnerRunAdmin):
    """Certificates, found by their uuid as well."""

    uuid_field = "uuid"
    list_display_links = ["email", "course_id"]
    list_select_related = ["user", "course_run"]

    def find_certificate(self, uuid: UUID) -> Q:
        return Q(**{self.uuid_field: uuid})


@admin.register(CourseRunCertificateDeletion)
class CourseRunCertificateDeletionAdmin(CertificateAdmin):
    """The record of a deleted certificate."""

    uuid_field = "certificate_uuid"
    list_display = [
        "email",
        "course_id",
        "certificate_uuid",
        "reason",
        "created_on",
    ]
    readonly_fields = [
        "user",
        "course_run",
        "certificate_uuid",
        "reason",
        "created_on",
        "certificate",
        "grade",
    ]
