"""The admin of what 0.0s do: the records of deleted certificates, and the notes of those to come."""

from collections.abc import Iterator
from uuid import UUID

from django.contrib import admin
from django.db.models import Q

from openedx_certificates.admin.learner_run import LearnerRunAdmin, ReadOnlyMixin
from openedx_certificates.admin.pasted import Pasted
from openedx_certificates.admin.support import SupportAdmin
from openedx_certificates.models import CourseRunCertificateDeletion, ZeroNote


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


@admin.register(ZeroNote)
class ZeroNoteAdmin(ReadOnlyMixin, SupportAdmin):
    """A 0.0 that Open edX reported, and that counts if it is reported again after twenty hours."""

    list_display = ["certificate_uuid", "reported_on"]
    readonly_fields = ["certificate_uuid", "reported_on"]
    search_fields = ["certificate_uuid"]
    search_help_text = "A certificate's address or uuid."

    def find_rows(self, pasted: Pasted) -> Iterator[Q]:
        for uuid in pasted.uuids:
            yield Q(certificate_uuid=uuid)
