"""The way through a course's pages: where the next one is, and how many learners it may hold."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from openedx.exceptions import OpenEdxError, OpenEdxNonsense, OpenEdxTimeout

# A page of so few learners takes too long for another reason than its size.
SMALLEST_PAGE: Final = 10
# How many pages in a row must come at the first try before they are asked for larger again.
GOOD_PAGES: Final = 10
# After so many pages in a row without a learner who was not on one before, there are no more.
BARREN_PAGES: Final = 50
_PAGE_SIZE: Final = re.compile(r"(?<![^&])page_size=[^&]*")


class PageWalk:
    """A walk over a course's pages: it begins at the first, and goes on where Open edX says.

    An Open edX that is too slow for one page is too slow for the next one, too. So a page that was
    not answered in time is asked for at half the size, and those after it stay at that size until
    enough have been good.
    """

    def __init__(self, url: str, page_size: int) -> None:
        """Start at the first page of the course at `url`; no page will be larger than this."""
        self._url = url
        self._query = f"page_size={page_size}"
        self._size = self._largest = page_size
        self._smallest = min(SMALLEST_PAGE, page_size)
        self._good, self._enough, self._has_grown = 0, GOOD_PAGES, False
        self._learners: set[int] = set()
        self._barren = 0
        self._seen: set[str] = set()

    @property
    def address(self) -> str:
        """Where the page is that comes next, and how large it may be by now."""
        size = f"page_size={self._size}"
        query = _PAGE_SIZE.sub(size, self._query)
        if self._size < self._largest and size not in query.split("&"):
            # Left to itself Open edX would go on with pages of its own size.
            query = f"{query}&{size}"
        return f"{self._url}?{query}"

    def note_failure(self, error: OpenEdxError) -> None:
        """Take smaller steps from here on where the answer took too long."""
        self._good = 0
        if isinstance(error, OpenEdxTimeout):
            self._size = max(self._size // 2, self._smallest)
            if self._has_grown:
                # The larger size was too early, and is given a longer rest.
                self._enough, self._has_grown = self._enough * 2, False

    def note_learners(self, usernames: Iterable[str | None]) -> None:
        """Take down whom the page told of; raise OpenEdxNonsense where nobody new comes any more.

        The pages of an Open edX that never come to an end would hold the sweep for ever.
        """
        new = {hash(username) for username in usernames if username} - self._learners
        self._learners |= new
        self._barren = 0 if new else self._barren + 1
        if self._barren >= BARREN_PAGES:
            raise OpenEdxNonsense(f"{BARREN_PAGES} pages of Open edX told of nobody new.")

    def go_on(self, following: object) -> None:
        """Move to where the page says that the next one is; raise OpenEdxNonsense where it can't.

        Open edX builds the address from the Host header it saw, with http where TLS ended before
        it, and without what a proxy cut off the path. So nothing but the query is believed, and the
        token goes where it went before. A host that is not ours is refused all the same: it is not
        Open edX that answers.
        """
        if not isinstance(following, str):
            raise OpenEdxNonsense("Open edX's next page is not an address.")
        ours, page = _split(self._url), _split(following)
        if page.hostname != ours.hostname or _port(page) not in (_port(ours), None):
            raise OpenEdxNonsense("Open edX's next page is on another origin.")
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


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise OpenEdxNonsense("Open edX's next page is not an address.") from error
    return parts


def _port(parts: SplitResult) -> int | None:
    """Return the port that is written, None for a scheme's own."""
    return None if parts.port in (80, 443) else parts.port
