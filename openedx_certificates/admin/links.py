"""Links of the admin's pages: to its own lists and rows, if the reader may see them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from openedx_certificates.admin.support import SupportAdmin


class Links:
    """Addresses of the admin's lists and pages, if the reader may see them."""

    def __init__(self, site: AdminSite, request: HttpRequest) -> None:
        self._site, self._request = site, request

    def to_list(self, model: type[Model], **filters: str) -> str | None:
        """Return the address of the list with the filters on."""
        return self._find(model, "changelist", query=filters)

    def to_row(self, row: Model) -> str | None:
        """Return the address of the row's page."""
        return self._find(type(row), "change", [row.pk])

    def _find(
        self,
        model: type[Model],
        page: str,
        args: list[Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str | None:
        if not self._site.is_registered(model):
            return None
        model_admin = self._site.get_model_admin(model)
        # Without SupportAdmin, as in MITx Online, a host's list does not know our filters.
        if query and not isinstance(model_admin, SupportAdmin):
            return None
        if not model_admin.has_view_permission(self._request):
            return None
        address = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_{page}", args=args)
        return f"{address}?{urlencode(query)}" if query else address
