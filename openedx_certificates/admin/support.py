"""What every admin here shares: how a support person finds a learner."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower
from django.http import HttpRequest

from openedx_certificates import host
from openedx_certificates.admin.pasted import Pasted, read_pasted
from openedx_certificates.models import CourseRunCertificateDeletion

# So many users are found in one way; a longer search means fewer.
FOUND_MAX = 1_000
FIND_LEARNER = (
    "An e-mail address, a username or one on Open edX, or how it starts; or a name "
    f"(the newest {FOUND_MAX:,} of it)."
)


def find_users(pasted: Pasted) -> Iterator[list[int]]:
    """Yield the keys of the users that each address means, and of those that the words mean.

    A whole address, or a username that looks like one, means its owner alone; if it has none, it is
    the start of one. A single word is the start of an address, of a username or of a username on
    Open edX. All words together are a name: each is the start of a word in it. At most FOUND_MAX
    users are found in each way, by name the newest.

    Each way but the name uses an index among a million users; the start of an address does so if the
    database's collation is C, as it is in development. A name costs one walk through the table (0.7 s
    for a million users), since an index for it would be one on MITx Online's own table.
    """
    for address in pasted.addresses:
        yield _find_first(_get_whole(address)) or _find_first(_get_starting(address))
    if pasted.words:
        single = _get_starting(pasted.words[0]) if len(pasted.words) == 1 else []
        yield _find_first([*single, _get_named(pasted.words)])


def find_users_named(uuid: UUID) -> list[int]:
    """Return the users with this uuid as their username."""
    return _find_first([host.users().filter(username__in=[str(uuid), uuid.hex])])


def find_users_of_certificate(uuid: UUID) -> list[int]:
    """Return the user of this certificate, also of one that was deleted."""
    certificates = host.certificates().filter(uuid=uuid).values("user")
    deletions = CourseRunCertificateDeletion.objects.filter(certificate_uuid=uuid).values("user")
    return _find_first(
        [host.users().filter(pk__in=certificates), host.users().filter(pk__in=deletions)]
    )


def _get_whole(name: str) -> list[host.Rows]:
    return [
        host.users().annotate(email_lower=Lower("email")).filter(email_lower=Lower(Value(name))),
        host.users().filter(username=name),
        host.users().filter(openedx_users__edx_username=name),
    ]


def _get_starting(start: str) -> list[host.Rows]:
    users = host.users().annotate(email_lower=Lower("email"))
    return [
        users.filter(email_lower__startswith=Lower(Value(start))),
        host.users().filter(username__startswith=start),
        host.users().filter(openedx_users__edx_username__startswith=start),
    ]


def _get_named(words: Iterable[str]) -> host.Rows:
    users = host.users().order_by("-pk")
    for word in words:
        # From the start of a word on, also behind a hyphen or a bracket.
        users = users.filter(name__iregex=rf"\m{re.escape(word)}")
    return users


def _find_first(ways: Iterable[host.Rows]) -> list[int]:
    # One after the other and not joined by OR, so that each can use its index. Found beforehand, so
    # that the database knows how few they are and does not walk through all rows of the list.
    return list({pk for users in ways for pk in users.values_list("pk", flat=True)[:FOUND_MAX]})


class SupportAdmin(admin.ModelAdmin):
    """An admin over a million rows, in which nothing is deleted and each search uses an index.

    A subclass over many rows says in `find_rows` what a search can mean; in a list of thousands any
    part of the `search_fields` does.
    """

    ordering = ["-pk"]
    list_per_page = 50
    # Both would count the whole table.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - as the framework calls it
        """Refuse it: certificates hang on these rows, and each has a way to be switched off."""
        return False

    def log_changes(self, request: HttpRequest, rows: Iterable[Any], message: str) -> None:
        """Note in the history of each row what was done, with one statement for all."""
        user: Any = request.user
        LogEntry.objects.log_actions(user.pk, rows, CHANGE, message)

    def find_rows(self, pasted: Pasted) -> Iterator[Q]:
        """Yield a condition for each part of a search that says something of these rows."""
        for part in (*pasted.course_ids, *pasted.words):
            yield Q(*((f"{name}__icontains", part) for name in self.search_fields), _connector=Q.OR)

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - as the framework calls it
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """Narrow the rows by each part of the search that says something of them.

        The others are left out: a learner and a course id pasted together mean the learner in the
        list of users, and the run in the list of runs. Without a part that says something, none is
        found.
        """
        if not search_term.strip():
            return queryset, False
        conditions = list(self.find_rows(read_pasted(search_term)))
        return queryset.filter(*conditions) if conditions else queryset.none(), False
