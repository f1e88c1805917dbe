"""Reading ahead: one page is worked on while the next is on its way."""

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Any, TypeVar

Page = TypeVar("Page")


def read_ahead(
    pages: Iterator[Page], *, wait: Callable[[Future[Any]], object], given_up: threading.Event
) -> Generator[Page, None, None]:
    """Yield what `pages` yields, each while the next is fetched in a thread.

    Nothing is fetched before the first is asked for, and never more than the one that comes next.
    An error of `pages` is raised at its turn, after the pages before it. To close the iterator
    early takes no time: what is in flight is left to itself, and no further page is asked for.

    Args:
        pages: is asked in one thread at a time, a short-lived one for each page. A connection to
            the database that is opened there would stay open.
        wait: called if the next page is not there yet; returns once it is.
        given_up: is set when no page is wanted any more, so that `pages` can end a wait at once.
    """
    try:
        coming = _fetch(pages, given_up)
        while True:
            if not coming.done():
                wait(coming)
            fetched = coming.result()
            if not fetched:
                return
            coming = _fetch(pages, given_up)
            # Nothing here holds the page: two at most are in memory, the caller's and the next.
            yield fetched.pop()
    finally:
        given_up.set()


def _fetch(pages: Iterator[Page], given_up: threading.Event) -> Future[list[Page]]:
    """Return the next of the pages as it will be: in a list, which is empty after the last."""
    coming: Future[list[Page]] = Future()

    def fetch() -> None:
        if given_up.is_set():
            return
        try:
            coming.set_result(list(islice(pages, 1)))
        except BaseException as error:  # noqa: BLE001 - it is raised to the caller
            coming.set_exception(error)

    # A daemon: the process can exit without waiting for Open edX.
    threading.Thread(target=fetch, name="read-ahead", daemon=True).start()
    return coming
