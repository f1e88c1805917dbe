"""The periodic work of courses."""

from celery import shared_task

from openedx_certificates.tasks import sweep_eligible_runs


@shared_task
def generate_course_certificates() -> None:
    """Start a sweep of each eligible run, by the app. Repeatable."""
    sweep_eligible_runs()
