"""The fixture that finds leaks would find one."""

import logging

import pytest

from openedx_certificates.testing.factories import UserFactory
from openedx_certificates.testing.leaks import LogOfEverything, find_leaks, leaks_refused

SECRETS = ["Dana.Levi+x@example.com", "token-of-a-member-of-staff"]


@pytest.fixture
def log() -> LogOfEverything:
    return LogOfEverything()


def logger_with(log: LogOfEverything) -> logging.Logger:
    """Return a logger with lines that go nowhere else: the fixture looks at this test, too."""
    logger = logging.getLogger("openedx_certificates.testing.some_module")
    logger.handlers, logger.propagate, logger.level = [log], False, logging.INFO
    return logger


@pytest.mark.parametrize(
    "form",
    [
        "Dana.Levi+x@example.com",
        "dana.levi+x@EXAMPLE.com",
        "Dana.Levi%2Bx%40example.com",
        "x=token-of-a-member-of-staff;",
    ],
)
@pytest.mark.parametrize("place", ["message", "field"])
def test_a_secret_is_found_in_a_message_and_in_a_field(log: LogOfEverything, form: str, place: str):
    logger = logger_with(log)

    if place == "message":
        logger.info("a step of %s", form)
    else:
        logger.info("a step", extra={"of": form})

    assert len(find_leaks(log.lines, SECRETS)) == 1


def test_ids_are_no_leak(log: LogOfEverything):
    logger = logger_with(log)

    logger.info("a step", extra={"user_id": 7, "course_id": "course-v1:MITxT+18.6501x+R1"})

    assert find_leaks(log.lines, SECRETS) == []
    assert len(log.lines) == 1


@pytest.mark.django_db
def test_the_people_made_in_a_test_are_those_whose_secrets_are_looked_for(log: LogOfEverything):
    logger = logger_with(log)

    def leak() -> None:
        with leaks_refused(logger):
            logger.info("a step of %s", UserFactory.create().email)

    with pytest.raises(AssertionError, match="a step of"):
        leak()
