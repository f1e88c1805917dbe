"""Passwords that are tried out are answered 429, at each door that takes one."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from openedx_certificates.webhooks.failures import count_failure, take_back

#: Passwords are chosen by people. Count one before it is looked at.
PASSWORD: Final = "password"  # noqa: S105 - the name of a kind, no secret
LOGIN_PAGE: Final = "admin:login"
# It looks at the secret whatever the method; the others do so for POST alone.
INTROSPECTION: Final = "oauth2_provider:introspect"
# The doors that a password or a client's secret opens, and the status that says it did.
PASSWORD_DOORS: Final = {
    LOGIN_PAGE: HTTPStatus.FOUND,
    "oauth2_provider:token": HTTPStatus.OK,
    "oauth2_provider:revoke-token": HTTPStatus.OK,
    INTROSPECTION: HTTPStatus.OK,
}


class PasswordsMiddleware:
    """Answers 429 before the password is checked, right or wrong.

    Each is counted as it comes and taken back if it was right: of many sent at once, not all are
    checked before the first of them has failed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if getattr(request, "_status_of_success", None) == response.status_code:
            take_back(request, PASSWORD)
        return response

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """Refuse the caller, or let the view decide."""
        match = request.resolver_match
        if match is None or match.view_name not in PASSWORD_DOORS:
            return None
        if request.method != "POST" and match.view_name != INTROSPECTION:
            return None
        wait = count_failure(request, PASSWORD, settings.FAILED_LOGINS_MAX)
        if wait is None:
            setattr(request, "_status_of_success", PASSWORD_DOORS[match.view_name])  # noqa: B010 - mypy knows no such attribute of a request
            return None
        return _too_many(request, wait, is_page=match.view_name == LOGIN_PAGE)


def _too_many(request: HttpRequest, wait: int, *, is_page: bool) -> HttpResponse:
    status = HTTPStatus.TOO_MANY_REQUESTS
    if is_page:
        context = {**admin.site.each_context(request), "wait": wait}
        response = render(request, "users/too_many_failures.html", context, status=status)
    else:
        detail = f"Too many failed authentications. Try again in {wait} seconds."
        response = JsonResponse({"detail": detail}, status=status)
    response["Retry-After"] = str(wait)
    return response
