"""What the chaos run reads of the database, with a connection of its own for each look."""

from dataclasses import dataclass

import psycopg

from tools.chaos.cast import Case
from tools.chaos.senders import Sent
from tools.chaos.verdict import CaseFacts, CertificateFacts, RequestFacts

CONNECT_SECONDS = 5

_OPEN = """
SELECT count(*), min(next_attempt_on), now() FROM openedx_certificates_certificaterequest WHERE status = 'open'
"""
_FILL_IN = """
UPDATE openedx_openedxuser SET edx_username = %(edx_username)s
WHERE user_id = (SELECT id FROM users_user WHERE username = %(username)s)
"""
_IDS = """
SELECT users_user.username, courses_courserun.courseware_id, users_user.id, courses_courserun.id
FROM users_user CROSS JOIN courses_courserun
"""
_REQUESTS = """
SELECT user_id, course_run_id, status, reason, last_error, attempts
FROM openedx_certificates_certificaterequest ORDER BY id
"""
_CERTIFICATES = "SELECT user_id, course_run_id, is_revoked FROM courses_courseruncertificate"
_RECORD = "SELECT user_id, course_run_id, uuid, is_revoked FROM chaos_record"


@dataclass(frozen=True, slots=True)
class Open:
    """The requests that are not settled."""

    count: int
    #: Seconds until the first of them is due; 0.0 if one is, or there is none.
    due_in: float


def count_open(url: str) -> Open | None:
    """Return what is open; None if PostgreSQL is away."""
    try:
        with _connect(url) as connection:
            row = connection.execute(_OPEN).fetchone()
    except psycopg.OperationalError:
        return None
    if row is None:
        return None
    count, first, now = row
    return Open(count, max(0.0, (first - now).total_seconds()) if first else 0.0)


def fill_in(url: str, case: Case) -> bool:
    """Make the learner's username on Open edX known; False if PostgreSQL is away."""
    try:
        with _connect(url) as connection:
            connection.execute(
                _FILL_IN, {"edx_username": case.edx_username, "username": case.username}
            )
    except psycopg.OperationalError:
        return False
    return True


def take_writes(url: str, *, may_write: bool) -> None:
    """Let the server take writes, or none from now on, also in sessions that are open."""
    with _connect(url) as connection:
        read_only = "off" if may_write else "on"
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}")
        connection.execute("SELECT pg_reload_conf()")


def read_facts(url: str, cases: tuple[Case, ...], sent: Sent) -> list[CaseFacts]:
    """Return what has become of each case."""
    accepted, held = sent.accepted, sent.held
    with _connect(url) as connection:
        ids = {(name, run): (user, pk) for name, run, user, pk in connection.execute(_IDS)}
        facts = {
            ids[case.key]: CaseFacts(
                *ids[case.key], case.story, case.key in accepted, is_held=case.key in held
            )
            for case in cases
        }
        for user, run, status, reason, error, attempts in connection.execute(_REQUESTS):
            facts[user, run].requests.append(RequestFacts(status, reason, error, attempts))
        for user, run, is_revoked in connection.execute(_CERTIFICATES):
            facts[user, run].certificate = CertificateFacts(is_revoked)
        for user, run, uuid, is_revoked in connection.execute(_RECORD):
            facts[user, run].uuids.add(str(uuid))
            facts[user, run].was_revoked |= is_revoked
    return list(facts.values())


def _connect(url: str) -> psycopg.Connection:
    # What the run itself writes is no part of the storm.
    options = "-c default_transaction_read_only=off"
    return psycopg.connect(url, connect_timeout=CONNECT_SECONDS, autocommit=True, options=options)
