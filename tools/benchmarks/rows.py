"""The rows of a benchmark. Runs inside Django, in a process of its own, and prints the token."""

from typing import Any

from django.core.management import call_command
from django.db import connection

from courses.models import Course, CourseRun
from tools.benchmarks.cast import MIXED, PAID, RUN_PREFIX, WARM_UP_COURSE_ID

# By the database: a million objects of Python's would take minutes.
_USERS = """
INSERT INTO users_user (
    username, email, password, name, global_id, is_staff, is_active, is_superuser,
    created_on, updated_on
)
SELECT
    'learner-' || number, 'learner-' || number || '@example.com', '!', '', '', false, true, false,
    now(), now()
FROM generate_series(0, %(learners)s - 1) AS number
WHERE (%(is_known)s::boolean[])[number %% %(kinds)s + 1]
ORDER BY number
"""
_ACCOUNTS = """
INSERT INTO openedx_openedxuser (
    user_id, platform, edx_username, has_been_synced, has_sync_error, created_on, updated_on
)
SELECT id, 'edx', username, true, false, now(), now() FROM users_user ORDER BY id
"""
_ENROLLMENTS = """
INSERT INTO courses_courserunenrollment (
    user_id, run_id, enrollment_mode, active, edx_enrolled, created_on, updated_on
)
SELECT
    learner.id, run.id, (%(modes)s::text[])[number %% %(kinds)s + 1],
    (%(is_active)s::boolean[])[number %% %(kinds)s + 1], true, now(), now()
FROM users_user AS learner
CROSS JOIN LATERAL (SELECT substring(learner.username FROM 9)::integer AS number) AS of_learner
JOIN courses_courserun AS run ON run.courseware_id = %(prefix)s || (number / %(per_run)s + 1)
    OR run.courseware_id = %(warm_up)s AND number < %(warm_up_learners)s
ORDER BY learner.id
"""


def prepare(learners: int, runs: int = 1, *, is_mixed: bool = False) -> None:
    """Migrate an empty database, and make learners and the self-paced runs they are enrolled in.

    Args:
        learners: of each run; each learner takes one.
        runs: how many there are, and one more to get warm on.
        is_mixed: whether some did not pass or pay, or are not known here; else all did.
    """
    call_command("migrate", verbosity=0, interactive=False)
    _make_runs(runs)
    kinds = MIXED if is_mixed else PAID
    values: dict[str, Any] = {
        "learners": learners * runs,
        "kinds": len(kinds),
        "is_known": [kind.is_known for kind in kinds],
        "is_active": [kind.is_active for kind in kinds],
        "modes": [kind.mode for kind in kinds],
        "prefix": RUN_PREFIX,
        "per_run": learners,
        "warm_up": WARM_UP_COURSE_ID,
        "warm_up_learners": len(MIXED),
    }
    with connection.cursor() as cursor:
        for statement in (_USERS, _ACCOUNTS, _ENROLLMENTS):
            cursor.execute(statement, values)
    call_command("create_webhook_token")
    with connection.cursor() as cursor:
        # PostgreSQL may be at it by itself.
        cursor.execute("SET lock_timeout = 0")
        cursor.execute("VACUUM ANALYZE")


def _make_runs(runs: int) -> None:
    course = Course.objects.create(readable_id="course-v1:MITxT+bench", title="B", live=True)
    tags = {f"{RUN_PREFIX}{number}": f"R{number}" for number in range(1, runs + 1)}
    CourseRun.objects.bulk_create(
        CourseRun(
            course=course,
            courseware_id=course_id,
            title="B",
            run_tag=tag,
            is_self_paced=True,
            live=course_id != WARM_UP_COURSE_ID,
        )
        for course_id, tag in {**tags, WARM_UP_COURSE_ID: "warm-up"}.items()
    )
