"""Whether a caller wants a page to read, or JSON."""

from django.http import HttpRequest
from django.http.request import MediaType


def wants_json(request: HttpRequest) -> bool:
    """Return whether the caller asks for JSON, by `?format=json` or by the Accept header.

    A page is what everybody gets who does not prefer JSON: another format is no reason to refuse a
    reply whose status tells of the certificate.
    """
    if request.GET.get("format") in ("json", "html"):
        return request.GET["format"] == "json"
    try:
        accepted = [MediaType(word) for word in request.headers.get("Accept", "").split(",")]
    except ValueError:
        # A parameter in an encoding that there is not.
        return False
    return _preference(accepted, "application", "json") > _preference(accepted, "text", "html")


def _preference(accepted: list[MediaType], main_type: str, sub_type: str) -> tuple[float, int]:
    """Return how much of a type is wanted (0.0 to 1.0), and how exactly it was named.

    The range that names it best decides (RFC 9110, 12.5.1). Django's own choice takes
    `application/json; charset=utf-8` for something else than JSON.
    """
    matching = [
        named
        for named in accepted
        if named.main_type in (main_type, "*") and named.sub_type in (sub_type, "*")
    ]
    best = max(matching, key=lambda named: named.specificity, default=None)
    return (best.quality, best.specificity) if best and best.quality else (0.0, 0)
