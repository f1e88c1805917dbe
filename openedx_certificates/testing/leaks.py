"""A look at all that is logged in each test: no address, name or token of the people in it is there."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models.signals import post_save
from oauth2_provider.models import get_access_token_model

# Shorter ones could be a part of any word.
_LEAST_LENGTH = 8
_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class LogOfEverything(logging.Handler):
    """Keeps each line with its fields, as far as loggers let it through."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        # The test client's request is no field of a line.
        fields.pop("request", None)
        self.lines.append(f"{record.getMessage()} {fields}")


def find_leaks(lines: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """Return the lines that hold one of the secrets, in any case and however it is encoded."""
    forms = {
        form.lower()
        for secret in secrets
        if len(secret) >= _LEAST_LENGTH
        for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    }
    return [line for line in lines if any(form in line.lower() for form in forms)]


@pytest.fixture(autouse=True)
def nothing_leaks(pytestconfig: pytest.Config) -> Iterator[None]:
    """Fail a test in which something is logged that must stay between the learner and us.

    What another host logs by itself is its own.
    """
    name = None if pytestconfig.getini("beside_its_site") else "openedx_certificates"
    with leaks_refused(logging.getLogger(name)):
        yield


@contextmanager
def leaks_refused(logger: logging.Logger) -> Iterator[None]:
    """Raise AssertionError at the end of the block if the logger was told a secret of the people made in it."""
    secrets = {str(settings.OPENEDX_SERVICE_WORKER_API_TOKEN)}
    log = LogOfEverything()

    def learn(instance: Any, **_signal: Any) -> None:
        for name in ("email", "username", "name", "edx_username", "token"):
            if value := getattr(instance, name, None):
                secrets.add(str(value))

    senders = (get_user_model(), get_access_token_model(), "openedx.OpenEdxUser")
    for sender in senders:
        post_save.connect(learn, sender=sender, weak=False, dispatch_uid=learn)
    logger.addHandler(log)
    try:
        yield
    finally:
        logger.removeHandler(log)
        for sender in senders:
            post_save.disconnect(sender=sender, dispatch_uid=learn)
    if leaks := find_leaks(log.lines, secrets):
        raise AssertionError("\n".join(leaks))
