"""Tokens that are tried out at the webhooks: 429 for a caller with many wrong ones, and never for a valid one."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from openedx_certificates.testing.webhooks import EACH_WEBHOOK, Knock, MakeToken
from users.models import User

pytestmark = pytest.mark.django_db

EVENT = {"email": "nobody@example.com", "course_id": "course-v1:MITx+6.00x+1T2026"}
IN_THE_MINUTE = "2026-03-02T12:00:20+00:00"


@pytest.fixture(autouse=True)
def three_may_fail(settings: Any) -> None:
    settings.OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX = 3


@pytest.fixture(params=EACH_WEBHOOK)
def webhook(request: pytest.FixtureRequest) -> str:
    return request.param


@time_machine.travel(IN_THE_MINUTE, tick=False)
def test_after_so_many_wrong_tokens_the_next_is_429(webhook: str, knock: Knock):
    replies = [knock(webhook, EVENT, token=f"guess-{number}") for number in range(5)]

    assert [reply.status_code for reply in replies] == [401, 401, 401, 429, 429]
    refused = replies[-1]
    assert refused["Retry-After"] == "40"
    assert refused["Content-Type"] == "application/json"
    assert list(refused.json()) == ["detail"]


@time_machine.travel(IN_THE_MINUTE, tick=False)
def test_a_valid_token_is_served_all_the_same(webhook: str, knock: Knock, staff_token: str):
    for number in range(20):
        knock(webhook, EVENT, token=f"guess-{number}")

    replies = [knock(webhook, EVENT, token=staff_token) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [404] * 3
    assert replies[0].json() == {"error": "User not found."}
    assert knock(webhook, EVENT, token="a guess").status_code == 429


@time_machine.travel(IN_THE_MINUTE, tick=False)
def test_another_address_is_told_401(webhook: str, client: Client):
    def guess(address: str) -> int:
        headers = {"authorization": "Bearer guess"}
        path = reverse(webhook)
        return client.post(path, EVENT, headers=headers, REMOTE_ADDR=address).status_code

    assert [guess("192.0.2.1") for _ in range(4)] == [401, 401, 401, 429]
    assert guess("192.0.2.2") == 401


def test_when_the_window_has_passed_it_is_401_again(webhook: str, knock: Knock):
    with time_machine.travel(IN_THE_MINUTE, tick=False) as clock:
        replies = [knock(webhook, EVENT, token="guess") for _ in range(4)]

        clock.shift(int(replies[-1]["Retry-After"]))

        assert replies[-1].status_code == 429
        assert knock(webhook, EVENT, token="guess").status_code == 401


@time_machine.travel(IN_THE_MINUTE, tick=False)
def test_who_shows_no_token_has_guessed_nothing(webhook: str, knock: Knock):
    replies = [knock(webhook, EVENT, token=None) for _ in range(9)]

    assert {reply.status_code for reply in replies} == {401}
    assert knock(webhook, EVENT, token="guess").status_code == 401


@time_machine.travel(IN_THE_MINUTE, tick=False)
def test_an_expired_token_is_a_wrong_one(
    webhook: str, knock: Knock, make_token: MakeToken, staff_user: User
):
    token = make_token(staff_user, valid_for=timedelta(seconds=-1))

    statuses = [knock(webhook, EVENT, token=token).status_code for _ in range(4)]

    assert statuses == [401, 401, 401, 429]


@time_machine.travel(IN_THE_MINUTE, tick=False)
def test_a_learners_token_is_403_however_often(
    webhook: str, knock: Knock, make_token: MakeToken, user: User
):
    token = make_token(user)

    assert {knock(webhook, EVENT, token=token).status_code for _ in range(9)} == {403}


def test_a_limit_of_0_is_none(webhook: str, knock: Knock, settings: Any):
    settings.OPENEDX_CERTIFICATES_FAILED_TOKENS_MAX = 0

    assert {knock(webhook, EVENT, token="guess").status_code for _ in range(9)} == {401}
