"""Open edX's grades API: which question gets which answer, when nothing fails."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode

from tools.simulator.courses import Courses, Learner, Page, SimulatedCourse
from tools.simulator.received import ReceivedRequest
from tools.simulator.replies import Reply

DEFAULT_PAGE_SIZE: Final = 50
# The two shapes that opaque-keys reads: course-v1:org+course+run, and the old org/course/run.
_COURSE_KEY: Final = re.compile(r"course-v\d+:[^/+]+\+[^/+]+\+[^/+]+|[^/+:]+/[^/+:]+/[^/+:]+")
# Cursors name a position as a whole number; more digits than any course can need are no cursor.
_MOST_CURSOR_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two enrollments, worded on the wire as Django REST framework words it."""

    position: int = -1
    is_reverse: bool = False

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the cursor, or None for a text that is none."""
        try:
            fields = parse_qs(urlsafe_b64decode(text.encode()).decode())
        except ValueError:
            return None
        position = fields.get("p", [""])[0]
        if not re.fullmatch(r"[0-9]+", position) or len(position) > _MOST_CURSOR_DIGITS:
            return None
        return cls(int(position), fields.get("r") == ["1"])

    def encode(self) -> str:
        """Return the opaque text for a URL."""
        words = {"r": "1"} if self.is_reverse else {}
        return urlsafe_b64encode(urlencode(words | {"p": self.position}).encode()).decode()


class GradesApi:
    """Answers ``GET /api/grades/v1/courses/{course_id}/`` from the courses."""

    def __init__(self, courses: Courses, *, token: str, bare_list: bool) -> None:
        self._courses = courses
        self._token = token
        self._bare_list = bare_list

    def answer(self, request: ReceivedRequest, *, origin: str) -> Reply:
        """Return the right answer; a page's links lead to the origin."""
        if request.course_id is None:
            return Reply.of_json({"detail": "Not found."}, 404)
        if refusal := self._refuse(request):
            return refusal
        course = self._courses.find_course(request.course_id)
        if course is None:
            return _no_course(request.course_id)
        if request.username is not None:
            return self._answer_one(course, request.username)
        if self._bare_list:
            return Reply.of_json(_grades_of(course, course.enrolled_learners()))
        return self._answer_page(course, request, origin)

    def page_number(self, request: ReceivedRequest) -> int | None:
        """Return which page a question is for, the first being 1; None when it is for no page."""
        if request.course_id is None or request.username is not None:
            return None
        course = self._courses.find_course(request.course_id)
        page = self._find_page(course, request) if course and not self._bare_list else None
        return page.number if page else 1

    def _refuse(self, request: ReceivedRequest) -> Reply | None:
        if self._token and request.authorization != f"Bearer {self._token}":
            return _unauthorized(is_token_given=request.authorization is not None)
        if request.method != "GET":
            detail = f'Method "{request.method}" not allowed.'
            return Reply.of_json({"detail": detail}, 405, {"Allow": "GET"})
        if not request.path.endswith("/"):
            _, mark, query = request.target.partition("?")
            return Reply.of_json({}, 301, {"Location": f"{request.path}/{mark}{query}"})
        return None

    def _answer_one(self, course: SimulatedCourse, username: str) -> Reply:
        learner = course.find_learner(username)
        if learner is not None and learner.enrolled:
            return Reply.of_json(_grades_of(course, [learner]))
        if learner is None and not self._courses.knows(username):
            return not_found(
                "user_does_not_exist", "The user matching the requested username does not exist."
            )
        return not_found(
            "user_not_enrolled",
            "The user matching the requested username is not enrolled in this course",
        )

    def _answer_page(self, course: SimulatedCourse, request: ReceivedRequest, origin: str) -> Reply:
        page = self._find_page(course, request)
        if page is None:
            return Reply.of_json({"detail": "Invalid cursor"}, 404)

        def link(cursor: Cursor) -> str:
            query = dict(request.query) | {"cursor": cursor.encode()}
            return f"{origin}{request.path}?{urlencode(query)}"

        following = link(Cursor(page.last_position))
        preceding = link(Cursor(page.first_position, is_reverse=True))
        return Reply.of_json(
            {
                "next": following if page.has_next else None,
                "previous": preceding if page.has_previous else None,
                "results": _grades_of(course, page.learners),
            }
        )

    def _find_page(self, course: SimulatedCourse, request: ReceivedRequest) -> Page | None:
        text = request.query.get("cursor")
        cursor = Cursor.parse(text) if text else Cursor()
        if cursor is None:
            return None
        asked = request.query.get("page_size", "")
        size = (int(asked) if re.fullmatch(r"[0-9]{1,9}", asked) else 0) or DEFAULT_PAGE_SIZE
        if cursor.is_reverse:
            return course.page(size, before=cursor.position)
        return course.page(size, after=cursor.position)


def not_found(error_code: str, developer_message: str) -> Reply:
    """Return a 404 in the words of Open edX."""
    return Reply.of_json({"developer_message": developer_message, "error_code": error_code}, 404)


def _grades_of(course: SimulatedCourse, learners: Iterable[Learner]) -> list[Any]:
    return [learner.answer(course.course_id) for learner in learners if learner.computable]


def _no_course(course_id: str) -> Reply:
    if _COURSE_KEY.fullmatch(course_id):
        return not_found("course_does_not_exist", f"Requested grade for unknown course {course_id}")
    return not_found("invalid_course_key", "The provided course key cannot be parsed.")


def _unauthorized(*, is_token_given: bool) -> Reply:
    headers = {"WWW-Authenticate": 'Bearer realm="api"'}
    if is_token_given:
        answer = {
            "error_code": "token_nonexistent",
            "developer_message": "The provided access token does not match any valid tokens.",
        }
    else:
        answer = {
            "error_code": "token_not_provided",
            "developer_message": "Authentication credentials were not provided.",
        }
    return Reply.of_json(answer, 401, headers)
