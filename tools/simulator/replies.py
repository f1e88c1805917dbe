"""An answer before it is put on the wire."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Self


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a body and the headers that are not implied by them."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(
        cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Self:
        """Return the value as JSON. NaN and Infinity are written as Python (and Open edX) do."""
        return cls(status, json.dumps(value).encode(), headers=headers or {})

    @classmethod
    def of_html(cls, status: int, headers: Mapping[str, str] | None = None) -> Self:
        """Return the kind of page that a proxy in front of Open edX shows."""
        title = f"{status} {phrase_of(status)}"
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        return cls(status, page.encode(), "text/html; charset=utf-8", headers or {})

    def head(self, *, keep_alive: bool) -> bytes:
        """Return the status line and the headers, the blank line included."""
        lines = [
            f"HTTP/1.1 {self.status} {phrase_of(self.status)}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def phrase_of(status: int) -> str:
    """Return the words that belong to a status; a number without a name gets none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
