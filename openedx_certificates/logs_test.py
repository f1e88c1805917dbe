"""A line names its learner and run, also in the log of a host that drops the fields."""

from pathlib import Path

import pytest

from openedx_certificates.logs import get_logger

log = get_logger("openedx_certificates.test")


def test_the_ids_stand_behind_the_message_and_in_fields(caplog: pytest.LogCaptureFixture):
    log.warning("%s refused", "grade", extra={"course_id": "c-1", "user_id": 7, "seconds": 0.1})

    (record,) = caplog.records
    assert record.getMessage() == "grade refused (user_id 7, course_id c-1)"
    fields = vars(record)
    assert (fields["user_id"], fields["course_id"], fields["seconds"]) == (7, "c-1", 0.1)


def test_what_happened_is_told_in_the_same_words_each_time(caplog: pytest.LogCaptureFixture):
    for user in (7, 8):
        log.warning("grade refused", extra={"user_id": user})

    assert {vars(record)["event"] for record in caplog.records} == {"grade refused"}
    # What a service that groups lines looks at.
    assert {record.msg for record in caplog.records} == {"grade refused (user_id %s)"}


def test_a_line_without_ids_is_the_message_alone(caplog: pytest.LogCaptureFixture):
    log.error("all of it failed", extra={"user_id": None})

    assert caplog.messages == ["all of it failed"]


def test_a_percent_sign_is_one(caplog: pytest.LogCaptureFixture):
    log.error("100% of it failed", extra={"user_id": 7})

    assert caplog.messages == ["100% of it failed (user_id 7)"]


def test_the_line_is_the_callers(caplog: pytest.LogCaptureFixture):
    log.warning("metrics are not counted")

    assert caplog.records[0].pathname == str(Path(__file__))
