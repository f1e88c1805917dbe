"""What Open edX knows of the host's learners: its grades, each with its user."""

import os
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from concurrent import futures
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Self

from django.conf import settings
from django.db import connection

from openedx_certificates import host
from openedx_certificates.settings import app_settings
from openedx_certificates.waiting.holding import hold_nothing
from openedx_certificates.wire.client import GradeRecords, OpenEdxClient, OpenEdxClientSettings
from openedx_certificates.wire.exceptions import CannotAsk, NoEdxUsername, UnusableGrade
from openedx_certificates.wire.grades import EdxGrade, RefusedGrade
from openedx_certificates.wire.read_ahead import read_ahead

# How often a caller that waits for a page shows that it is alive.
ALIVE_SECONDS: Final = 5.0

# LOWER() on both sides, in the database: that is what the index holds. Python's rules for case
# differ, and under UPPER() a dotless i is an i.
_IN_ANOTHER_CASE: Final = """
    SELECT asked.username, min(account.user_id)
    FROM unnest(%s::text[]) AS asked (username)
    JOIN {accounts} AS account
        ON LOWER(account.edx_username) = LOWER(asked.username)
    GROUP BY asked.username
    HAVING count(*) = 1
"""


@dataclass(frozen=True, slots=True)
class GradePage:
    """The grades that came together, sorted by what can be done with them."""

    #: Each with the id of its user.
    graded: list[tuple[EdxGrade, int]]
    #: Why each was refused, and the id of the user it was about if that one is known here.
    refused: list[tuple[str, int | None]]
    #: How many grades were of learners without an account here.
    strangers: int = 0

    def only(self, users: Collection[int]) -> Self:
        """Return the page as if these users, by their ids, were the only ones of the run."""
        return replace(
            self,
            graded=[(grade, user_id) for grade, user_id in self.graded if user_id in users],
            refused=[(why, user_id) for why, user_id in self.refused if user_id in users],
            strangers=0,
        )


def fetch_grade(course_run: host.CourseRun, user: host.User, *, patient: bool = False) -> EdxGrade:
    """Return the user's grade in the run. The thread holds no database connection meanwhile.

    Args:
        course_run: the run.
        user: the learner.
        patient: whether the caller has time, so that a failed question is asked again.

    Raises OpenEdxError if Open edX could not tell, if the grade is refused or may be another
    account's (UnusableGrade), or if the user has no username there (NoEdxUsername); CannotAsk if
    the question could not be asked.
    """
    edx_username = user.edx_username
    if not edx_username:
        raise NoEdxUsername("The learner has no username on Open edX.")
    with hold_nothing():
        grade = _client().fetch_grade(course_run.courseware_id, edx_username, patient=patient)
    is_exact = grade.username == edx_username
    if not is_exact and _find_user_ids({grade.username}).get(grade.username) != user.pk:
        raise UnusableGrade("The username as Open edX spells it may be another account's here.")
    return grade


def fetch_grade_pages(
    course_run: host.CourseRun,
    *,
    patient: bool = True,
    alive: Callable[[], object] = lambda: None,
) -> Iterator[GradePage]:
    """Yield the run's grades with their users, page by page.

    For a `patient` caller a page is fetched while the one before it is
    worked on, and a page that fails is asked for again, up to three times. For another caller a page
    is asked for when it is wanted, and within the time of one question.

    One query finds the users of a page, and one more those that Open edX spells in another case.
    While Open edX is waited for, the thread holds no database connection. Raises OpenEdxError if
    Open edX could not tell, CannotAsk if the question could not be asked; the pages before have
    been yielded.

    Args:
        course_run: the run.
        patient: whether the caller has time.
        alive: called every ALIVE_SECONDS while a patient caller waits for a page, in the caller's
            thread and free to use the database; what it raises ends the iteration.
    """
    course_id = course_run.courseware_id
    answers = _fetch_ahead(course_id, alive) if patient else _fetch_when_wanted(course_id)
    # Closed at once, whatever ends the iteration: no thread is left asking for pages.
    with closing(answers):
        for records in answers:
            yield _with_user_ids(records)


def fetch_grades_with_users(
    course_run: host.CourseRun, user: host.User | None = None
) -> Iterator[tuple[EdxGrade, host.User]]:
    """Yield (grade, user) for each learner of the run, or for the one user that is given.

    Refused grades and learners unknown here are left out; `fetch_grade_pages` tells of them.
    Raises what `fetch_grade` and `fetch_grade_pages` raise.
    """
    if user is not None:
        yield fetch_grade(course_run, user), user
        return
    for page in fetch_grade_pages(course_run):
        users = host.users().in_bulk([user_id for _, user_id in page.graded])
        # A user deleted since is a learner unknown here.
        yield from ((grade, users[user_id]) for grade, user_id in page.graded if user_id in users)


def _fetch_ahead(
    course_id: str, alive: Callable[[], object]
) -> Generator[GradeRecords, None, None]:
    def wait(page: futures.Future[Any]) -> None:
        while True:
            with hold_nothing():
                there, _ = futures.wait([page], timeout=ALIVE_SECONDS)
            if there:
                return
            alive()

    given_up = threading.Event()
    pages = _client().iter_grade_pages(course_id, patient=True, wait=given_up.wait)
    return read_ahead(pages, wait=wait, given_up=given_up)


def _fetch_when_wanted(course_id: str) -> Generator[GradeRecords, None, None]:
    pages = _client().iter_grade_pages(course_id, patient=False)
    while True:
        with hold_nothing():
            records = next(pages, None)
        if records is None:
            return
        yield records


def _with_user_ids(records: GradeRecords) -> GradePage:
    user_ids = _find_user_ids({record.username for record in records if record.username})
    graded, refused, strangers = [], [], 0
    for record in records:
        user_id = user_ids.get(record.username)
        if isinstance(record, RefusedGrade):
            refused.append((record.reason, user_id))
        elif user_id is None:
            strangers += 1
        else:
            graded.append((record, user_id))
    return GradePage(graded, refused, strangers)


def _find_user_ids(usernames: set[str]) -> dict[str | None, int]:
    """Return the user of each of Open edX's usernames; those of strangers are left out.

    Open edX (on MySQL) tells usernames apart without regard to case, and answers its own spelling.
    An account of exactly that spelling is meant before any other. Accounts that differ from each
    other in case alone, none of them exact, can't be told apart: the username is a stranger's.
    """
    user_ids: dict[str | None, int] = dict(host.map_user_ids(usernames).items())
    strangers = usernames - user_ids.keys()
    if strangers:
        with connection.cursor() as cursor:
            cursor.execute(host.sql(_IN_ANOTHER_CASE), [list(strangers)])
            user_ids |= dict(cursor.fetchall())
    return user_ids


def _client() -> OpenEdxClient:
    if not settings.OPENEDX_SERVICE_WORKER_API_TOKEN:
        # A host may leave it out in development.
        raise CannotAsk("Open edX was not asked: OPENEDX_SERVICE_WORKER_API_TOKEN is not set.")
    return _client_for(
        OpenEdxClientSettings(
            base_url=settings.OPENEDX_API_BASE_URL,
            token=settings.OPENEDX_SERVICE_WORKER_API_TOKEN,
            timeout=app_settings.TIMEOUT,
            page_size=app_settings.PAGE_SIZE,
            page_retry_delay=app_settings.PAGE_RETRY_DELAY,
        )
    )


# Kept, so that connections are used again.
@lru_cache(maxsize=2)
def _client_for(client_settings: OpenEdxClientSettings) -> OpenEdxClient:
    return OpenEdxClient(client_settings)


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=_client_for.cache_clear)
