"""The admin of users, and what every admin here shares: how a support person finds a learner."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower
from django.http import HttpRequest

from users.models import User
from users.pasted import Pasted, read_pasted

Inline = TypeVar("Inline", bound=type[InlineModelAdmin])
# So many users are found in one way; a longer search means fewer.
FOUND_MAX = 1_000
FIND_LEARNER = (
    "An e-mail address, a username or one on Open edX, or how it starts; or a name "
    f"(the newest {FOUND_MAX:,} of it)."
)


def find_users(pasted: Pasted) -> Iterator[list[int]]:
    """Yield the keys of the users that each address means, and of those that the words mean.

    A whole address, or a username that looks like one, means its owner alone; if it has none, it is
    the start of one. A single word is the start of an address, of a username or of a username on
    Open edX. All words together are a name: each is the start of a word in it. At most FOUND_MAX
    users are found in each way, by name the newest.

    Each way but the name uses an index among a million users; the start of an address does so if the
    database's collation is C, as it is in development. A name costs one walk through the table (0.7 s
    for a million users), since an index for it would be one on MITx Online's own table.
    """
    for address in pasted.addresses:
        yield _find_first(_get_whole(address)) or _find_first(_get_starting(address))
    if pasted.words:
        single = _get_starting(pasted.words[0]) if len(pasted.words) == 1 else []
        yield _find_first([*single, _get_named(pasted.words)])


def find_users_named(uuid: UUID) -> list[int]:
    """Return the users whose username is this uuid."""
    return _find_first([User.objects.filter(username__in=[str(uuid), uuid.hex])])


def _get_whole(name: str) -> list[QuerySet[User]]:
    return [
        User.objects.annotate(email_lower=Lower("email")).filter(email_lower=Lower(Value(name))),
        User.objects.filter(username=name),
        User.objects.filter(openedx_users__edx_username=name),
    ]


def _get_starting(start: str) -> list[QuerySet[User]]:
    users = User.objects.annotate(email_lower=Lower("email"))
    return [
        users.filter(email_lower__startswith=Lower(Value(start))),
        User.objects.filter(username__startswith=start),
        User.objects.filter(openedx_users__edx_username__startswith=start),
    ]


def _get_named(words: Iterable[str]) -> QuerySet[User]:
    users = User.objects.order_by("-pk")
    for word in words:
        # From the start of a word on, also behind a hyphen or a bracket.
        users = users.filter(name__iregex=rf"\m{re.escape(word)}")
    return users


def _find_first(ways: Iterable[QuerySet[User]]) -> list[int]:
    # One after the other and not joined by OR, so that each can use its index. Found beforehand, so
    # that the database knows how few they are and does not walk through all rows of the list.
    return list({pk for users in ways for pk in users.values_list("pk", flat=True)[:FOUND_MAX]})


class SupportAdmin(admin.ModelAdmin):
    """An admin over a million rows, in which nothing is deleted and each search uses an index.

    A subclass over many rows says in `find_rows` what a search can mean; in a list of thousands any
    part of the `search_fields` does.
    """

    ordering = ["-pk"]
    list_per_page = 50
    # Both would count the whole table.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - as the framework calls it
        """Refuse it: certificates hang on these rows, and each has a way to be switched off."""
        return False

    def log_changes(self, request: HttpRequest, rows: Iterable[Any], message: str) -> None:
        """Note in the history of each row what was done, with one statement for all."""
        user: Any = request.user
        LogEntry.objects.log_actions(user.pk, rows, CHANGE, message)

    def find_rows(self, pasted: Pasted) -> Iterator[Q]:
        """Yield a condition for each part of a search that says something of these rows."""
        for part in (*pasted.course_ids, *pasted.words):
            yield Q(*((f"{name}__icontains", part) for name in self.search_fields), _connector=Q.OR)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - as the framework calls it
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """Narrow the rows by each part of the search that says something of them.

        The others are left out: whoever pastes a learner and a course id means the learner in the
        list of users, and the run in the list of runs. Without a part that says something, none is
        found.
        """
        if not search_term.strip():
            return queryset, False
        conditions = list(self.find_rows(read_pasted(search_term)))
        return queryset.filter(*conditions) if conditions else queryset.none(), False


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
            owners = [
                User.objects.filter(courseruncertificates__uuid=uuid),
                User.objects.filter(certificate_deletions__certificate_uuid=uuid),
            ]
            yield Q(pk__in=[*_find_first(owners), *find_users_named(uuid)])
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
