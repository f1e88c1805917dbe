"""The access tokens in the admin: one is made here, shown once, and withdrawn again.

django-oauth-toolkit's own page can't make a token; the toolkit takes this class in place of
its own by the setting ACCESS_TOKEN_ADMIN_CLASS.
"""

import uuid
from collections.abc import Iterator
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from openedx_certificates import host
from openedx_certificates.admin.pasted import Pasted
from openedx_certificates.admin.support import SupportAdmin, find_users
from openedx_certificates.webhooks.tokens import (
    DEFAULT_DAYS,
    MOST_DAYS,
    AccessToken,
    check_token,
    default_scopes,
    is_usable,
    list_scopes,
    make_token,
    withdraw_tokens,
)

# In the session: the forms that were sent, so that none makes a second token when it is sent again.
SENT_FORMS: Final = "token_forms_sent"
LIST: Final = "admin:oauth2_provider_accesstoken_changelist"


def _was_sent_before(request: HttpRequest) -> bool:
    try:
        # As the form reads it: a uuid can be written in several ways.
        form_id = NewTokenForm.base_fields["form_id"].clean(request.POST.get("form_id", "").strip())
    except forms.ValidationError:
        return False
    return str(form_id) in request.session.get(SENT_FORMS, [])


def list_bearers(chooser: Any) -> host.Rows:
    """Return the users for which this administrator may make a token.

    A token is a way in, as a password is: only a superuser makes one for a superuser.
    """
    bearers = host.users().filter(is_staff=True, is_active=True)
    return bearers if chooser.is_superuser else bearers.filter(is_superuser=False)


class BearersView(AutocompleteJsonView):
    """Finds the users for which the administrator may make a token, among a million."""

    admin_site: Any

    def get_queryset(self) -> host.Rows:
        return super().get_queryset().filter(pk__in=list_bearers(self.request.user))

    def has_perm(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - as Django calls it
        return self.admin_site.get_model_admin(AccessToken).has_add_permission(request)


class BearerSelect(AutocompleteSelect):
    """Searches by `BearersView`."""

    url_name = "%s:openedx_token_bearers"

    def build_attrs(self, *attrs: Any, **more_attrs: Any) -> dict[str, Any]:
        # Select2 names the field to a screen reader by what stands in it.
        return {
            **super().build_attrs(*attrs, **more_attrs),
            "data-placeholder": "A member of staff",
        }


class NewTokenForm(forms.ModelForm):
    """What is to be said of a new token."""

    days = forms.IntegerField(
        label="Days",
        initial=DEFAULT_DAYS,
        min_value=1,
        max_value=MOST_DAYS,
        help_text="How long it is valid.",
    )
    scopes = forms.MultipleChoiceField(
        label="Scopes",
        initial=default_scopes,
        choices=lambda: [(name, f"{name}: {text}") for name, text in list_scopes().items()],
        widget=forms.CheckboxSelectMultiple,
        help_text="What it is good for.",
    )
    form_id = forms.UUIDField(initial=uuid.uuid4, widget=forms.HiddenInput)

    class Meta:
        model = AccessToken
        fields = ["user"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if not self.errors:
            check_token(*(self.cleaned_data[name] for name in ("user", "days", "scopes")))
        return cleaned


class UsableFilter(admin.SimpleListFilter):
    """By whether the webhooks take the token."""

    title = "usable"
    parameter_name = "usable"

    def lookups(self, *_args: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - as Django calls it
        if self.value() not in ("yes", "no"):
            return queryset
        usable = AccessToken.objects.filter(is_usable()).values("pk")
        if self.value() == "yes":
            return queryset.filter(pk__in=usable)
        return queryset.exclude(pk__in=usable)


class AccessTokenAdmin(SupportAdmin):
    """A token that opens the webhooks; to delete it is to withdraw it."""

    list_display = ["user", "scope", "expires", "usable", "application"]
    list_select_related = ["user", "application"]
    list_filter = [UsableFilter]
    search_fields = ["user__email"]
    search_help_text = "An e-mail address or a username of its user, or how it starts."
    readonly_fields = ["user", "scope", "expires", "usable", "application", "created", "updated"]

    @admin.display(description="Usable", boolean=True)
    def usable(self, token: Any) -> bool:
        return bool(token.is_usable)

    def find_rows(self, pasted: Pasted) -> Iterator[Q]:
        for users in find_users(pasted):
            yield Q(user__in=users)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        usable = ExpressionWrapper(is_usable(), output_field=BooleanField())
        return super().get_queryset(request).annotate(is_usable=usable)

    def get_urls(self) -> list[URLPattern]:
        bearers = BearersView.as_view(admin_site=self.admin_site)
        return [
            path("bearers/", self.admin_site.admin_view(bearers), name="openedx_token_bearers"),
            *super().get_urls(),
        ]

    def has_change_permission(self, *_args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        withdraw_tokens([obj], withdrawn_by_id=request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        withdraw_tokens(queryset, withdrawn_by_id=request.user.pk)

    # --- A new token ----------------------------------------------------------------------------

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:  # noqa: ARG002 - as Django calls it
        return self.readonly_fields if obj else ["user", "days", "scopes", "form_id"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:  # noqa: ARG002 - as Django calls it
        return self.readonly_fields if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        if obj is None:
            kwargs["form"] = NewTokenForm
        return super().get_form(request, obj, change, **kwargs)

    def formfield_for_dbfield(
        self,
        db_field: Any,
        request: Any,
        **kwargs: Any,
    ) -> forms.Field | None:
        if db_field.name != "user":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return db_field.formfield(
            queryset=list_bearers(request.user),
            widget=BearerSelect(db_field, self.admin_site),
            required=True,
            help_text="An active member of staff: what comes with the token is this user's doing.",
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make a token and show it once: a page that is loaded again does neither."""
        if _was_sent_before(request):
            self.message_user(
                request,
                "The token was made and shown. It can't be shown again: if nobody has kept it, "
                "delete it and add another.",
                messages.WARNING,
            )
            return redirect(LIST)
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**buttons, **(extra_context or {})})

    def save_form(self, request: HttpRequest, form: forms.ModelForm, change: bool) -> Any:
        super().save_form(request, form, change)
        data = form.cleaned_data
        row, token = make_token(
            data["user"], data["days"], data["scopes"], made_by_id=request.user.pk
        )
        row.shown_once = token
        request.session[SENT_FORMS] = [
            *request.session.get(SENT_FORMS, []),
            str(data["form_id"]),
        ]
        return row

    def save_model(self, *_args: Any) -> None:
        """Do nothing: `make_token` has saved it."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:  # noqa: ARG002 - as Django calls it
        """Name its user, which nothing else does once the token is withdrawn."""
        text = f"Added for user {obj.user_id}, until {obj.expires:%Y-%m-%d}: {obj.scope}."
        return super().log_addition(request, obj, text)

    def response_add(
        self,
        request: HttpRequest,
        obj: Any,
        post_url_continue: str | None = None,  # noqa: ARG002 - as Django calls it
    ) -> HttpResponse:
        """Show the token in the answer itself: it is in no address, no message and no session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Access token added",
            "opts": self.opts,
            "token": obj,
        }
        return TemplateResponse(request, "admin/openedx_certificates/token_made.html", context)
