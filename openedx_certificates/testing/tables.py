"""Tables that are not as the product expects them, until the test's transaction is undone."""

from django.db import connection

from users.models import User


def alter(statement: str) -> None:
    """Change a table, however long PostgreSQL itself is at it.

    Its autovacuum gives way to a statement that has waited for a second, our lock time-out.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = 0; {statement}; RESET lock_timeout")


def refuse_grades_of(user: User) -> None:
    """Let the database take no row of the user's grade."""
    alter(
        "ALTER TABLE courses_courserungrade"
        f" ADD CONSTRAINT only_for_this_test CHECK (user_id <> {user.pk})"
    )
