"""What PostgreSQL can't store, and Django lets through: input that makes a page fail is a 400."""

import logging
from collections.abc import Callable

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.views.defaults import bad_request

log = logging.getLogger(__name__)

NUL = "\0"
# What a value becomes that is no number or no date, is too large for one, or that PostgreSQL can't
# work with.
REFUSED = (ValueError, OverflowError, DataError)
# What a list of the admin reads itself, and reads with care.
NO_FILTERS = {ALL_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR}


class BadInputMiddleware:
    """Answers 400 if a view of Django's or of a library's would be a 500 for what was sent.

    The webhooks need none of it: they look at each character themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A cookie can hold one in octal. None of ours does, and a session is looked up by it.
        for name in [name for name, value in request.COOKIES.items() if NUL in value]:
            del request.COOKIES[name]
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return a 400 for an exception that the caller's input explains, None for any other."""
        if _is_nul(exception) or (
            isinstance(exception, REFUSED)
            and (_may_explain(request) or _is_about_what_was_posted(exception, request))
        ):
            # If it was an error of ours after all, it is not hidden: the log has its place.
            log.warning("input refused", exc_info=exception)
            return bad_request(request, BadRequest())
        return None


def _is_nul(exception: Exception) -> bool:
    # psycopg's word for it; the statement was never sent.
    return isinstance(exception, DataError) and "NUL" in str(exception)


def _may_explain(request: HttpRequest) -> bool:
    """Whether a page of the admin was sent a filter, values to begin with, or an odd selection."""
    match = request.resolver_match
    if match is None or match.app_name != "admin":
        return False
    if request.method == "GET":
        return bool(request.GET.keys() - NO_FILTERS)
    return not all(key.isdecimal() for key in request.POST.getlist(ACTION_CHECKBOX_NAME))


def _is_about_what_was_posted(exception: Exception, request: HttpRequest) -> bool:
    """Whether a field says which value it can't take, and a form had it.

    A form of the admin that is shown again draws the row that was chosen, and looks it up by the key
    that it found wrong before.
    """
    match = request.resolver_match
    if match is None or match.app_name != "admin":
        return False
    values = [value for _, values in request.POST.lists() for value in values if value]
    return any(str(exception).endswith(f"expected a number but got {value!r}.") for value in values)
