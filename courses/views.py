"""The certificate's page, for everybody with its address."""

import logging
from functools import lru_cache
from unicodedata import east_asian_width
from uuid import UUID

import segno
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from courses.publication import Absence, PublishedCertificate, find_published_certificate
from openedx_certificates.api import describe_failure
from openedx_certificates.credentials.api import find_address

log = logging.getLogger(__name__)

# Seconds for which a browser that showed a certificate may not show that it is revoked.
CACHE_SECONDS = 60
NO_NAME = "A learner of MITx Online"
# Letters from which on a name or a title is set smaller.
LONG, LONGEST = 32, 80
UNAVAILABLE = "unavailable"
# For each reason why there is no certificate to show: the status, and what is said.
ABSENT = {
    Absence.UNKNOWN: (
        404,
        "There is no certificate at this address",
        "Please check that the address is complete. It is printed on the certificate, and ends in "
        "a code of 32 digits and letters with hyphens between them.",
    ),
    Absence.REVOKED: (
        410,
        "This certificate is no longer valid",
        "MITx Online issued a certificate at this address, and has revoked it. It certifies "
        "nothing any more.",
    ),
    UNAVAILABLE: (
        503,
        "The certificate can't be shown at the moment",
        "Our database does not answer. That says nothing about the certificate. Please try again "
        "in a minute.",
    ),
}


# Nothing is changed here, so a POST is a 405 whatever token of a form it carries.
@csrf_exempt
@require_safe
def certificate_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the certificate to everybody: a page to read, share and print.

    No session is asked for and no cookie set: the page is the same for all.
    """
    # 200: it is valid. 404: there is none, or not yet. 410: it was revoked. 503: our database
    # failed, and a verifier must not take that for one of the others.
    try:
        found = find_published_certificate(uuid)
    except DatabaseFailure as failure:
        log.error("database failed", extra=describe_failure(failure))  # noqa: TRY400 - its text can hold values
        return _tell_absence(UNAVAILABLE)
    if isinstance(found, Absence):
        return _tell_absence(found)
    return _show(request, found)


@csrf_exempt
@require_safe
def misspelt_certificate_page(request: HttpRequest, word: str) -> HttpResponse:
    """Lead from another spelling of a certificate's uuid to its page; else there is none."""
    try:
        uuid = UUID(word)
    except ValueError:
        return _tell_absence(Absence.UNKNOWN)
    query = request.META.get("QUERY_STRING")
    return HttpResponseRedirect(
        reverse("certificate", args=[uuid]) + (f"?{query}" if query else "")
    )


# Ten times the rest of the page.
@lru_cache(maxsize=1_024)
def _draw_code(address: str) -> SafeString:
    """Return the QR code of an address, as a drawing within the page."""
    drawing = segno.make(address, error="m").svg_inline(omitsize=True, border=2)
    return mark_safe(drawing)  # noqa: S308 - of an address of ours, without a word of a learner's


def _show(request: HttpRequest, certificate: PublishedCertificate) -> HttpResponse:
    name = certificate.learner_name or NO_NAME
    credential = find_address(certificate.uuid)
    context = {
        "certificate": certificate,
        "name": name,
        "name_length": _measure(name),
        "title_length": _measure(certificate.course_title),
        "run_title_length": _measure(certificate.run_title),
        "course_id_length": _measure(certificate.course_id),
        "address": _public_address(request, certificate.link),
        "image": _public_address(request, static("courses/share.png")),
        "credential": credential,
        "code": credential and _draw_code(credential),
    }
    response = HttpResponse(render_to_string("courses/certificate.html", context))
    return _finish(response, f"public, max-age={CACHE_SECONDS}")


def _public_address(request: HttpRequest, path: str) -> str:
    """Return the whole address, which others keep: not with a port that a caller made up."""
    if settings.SITE_BASE_URL:
        return f"{settings.SITE_BASE_URL}{path}"
    return request.build_absolute_uri(path)


def _measure(text: str) -> str:
    """Return the class of style for a text of this length: one sheet has to hold the longest."""
    width = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
    return "short" if width <= LONG else "long" if width <= LONGEST else "longest"


def _tell_absence(absence: str) -> HttpResponse:
    status, heading, explanation = ABSENT[absence]
    page = render_to_string(
        "courses/certificate_absent.html", {"heading": heading, "explanation": explanation}
    )
    # It can be issued, or given back, the moment after.
    return _finish(HttpResponse(page, status=status), "no-cache")


def _finish(response: HttpResponse, cache_control: str) -> HttpResponse:
    response["Cache-Control"] = cache_control
    # The learner decides on the address's readers; no search engine tells of it.
    response["X-Robots-Tag"] = "noindex"
    return response
