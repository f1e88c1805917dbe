"""The admin of users."""

from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from openedx_certificates.admin import (
    FIND_LEARNER,
    Pasted,
    SupportAdmin,
    find_users,
    find_users_named,
    find_users_of_certificate,
)
from users.models import User

Inline = TypeVar("Inline", bound=type[InlineModelAdmin])


class NewUserForm(AdminUserCreationForm):
    """A new account, with a password or without."""

    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("username", "email", "name")


class UserForm(UserChangeForm):
    """An account; its password has a page of its own."""

    class Meta(UserChangeForm.Meta):
        model = User


@admin.register(User)
class UserAdmin(SupportAdmin, DjangoUserAdmin):
    """A learner with everything we know of them, or a member of staff."""

    form = UserForm
    add_form: type[forms.ModelForm] = NewUserForm
    list_display = ["email", "username", "name", "edx_username", "is_active", "created"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["email"]
    search_help_text = f"{FIND_LEARNER} A certificate's address or uuid finds whose it is."
    ordering = ["-pk"]
    fieldsets = [
        (None, {"fields": ["username", "email", "name", "edx_username", "is_active", "password"]}),
        (
            "Permissions",
            {
                "classes": ["collapse"],
                "fields": ["is_staff", "is_superuser", "groups", "user_permissions"],
            },
        ),
        (
            "More",
            {
                "classes": ["collapse"],
                "fields": ["global_id", "last_login", "created_on", "updated_on"],
            },
        ),
    ]
    add_fieldsets = [
        (
            None,
            {
                "classes": ["wide"],
                "fields": [
                    "username",
                    "email",
                    "name",
                    "usable_password",
                    "password1",
                    "password2",
                ],
            },
        )
    ]
    # The username is what other systems know the learner by.
    readonly_fields = ["username", "edx_username", "last_login", "created_on", "updated_on"]
    permission_fields = ("is_staff", "is_superuser", "groups", "user_permissions")
    #: What other apps know of a user: each adds its own (`show_on_user_page`).
    inlines: ClassVar[list[type[InlineModelAdmin]]] = []

    @admin.display(description="Created", ordering="pk")
    def created(self, user: User) -> Any:
        return user.created_on

    @admin.display(description="Username on Open edX")
    def edx_username(self, user: User) -> str | None:
        return user.edx_username

    def find_rows(self, pasted: Pasted) -> Iterator[Q]:
        for uuid in pasted.uuids:
            yield Q(pk__in=[*find_users_of_certificate(uuid), *find_users_named(uuid)])
        for users in find_users(pasted):
            yield Q(pk__in=users)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("openedx_users")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Leave the username to be chosen once, and permissions to superusers."""
        readonly = [*super().get_readonly_fields(request, obj)]
        if obj is None:
            readonly.remove("username")
        if not request.user.is_superuser:
            readonly.extend(self.permission_fields)
        return readonly

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep support persons from each other's accounts: a new password would be a way in."""
        may_change = super().has_change_permission(request, obj)
        if obj is None or request.user.is_superuser:
            return may_change
        return may_change and not (obj.is_staff or obj.is_superuser)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> list[type[InlineModelAdmin]]:
        return list(super().get_inlines(request, obj)) if obj else []


def show_on_user_page(inline: Inline) -> Inline:
    """Add another app's inline to a user's page: users imports none of these apps."""
    UserAdmin.inlines.append(inline)
    return inline
