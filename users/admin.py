"""The admin of users, and what every admin here shares: how a support person finds a learner."""

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet, Value
from django.db.models.functions import Lower
from django.http import HttpRequest

from users.models import User

Inline = TypeVar("Inline", bound=type[InlineModelAdmin])


def find_users(word: str) -> QuerySet[Any]:
    """Return the primary keys of the users whom a support person means by this word.

    A whole address that exists means its owner; any other word is the start of an address (without
    regard to case), of a username, or of a username on Open edX. The ways are united and not joined
    by OR, so that each can use its index among a million users; the start of an address does so
    where the database's collation is C, as it is in development.
    """
    address = Lower(Value(word))
    users = User.objects.annotate(email_lower=Lower("email"))
    by_email = users.filter(email_lower=address)
    if not by_email.exists():
        by_email = users.filter(email_lower__startswith=address)
    return by_email.values("pk").union(
        User.objects.filter(username__startswith=word).values("pk"),
        User.objects.filter(openedx_users__edx_username__startswith=word).values("pk"),
    )


class SupportAdmin(admin.ModelAdmin):
    """An admin over a million rows, in which nothing is deleted and each search uses an index.

    A subclass says in `find_rows` what a word of a search can mean; Django's `search_fields` only
    makes the search box appear.
    """

    ordering = ["-pk"]
    list_per_page = 50
    # Both would count the whole table.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - as the framework calls it
        """Refuse it: certificates hang on these rows, and each has a way to be switched off."""
        return False

    def find_rows(self, word: str) -> Iterable[QuerySet[Any]]:
        """Return the rows that a word of a search can mean, a queryset for each way."""
        raise NotImplementedError

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - as the framework calls it
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """Narrow the rows by each word of the search."""
        for word in search_term.split():
            first, *others = (rows.values("pk") for rows in self.find_rows(word))
            queryset = queryset.filter(pk__in=first.union(*others) if others else first)
        return queryset, False


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
    search_help_text = "An e-mail address, a username or one on Open edX, or how it starts."
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

    def find_rows(self, word: str) -> Iterable[QuerySet[Any]]:
        return [find_users(word)]

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
