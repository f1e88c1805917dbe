"""Threads that are left for the events while others send forms."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from main.middleware import bodies
from main.middleware.bodies import WEBHOOKS, BodiesMiddleware
from site_tests.log_reading import Log

PATIENCE_SECONDS = 30
FORM = "/admin/login/"


class SlowForms:
    """Forms that wait until they may end."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and request.path == FORM:
            self.begun.release()
            self.may_end.wait(PATIENCE_SECONDS)
            if "fails" in request.GET:
                raise ValueError
        return HttpResponse("done")


@pytest.fixture
def forms() -> SlowForms:
    return SlowForms()


@pytest.fixture
def site(forms: SlowForms, monkeypatch: pytest.MonkeyPatch) -> BodiesMiddleware:
    monkeypatch.setattr(bodies, "FORMS_MAX", 2)
    return BodiesMiddleware(forms)


@pytest.fixture
def held(site: BodiesMiddleware, forms: SlowForms) -> Iterator[list[Future[HttpResponse]]]:
    """As many forms as there are places for, one of which will fail."""
    with ThreadPoolExecutor(2) as executor:
        paths = (FORM, f"{FORM}?fails")
        sent = [executor.submit(site, RequestFactory().post(path)) for path in paths]
        assert all(forms.begun.acquire(timeout=PATIENCE_SECONDS) for _ in sent)
        yield sent
        forms.may_end.set()


def test_without_a_place_a_form_is_to_be_sent_again(
    site: BodiesMiddleware, held: list[Future[HttpResponse]]
):
    refused = [site(getattr(RequestFactory(), each)(FORM)) for each in ("post", "put", "delete")]

    assert [reply.status_code for reply in refused] == [503] * 3
    assert int(refused[0]["Retry-After"]) > 0


def test_meanwhile_pages_and_events_are_served(
    site: BodiesMiddleware, held: list[Future[HttpResponse]]
):
    page = site(RequestFactory().get(FORM))
    event = site(RequestFactory().post(f"{WEBHOOKS}certificate/"))

    assert (page.status_code, event.status_code) == (200, 200)


def test_a_form_that_ends_or_fails_leaves_its_place(
    site: BodiesMiddleware, forms: SlowForms, held: list[Future[HttpResponse]]
):
    forms.may_end.set()
    ended, failed = held
    assert ended.result().status_code == 200
    assert isinstance(failed.exception(), ValueError)

    with ThreadPoolExecutor(2) as executor:
        replies = list(executor.map(site, [RequestFactory().post(FORM) for _ in range(2)]))

    assert [reply.status_code for reply in replies] == [200, 200]


def test_the_log_names_what_refused_it(client: Client, monkeypatch: pytest.MonkeyPatch, log: Log):
    monkeypatch.setattr(bodies, "FORMS_MAX", 0)

    reply = client.post(FORM, {})

    (line,) = log.of("request_finished")
    assert reply.status_code == 503
    assert (line["status"], line["refused_by"]) == (503, "forms")
