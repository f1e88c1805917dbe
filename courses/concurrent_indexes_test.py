"""An upgrade beside a backup, and one after another that broke off."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.contrib.postgres.operations import NotInTransactionMixin
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.db.migrations.loader import MigrationLoader

from courses.concurrent_indexes import RepeatableAddIndexConcurrently
from courses.conftest import in_thread
from main.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

INDEX = "courses_certificate_created"
BEFORE_THE_INDEX = "0003"
LIMITS = {"lock_timeout": "200ms", "statement_timeout": "2s"}


@pytest.fixture(autouse=True)
def _without_the_index(transactional_db: None) -> Iterator[None]:
    """The database as it is before the upgrade."""
    migrate(BEFORE_THE_INDEX)
    yield
    migrate()


def migrate(*target: str) -> None:
    call_command("migrate", "courses", *target, verbosity=0)


def is_valid() -> bool | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [INDEX]
        )
        row = cursor.fetchone()
    return row[0] if row else None


@contextmanager
def backup_under_way() -> Iterator[None]:
    """Hold a transaction open as pg_dump does: with a snapshot of everything."""
    backup = connections.create_connection("default")
    try:
        with backup.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT count(*) FROM courses_courseruncertificate")
            yield
            cursor.execute("COMMIT")
    finally:
        backup.close()


def has_waited_longer_than_the_limits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%%' "
            "AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > '2500ms' "
            "AND datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def migrate_with_time_limits() -> list[str]:
    """Migrate with limits as a role can have them; return what they are afterwards."""
    with connection.cursor() as cursor:
        for name, limit in LIMITS.items():
            cursor.execute(f"SET {name} = '{limit}'")
        migrate()
        left = []
        for name in LIMITS:
            cursor.execute(f"SHOW {name}")
            left += cursor.fetchone()
            cursor.execute(f"RESET {name}")
    return left


def test_an_upgrade_waits_until_a_backup_is_over_however_short_the_time_limits():
    with ThreadPoolExecutor(1) as executor:
        with backup_under_way():
            upgrade = executor.submit(in_thread(migrate_with_time_limits))
            wait_until(lambda: has_waited_longer_than_the_limits() or upgrade.done())
            assert not upgrade.done()
        limits = upgrade.result()

    assert is_valid()
    # What the other statements rely on.
    assert limits == list(LIMITS.values())


def test_an_upgrade_that_broke_off_can_be_run_again():
    with backup_under_way(), connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
        with pytest.raises(OperationalError, match="lock timeout"):
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {INDEX} ON courses_courseruncertificate (created_on)"
            )
        cursor.execute("RESET lock_timeout")
    assert is_valid() is False

    migrate()

    assert is_valid()


def test_an_index_that_is_there_already_is_left_as_it_is():
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON courses_courseruncertificate (created_on)"
        )
        cursor.execute("SELECT to_regclass(%s)::oid", [INDEX])
        before = cursor.fetchone()

        migrate()

        cursor.execute("SELECT to_regclass(%s)::oid", [INDEX])
        assert cursor.fetchone() == before


def test_each_migration_of_ours_is_a_transaction_or_can_be_repeated():
    migrations = MigrationLoader(None).disk_migrations.items()
    not_atomic = [
        migration
        for (app, _), migration in migrations
        if app in ("courses", "openedx", "users") and not migration.atomic
    ]

    assert not_atomic
    for migration in not_atomic:
        assert isinstance(migration.operations[0], RepeatableAddIndexConcurrently), migration
        assert not any(
            isinstance(operation, NotInTransactionMixin) for operation in migration.operations[1:]
        ), migration
