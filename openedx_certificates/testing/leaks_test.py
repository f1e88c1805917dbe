"""The fixture that finds leaks would find one."""

import logging

import pytest

from openedx_certificates.testing.leaks import LogOfEverything, find_leaks

SECRETS = ["Dana.Levi+x@example.com", "token-of-a-member-of-staff"]


@pytest.fixture
def log() -> LogOfEverything:
    return LogOfEverything()


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
    logger = logging.Logger("openedx_certificates.some_module")
    logger.addHandler(log)

    if place == "message":
        logger.info("a step of %s", form)
    else:
        logger.info("a step", extra={"of": form})

    assert len(find_leaks(log.lines, SECRETS)) == 1


def test_ids_are_no_leak(log: LogOfEverything):
    logger = logging.Logger("openedx_certificates.some_module")
    logger.addHandler(log)

    logger.info("a step", extra={"user_id": 7, "course_id": "course-v1:MITxT+18.6501x+R1"})

    assert find_leaks(log.lines, SECRETS) == []
    assert len(log.lines) == 1
