"""The admin of the accounts on Open edX, and their place on a user's page."""

from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest

from openedx.models import OpenEdxUser
from openedx_certificates.admin import (
    FIND_LEARNER,
    Pasted,
    SupportAdmin,
    find_users,
    find_users_named,
)
from users.admin import show_on_user_page


@admin.register(OpenEdxUser)
class OpenEdxUserAdmin(SupportAdmin):
    """A learner's account on Open edX; without a username there, no grade can be asked for."""

    list_display = [
        "edx_username",
        "user",
        "user__email",
        "has_been_synced",
        "has_sync_error",
        "updated_on",
    ]
    list_display_links = ["edx_username", "user"]
    list_select_related = ["user"]
    list_filter = [
        "has_been_synced",
        "has_sync_error",
        ("edx_username", admin.EmptyFieldListFilter),
    ]
    search_fields = ["user__email"]
    search_help_text = FIND_LEARNER
    autocomplete_fields = ["user"]
    readonly_fields = ["created_on", "updated_on"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: OpenEdxUser | None = None
    ) -> list[str]:
        """Keep an account with its learner: another's would bring another's grades."""
        readonly = [*super().get_readonly_fields(request, obj)]
        return [*readonly, "user", "platform"] if obj else readonly

    def find_rows(self, pasted: Pasted) -> Iterator[Q]:
        for uuid in pasted.uuids:
            yield Q(user__in=find_users_named(uuid))
        for users in find_users(pasted):
            yield Q(user__in=users)


@show_on_user_page
class OpenEdxUserInline(admin.TabularInline):
    """The learner's account on Open edX, on the user's page."""

    model = OpenEdxUser
    fields = ["platform", "edx_username", "has_been_synced", "has_sync_error"]
    extra = 0
    max_num = 1
    can_delete = False
    show_change_link = True
