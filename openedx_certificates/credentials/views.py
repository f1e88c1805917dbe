"""What verifiers and wallets ask for: the issuer's keys, a credential, a list of what was revoked."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from openedx_certificates.conflicts import describe_failure, is_no_fault_of_ours
from openedx_certificates.credentials.issuing import (
    LIST_GOOD_FOR,
    LIST_KEPT_SECONDS,
    Absence,
    get_or_issue,
    sign_list,
)
from openedx_certificates.credentials.keys import BadKey, NotConfigured, describe_keys, load_keys
from openedx_certificates.logs import get_logger

log = get_logger(__name__)

_CREDENTIAL: Final = "application/vc"
_DID_DOCUMENT: Final = "application/did+json"
# A list is a minute old at most: who keeps it for the rest keeps it no longer than it is good for.
_KEPT: Final = f"public, max-age={int(LIST_GOOD_FOR.total_seconds()) - LIST_KEPT_SECONDS}"
_RETRY_AFTER: Final = "60"

View = Callable[..., HttpResponse]


def _for_verifiers(view: View) -> View:
    """Answer programs of any site, and never with a credential that is not signed."""

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # 404: there is none, or this site signs nothing. 503: we can't sign or look at the moment,
        # which says nothing about the credential.
        try:
            response = _answer_method(request) or view(request, *args, **kwargs)
        except NotConfigured:
            response = _refuse(404, "This site signs no credentials.")
        except BadKey as error:
            log.error("credential not signed", extra={"cause": str(error)})  # noqa: TRY400 - its text is all there is to know
            response = _refuse(503, "No credential can be signed at the moment.")
        except DatabaseFailure as failure:
            if not is_no_fault_of_ours(failure):
                raise
            log.error("database failed", extra=describe_failure(failure))  # noqa: TRY400 - its text can hold values
            response = _refuse(503, "The database does not answer. Please try again in a minute.")
        # A wallet can be a page of another site.
        response["Access-Control-Allow-Origin"] = "*"
        response["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return answer


def _answer_method(request: HttpRequest) -> HttpResponse | None:
    """Answer what is no reading: a browser's question whether it may, and what may not."""
    if request.method == "OPTIONS":
        headers = {"Access-Control-Allow-Methods": "GET, HEAD", "Access-Control-Allow-Headers": "*"}
        return HttpResponse(status=204, headers=headers)
    return None if request.method in ("GET", "HEAD") else HttpResponseNotAllowed(["GET", "HEAD"])


@_for_verifiers
def did_document(_request: HttpRequest) -> HttpResponse:
    """Tell the keys that verify what this site has signed."""
    return _reply(describe_keys(load_keys()), _DID_DOCUMENT, _KEPT)


@_for_verifiers
def credential(_request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Give the credential of a certificate to everybody with its address."""
    found = get_or_issue(uuid)
    if found is Absence.REVOKED:
        return _refuse(410, "The certificate was revoked.")
    if found is Absence.UNKNOWN:
        return _refuse(404, "There is no certificate at this address.")
    response = _reply(found, _CREDENTIAL, "no-cache")
    response["X-Robots-Tag"] = "noindex"
    response["Content-Disposition"] = f'inline; filename="certificate-{uuid}.json"'
    return response


@_for_verifiers
def status_list(_request: HttpRequest, number: int) -> HttpResponse:
    """Tell which of the list's credentials were revoked."""
    signed = sign_list(number)
    if signed is None:
        return _refuse(404, "There is no such list.")
    return _reply(signed, _CREDENTIAL, _KEPT)


def _reply(document: Any, content_type: str, cache_control: str) -> HttpResponse:
    return JsonResponse(
        document,
        content_type=content_type,
        headers={"Cache-Control": cache_control},
        # The database keeps no order: each time the same bytes, also of a new one.
        json_dumps_params={"sort_keys": True},
    )


def _refuse(status: int, sentence: str) -> HttpResponse:
    response = JsonResponse({"error": sentence}, status=status)
    response["Cache-Control"] = "no-cache"
    if status == 503:
        response["Retry-After"] = _RETRY_AFTER
    return response
