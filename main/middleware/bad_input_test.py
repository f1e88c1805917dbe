"""What a caller can send to the pages of Django and of libraries: a 400 at the worst."""

import base64

import pytest
from django.db import DataError
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve, reverse

from main.middleware.bad_input import BadInputMiddleware

pytestmark = pytest.mark.django_db

USERS = reverse("admin:users_user_changelist")
REQUESTS = reverse("admin:openedx_certificates_certificaterequest_changelist")
LOGIN = reverse("admin:login")
TOKEN = reverse("oauth2_provider:token")


@pytest.mark.parametrize(
    "query",
    ["is_active__exact=%00", "q=%00", "email=%00", "username__startswith=a%00b", "_facets=%00"],
)
def test_a_nul_in_a_list_of_the_admin_is_no_500(admin_client: Client, query: str):
    assert admin_client.get(f"{USERS}?{query}").status_code in (200, 302, 400)


def test_a_nul_in_a_filter_is_a_400(admin_client: Client):
    assert admin_client.get(f"{USERS}?username=a%00b").status_code == 400


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("users/user/", "created_on__year=99999999"),
        ("users/user/", f"created_on__year={2**31}"),
        ("users/user/", "username__regex=("),
        ("courses/courserunenrollment/add/", "user=nobody"),
        ("courses/courserunenrollment/add/", "run=%00"),
    ],
)
def test_a_filter_or_a_first_value_that_is_none_is_a_400(
    admin_client: Client, path: str, query: str, caplog: pytest.LogCaptureFixture
):
    reply = admin_client.get(f"/admin/{path}?{query}")

    assert reply.status_code == 400
    # Were it an error of our own, this would tell its place.
    (told,) = [record for record in caplog.records if record.message == "input refused"]
    assert told.exc_info is not None


@pytest.mark.parametrize("path", ["a%00b", "%00", "99999999999999999999999", "_00", "%ED%A0%80"])
def test_what_is_no_key_of_a_row_is_no_500(admin_client: Client, path: str):
    assert admin_client.get(f"{USERS}{path}/change/").status_code in (302, 400, 404)


@pytest.mark.parametrize("client_id", ["%00", "a%00b"])
@pytest.mark.parametrize("door", ["authorize", "token", "introspect", "revoke-token"])
def test_a_nul_in_a_clients_name_is_no_500(admin_client: Client, door: str, client_id: str):
    path = reverse(f"oauth2_provider:{door}")
    fields = (
        f"response_type=code&client_id={client_id}&client_secret=x&token=%00&grant_type=password"
    )

    got = admin_client.get(f"{path}?{fields}")
    posted = admin_client.post(path, fields, "application/x-www-form-urlencoded")

    # A form is shown again, with what is wrong.
    assert {got.status_code, posted.status_code} <= {200, 400, 401, 403, 405}


def test_a_nul_in_a_clients_name_in_the_header_is_a_400(client: Client):
    pair = base64.b64encode(b"a\0b:secret").decode()

    reply = client.post(
        TOKEN, {"grant_type": "client_credentials"}, headers={"authorization": f"Basic {pair}"}
    )

    assert reply.status_code == 400


def test_a_nul_in_the_login_form_is_told_in_the_form(client: Client):
    reply = client.post(LOGIN, {"username": "a\0b", "password": "a\0b"})

    assert reply.status_code == 200
    assert b"Null characters are not allowed." in reply.content


@pytest.mark.parametrize("selected", ["nonsense", "\0", "1.5", "-"])
@pytest.mark.parametrize("action", ["replay_now", "settle_as_failed"])
def test_a_selection_that_is_no_row_is_a_400(admin_client: Client, action: str, selected: str):
    reply = admin_client.post(REQUESTS, {"action": action, "_selected_action": [selected, "1"]})

    assert reply.status_code == 400


def test_a_selection_of_a_row_that_is_not_there_selects_nothing(admin_client: Client):
    form = {"action": "replay_now", "_selected_action": ["9" * 19, "9" * 4_000]}

    assert admin_client.post(REQUESTS, form).status_code == 302


@pytest.mark.parametrize("key", ["a'", "\0", "1.5", "nobody", "9" * 30])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("courses/courserun", "course"),
        ("courses/courserunenrollment", "user"),
        ("courses/courserungrade", "course_run"),
        ("openedx/openedxuser", "user"),
        ("oauth2_provider/accesstoken", "user"),
    ],
)
def test_a_form_with_a_key_that_is_no_row_is_no_500(
    admin_client: Client, path: str, field: str, key: str
):
    reply = admin_client.post(f"/admin/{path}/add/", {field: key})

    # The form is shown again if the key can be looked up at all.
    assert reply.status_code in (200, 400)


def test_an_error_with_a_posted_word_on_another_page_is_ours(rf: RequestFactory):
    request = rf.post(LOGIN, {"username": "dana"})
    request.resolver_match = resolve("/certificate/dana/")
    error = ValueError("Field 'id' expected a number but got 'dana'.")

    assert BadInputMiddleware(lambda _: HttpResponse()).process_exception(request, error) is None


@pytest.mark.parametrize("error", [ValueError("a bug"), DataError("too long"), KeyError("a bug")])
@pytest.mark.parametrize("sent", ["a selection", "a search"])
def test_an_error_of_our_own_is_none_of_the_callers(
    rf: RequestFactory, sent: str, error: Exception
):
    request = {
        "a selection": rf.post(USERS, {"_selected_action": "1"}),
        "a search": rf.get(USERS, {"q": "dana", "o": "1", "p": "2"}),
    }[sent]
    request.resolver_match = resolve(USERS)

    assert BadInputMiddleware(lambda _: HttpResponse()).process_exception(request, error) is None


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages"])
def test_a_nul_in_a_cookie_is_no_cookie(client: Client, name: str):
    cookie = f'{name}="abcdefgh\\000ijkl"'

    assert client.get(LOGIN, headers={"cookie": cookie}).status_code == 200
    assert client.get(reverse("admin:index"), headers={"cookie": cookie}).status_code == 302
