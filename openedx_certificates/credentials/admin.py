"""The admin of what was signed."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from openedx_certificates.admin.learner_run import ReadOnlyMixin
from openedx_certificates.admin.pasted import read_pasted
from openedx_certificates.credentials.issuing import get_address
from openedx_certificates.credentials.models import Credential


@admin.register(Credential)
class CredentialAdmin(ReadOnlyMixin, admin.ModelAdmin):
    """Credentials, found by the certificate's address or uuid."""

    list_display = ["certificate_uuid", "status_index", "key_id", "created_on"]
    list_filter = ["key_id"]
    search_fields = ["certificate_uuid"]
    search_help_text = "A certificate's address or uuid."
    readonly_fields = ["certificate_uuid", "status_index", "key_id", "created_on", "link", "signed"]

    @admin.display(description="Address")
    def link(self, credential: Credential) -> str:
        """Return the link to what verifiers are given."""
        address = get_address(credential.certificate_uuid)
        return format_html('<a href="{0}">{0}</a>', address)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - as Django calls it
        queryset: QuerySet[Credential],
        search_term: str,
    ) -> tuple[Any, bool]:
        uuids = read_pasted(search_term).uuids
        return queryset.filter(certificate_uuid__in=uuids) if search_term else queryset, False
