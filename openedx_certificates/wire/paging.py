"""The way through a course's pages: the next one's address, and how many learners it may hold."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from openedx_certificates.logs import get_logger
from openedx_certificates.wire.exceptions import OpenEdxError, OpenEdxNonsense, OpenEdxTimeout

# A page of so few learners takes too long for another reason than its size.
SMALLEST_PAGE: Final = 10
# How many pages in a row must come at the first try before they are asked for larger again.
GOOD_PAGES: Final = 10
# After so many pages in a row without a new learner, there are no more.
BARREN_PAGES: Final = 50
# Characters. A host's name has 253 at most.
_HOST_MAX: Final = 260
_PAGE_SIZE: Final = re.compile(r"(?<![^&])page_size=[^&]*")

log = get_logger(__name__)


class PageWalk:
    """A walk over a course's pages: it begins at the first, and goes on as Open edX says.

    An Open edX that is too slow for one page is too slow for the next one, too. So a page that was
    not answered in time is asked for at half the size, and those after it stay at that size until
    enough have been good.
    """

    def __init__(self, url: str, page_size: int, course_id: str) -> None:
        """Start at the first page of the course at `url`; no page will be larger than this."""
        self._url, self._course_id = url, course_id
        self._query = f"page_size={page_size}"
        self._size = self._largest = page_size
        self._smallest = min(SMALLEST_PAGE, page_size)
        self._good, self._enough, self._has_grown = 0, GOOD_PAGES, False
        self._learners: set[int] = set()
        self._barren = 0
        self._seen: set[str] = set()
        self._has_named_a_host = False

    @property
    def address(self) -> str:
        """The address of the page that comes next, and how large it may be by now."""
        size = f"page_size={self._size}"
        query = _PAGE_SIZE.sub(size, self._query)
        if self._size < self._largest and size not in query.split("&"):
            # Left to itself Open edX would go on with pages of its own size.
            query = f"{query}&{size}"
        return f"{self._url}?{query}"

    def note_failure(self, error: OpenEdxError) -> None:
        """Take smaller steps from here on if the answer took too long."""
        self._good = 0
        if isinstance(error, OpenEdxTimeout):
            self._size = max(self._size // 2, self._smallest)
            if self._has_grown:
                # The larger size was too early, and is given a longer rest.
                self._enough, self._has_grown = self._enough * 2, False

    def note_learners(self, usernames: Iterable[str | None]) -> None:
        """Take down the learners of the page; raise OpenEdxNonsense if no new ones come any more.

        The pages of an Open edX that never come to an end would hold the sweep for ever.
        """
        # Open edX tells usernames apart without regard to case.
        new = {hash(username.lower()) for username in usernames if username} - self._learners
        self._learners |= new
        self._barren = 0 if new else self._barren + 1
        if self._barren >= BARREN_PAGES:
            raise OpenEdxNonsense(f"{BARREN_PAGES} pages of Open edX told of nobody new.")

    def go_on(self, following: object) -> None:
        """Move to the next page, as the page says.

        Open edX builds the address from the Host header that it saw: behind a proxy often with an
        inner name, another port, plain http or a shorter path. So only the query counts. Each page
        is asked for at our own address, and the token goes to no other origin.

        Raises OpenEdxNonsense if the page names no place, or one that it has named before.
        """
        if not isinstance(following, str):
            raise OpenEdxNonsense("Open edX's next page is not an address.")
        page = _split(following)
        if not page.query:
            # It would be the first page again.
            raise OpenEdxNonsense("Open edX's next page has no query.")
        self._name_foreign_host(page)
        # The same place at another size is the same place.
        place = _PAGE_SIZE.sub("", page.query)
        if place in self._seen:
            raise OpenEdxNonsense("Open edX's pages lead in a circle.")
        self._seen.add(place)
        self._query = page.query
        self._good += 1
        if self._good >= self._enough:
            self._good = 0
            self._has_grown = self._size < self._largest
            self._size = min(self._size * 2, self._largest)

    def _name_foreign_host(self, page: SplitResult) -> None:
        """Log a host that is not ours, once in a walk: every page of the course names the same."""
        ours = urlsplit(self._url)
        is_ours = page.hostname == ours.hostname and _port(page) in (_port(ours), None)
        if is_ours or page.hostname is None or self._has_named_a_host:
            return
        self._has_named_a_host = True
        host = page.netloc.rpartition("@")[2]
        log.warning(
            "Open edX's next page is on another host",
            extra={"course_id": self._course_id, "host": host[:_HOST_MAX]},
        )


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - reading it is what checks it
        # A lone surrogate can't be asked for.
        address.encode()
    except ValueError as error:
        raise OpenEdxNonsense("Open edX's next page is not an address.") from error
    return parts


def _port(parts: SplitResult) -> int | None:
    """Return the port that is written, None for a scheme's own."""
    return None if parts.port in (80, 443) else parts.port
