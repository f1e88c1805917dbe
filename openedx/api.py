"""What Open edX knows of our learners."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, Self

from django.conf import settings
from django.db import connections

from openedx.client import GradeRecords, OpenEdxClient, OpenEdxClientSettings
from openedx.exceptions import NoEdxUsername
from openedx.grades import EdxGrade, RefusedGrade
from openedx.models import OpenEdxUser
from openedx.turns import webhook_turns
from users.models import User


class HasCoursewareId(Protocol):
    """A course run, as far as Open edX is concerned."""

    courseware_id: str


@dataclass(frozen=True, slots=True)
class GradePage:
    """The grades that came together, sorted by what can be done with them."""

    graded: list[tuple[EdxGrade, User]]
    #: Why each was refused, and the user it was about where that one is known here.
    refused: list[tuple[str, User | None]]
    #: How many grades were of learners who have no account here.
    strangers: int = 0
    #: Whether it answers a question about one learner.
    is_of_one_learner: bool = False

    def only(self, users: Collection[int]) -> Self:
        """Return the page as if these users, by their ids, were the only ones of the run."""
        return replace(
            self,
            graded=[(grade, user) for grade, user in self.graded if user.pk in users],
            refused=[(why, user) for why, user in self.refused if user and user.pk in users],
            strangers=0,
        )


def get_edx_grades_with_users(
    course_run: HasCoursewareId, user: User | None = None
) -> Iterator[tuple[EdxGrade, User]]:
    """Yield (grade, user) for each learner of the run, or for the one user who is given.

    Refused grades and learners unknown here are left out; `fetch_grade_pages` tells of them.
    Raises OpenEdxError where Open edX could not tell; what came before it has been yielded.
    """
    for page in fetch_grade_pages(course_run, user, patient=user is None):
        yield from page.graded


def fetch_grade_pages(
    course_run: HasCoursewareId, user: User | None = None, *, patient: bool = True
) -> Iterator[GradePage]:
    """Yield the run's grades with their users page by page; one user's grade is a page of one.

    A `patient` caller, for whom nobody waits, has a page or a grade that fails asked for again, up
    to three times; another has it asked for within the time of one question.

    One query finds the users of a page. While Open edX is waited for, the thread holds no database
    connection. Raises OpenEdxError where Open edX could not tell, for one user also where its
    grade is refused (UnusableGrade) or the user has no username there (NoEdxUsername).
    """
    if user is not None:
        edx_username = user.edx_username
        if edx_username is None:
            raise NoEdxUsername("The learner has no username on Open edX.")
        with waiting():
            grade = _client().fetch_grade(course_run.courseware_id, edx_username, patient=patient)
        yield GradePage([(grade, user)], [], is_of_one_learner=True)
        return
    pages = _client().iter_grade_pages(course_run.courseware_id, patient=patient)
    while True:
        with waiting():
            records = next(pages, None)
        if records is None:
            return
        yield _with_users(records)


def _with_users(records: GradeRecords) -> GradePage:
    accounts = OpenEdxUser.objects.filter(
        edx_username__in={record.username for record in records if record.username}
    ).select_related("user")
    users = {account.edx_username: account.user for account in accounts}
    graded, refused, strangers = [], [], 0
    for record in records:
        user = users.get(record.username)
        if isinstance(record, RefusedGrade):
            refused.append((record.reason, user))
        elif user is None:
            strangers += 1
        else:
            graded.append((record, user))
    return GradePage(graded, refused, strangers)


@contextmanager
def waiting() -> Iterator[None]:
    """Wait for somebody else in the block, and hold nothing meanwhile: no connection, no turn.

    A hundred waiting webhooks would otherwise take all of PostgreSQL's connections. Inside a
    transaction a connection can't be given back: callers keep their transactions short of here.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
    with webhook_turns.given_up():
        yield


def _client() -> OpenEdxClient:
    return _client_for(
        OpenEdxClientSettings(
            base_url=settings.OPENEDX_API_BASE_URL,
            token=settings.OPENEDX_SERVICE_WORKER_API_TOKEN,
            timeout=settings.EDX_API_CLIENT_TIMEOUT,
            connect_timeout=settings.EDX_API_CLIENT_CONNECT_TIMEOUT,
            read_timeout=settings.EDX_API_CLIENT_READ_TIMEOUT,
            page_size=settings.EDX_API_PAGE_SIZE,
            page_retry_delay=settings.EDX_API_PAGE_RETRY_DELAY,
        )
    )


# Kept, so that connections are used again.
@lru_cache(maxsize=2)
def _client_for(client_settings: OpenEdxClientSettings) -> OpenEdxClient:
    return OpenEdxClient(client_settings)


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=_client_for.cache_clear)
