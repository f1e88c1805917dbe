"""How a log line is made: one line, plain fields, and nothing of an exception but its place."""

import logging
from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest
from structlog.contextvars import bound_contextvars

from main import logs
from main.database.connecting import connect
from main.database.pool import Pool
from site_tests.log_reading import Log, make_log
from tools.processes import find_free_port
from users.models import User

ours = logging.getLogger("courses.some_module")
theirs = logging.getLogger("some_library")

SECRET = "dana@example.com scored 0.8731"
HOSTILE = {
    "a line feed": 'x\n{"event": "certificate created"}',
    "a carriage return": "x\rcertificate created",
    "an escape": "x\x1b[2Jcertificate created",
    "a line separator": "x\u2028certificate created",
    "a lone surrogate": "x\ud800",
    "a quote": 'x", "level": "critical',
    "a field": "x level=critical",
}


@pytest.fixture
def development() -> Iterator[Log]:
    """What is written in development by `courses.some_module`."""
    written = make_log(as_json=False)
    ours.addHandler(written.handler)
    yield written
    ours.removeHandler(written.handler)


def warning(text: str) -> logging.LogRecord:
    """Return a record of the text; through a logger the tests' own reports would get it, too."""
    fields = {"msg": text, "course_id": text, "name": ours.name}
    return logging.makeLogRecord({"levelno": logging.WARNING, "levelname": "WARNING", **fields})


def fail() -> None:
    raise ValueError(SECRET)


class TestOneLine:
    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_in_production_whatever_is_logged_is_one_object_with_the_fields_it_has(
        self, text: str, log: Log
    ):
        log.handler.handle(warning(text))

        (line,) = log.lines
        assert (line["event"], line["course_id"], line["level"]) == (text, text, "warning")
        assert log.text.isascii()

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_in_development_it_is_one_line_that_steers_no_terminal(
        self, text: str, development: Log
    ):
        development.handler.handle(warning(text))

        (line,) = development.text.splitlines()
        assert line.isprintable()
        assert "warning" in line

    def test_a_library_is_heard_with_its_first_line(self, log: Log):
        theirs.error("could not be read.\nThe message was: %s", SECRET)

        (line,) = log.lines
        assert line["event"] == "could not be read."


class TestFields:
    def test_extra_is_shown_with_who_and_when(self, log: Log):
        ours.info("certificate created", extra={"user_id": 7, "course_id": "course-v1:a+b+c"})

        (line,) = log.lines
        moment = line.pop("timestamp")
        assert moment.endswith("Z")
        assert line == {
            "event": "certificate created",
            "level": "info",
            "logger": "courses.some_module",
            "user_id": 7,
            "course_id": "course-v1:a+b+c",
        }

    def test_what_is_bound_is_on_every_line_and_gives_way_to_what_is_logged(self, log: Log):
        with bound_contextvars(request_id="r1", user_id=1):
            ours.info("certificate created", extra={"user_id": 7})

        (line,) = log.lines
        assert (line["request_id"], line["user_id"]) == ("r1", 7)

    def test_of_an_object_the_type_is_shown(self, log: Log):
        dana = User(username="dana", email="dana@example.com")
        error = ValueError(SECRET)

        ours.info(
            "x", extra={"who": dana, "why": error, "all": [dana, {"a": error}], "request": dana}
        )

        (line,) = log.lines
        assert (line["who"], line["why"]) == ("User", "ValueError")
        assert line["all"] == ["User", {"a": "ValueError"}]
        assert "request" not in line
        assert "dana" not in log.text

    def test_plain_values_stay(self, log: Log):
        plain = {"a": 1, "b": 1.5, "c": None, "d": True, "e": ["x"], "f": {"y": 2}}

        ours.info("x", extra=plain)

        (line,) = log.lines
        assert {name: line[name] for name in plain} == plain

    def test_what_json_has_no_word_for_is_text(self, log: Log):
        uuid = UUID(int=7)

        ours.info("x", extra={"a": float("nan"), "b": float("inf"), "c": uuid})

        (line,) = log.lines
        assert (line["a"], line["b"], line["c"]) == ("nan", "inf", str(uuid))

    def test_a_line_that_can_not_be_made_is_told_of_without_its_values(
        self, log: Log, capfd: pytest.CaptureFixture[str]
    ):
        place = ("courses", logging.INFO, "some_module.py", 17)
        log.handler.handle(logging.LogRecord(*place, "%d learners", (SECRET,), None))

        (line,) = log.lines
        assert line["event"] == "a log line could not be made"
        assert (line["level"], line["error"]) == ("error", "TypeError")
        assert (line["file"], line["line"]) == ("some_module.py", 17)
        assert "dana" not in log.text + capfd.readouterr().err


class TestExceptions:
    def test_an_exception_is_shown_by_type_and_place_along_its_causes(self, log: Log):
        try:
            try:
                fail()
            except ValueError as cause:
                raise KeyError(SECRET) from cause
        except KeyError:
            ours.exception("it failed")

        (line,) = log.lines
        assert line["error"] == "KeyError"
        outer, _, inner, _, raised = line["stack"]
        assert (outer, inner) == ("builtins.KeyError", "builtins.ValueError")
        assert raised.split()[0].startswith(f"{__file__}:")
        assert raised.endswith(" fail")
        assert "dana" not in log.text

    def test_it_does_not_matter_which_library_logs_it(self, log: Log):
        try:
            fail()
        except ValueError:
            theirs.exception("it failed")

        (line,) = log.lines
        assert line["error"] == "ValueError"
        assert line["stack"][-1].endswith(" fail")
        assert "dana" not in log.text

    @pytest.mark.parametrize(
        "tell",
        [
            lambda error: theirs.error("it failed: %s", error),
            lambda error: theirs.error("it failed: %r after %d tries", error, 3),
            lambda error: theirs.error("it failed: %(exc)s", {"exc": error}),
        ],
        ids=["its text", "its repr", "by name"],
    )
    def test_an_exception_in_a_message_is_shown_by_its_type(
        self, tell: Callable[[Exception], None], log: Log
    ):
        tell(ValueError(SECRET))

        (line,) = log.lines
        assert "ValueError" in line["event"]
        assert "dana" not in log.text

    def test_why_no_connection_to_the_database_is_made_is_told(self, log: Log):
        with pytest.raises(psycopg.OperationalError):
            Pool(lambda: connect({"host": "127.0.0.1", "port": find_free_port()}), 1).getconn()

        (line,) = log.lines
        assert line["event"] == "no connection to the database"
        assert "Connection refused" in line["cause"]

    def test_an_exception_that_is_its_own_cause_ends(self, log: Log):
        error = ValueError(SECRET)
        error.__context__ = KeyError()
        error.__context__.__context__ = error

        ours.error("it failed", exc_info=error)

        assert len(log.lines) == 1

    def test_a_deep_stack_is_cut(self, log: Log):
        def dive() -> None:
            dive()

        try:
            dive()
        except RecursionError:
            ours.exception("it failed")

        assert len(log.lines[0]["stack"]) == logs.FRAMES_MAX + 1

    def test_in_development_its_text_is_shown(self, development: Log):
        try:
            fail()
        except ValueError:
            ours.exception("it failed")

        assert f"ValueError: {SECRET}" in development.text


class TestWhoIsHeard:
    @pytest.mark.parametrize(
        "name",
        [
            "amqp",
            "celery.app.builtins",
            "celery.worker.request",
            "django.db.backends",
            "django.server",
            "django.template",
            "kombu.connection",
            "oauth2_provider",
            "oauthlib.oauth2.rfc6749.endpoints.base",
            "psycopg",
            "psycopg.pool",
            "requests_oauthlib",
            "urllib3.connectionpool",
        ],
    )
    def test_a_library_that_shows_what_it_works_on_is_opened_by_no_level(self, name: str, log: Log):
        logging.getLogger(name).debug(SECRET)

        assert not log.text

    @pytest.mark.parametrize("name", logs.OUR_OWN)
    def test_our_own_lines_are_opened(self, name: str, log: Log):
        logging.getLogger(f"{name}.module").debug("a step")

        assert len(log.lines) == 1

    @pytest.mark.parametrize(
        ("level", "root", "ours", "celery"),
        [
            ("DEBUG", "WARNING", "DEBUG", "INFO"),
            ("INFO", "WARNING", "INFO", "INFO"),
            ("WARNING", "WARNING", "WARNING", "WARNING"),
            ("ERROR", "ERROR", "ERROR", "ERROR"),
        ],
    )
    def test_a_level_is_of_our_own_lines_and_can_silence_the_others(
        self, level: str, root: str, ours: str, celery: str
    ):
        configuration = logs.configuration(level, debug=False)

        assert configuration["root"]["level"] == root
        assert configuration["loggers"]["courses"]["level"] == ours
        assert configuration["loggers"]["celery"]["level"] == celery

    def test_all_that_is_written_goes_through_one_handler(self):
        configuration = logs.configuration("INFO", debug=False)

        used = {
            handler
            for logger in configuration["loggers"].values()
            for handler in logger.get("handlers", [])
        }
        assert used <= {"none", "refusals"}
        assert configuration["root"]["handlers"] == ["console"]
