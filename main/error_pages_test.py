"""A developer's site shows strangers no password on its pages of errors."""

from typing import Any

import pytest
from django.test import Client


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "CELERY_BROKER_URL", "HTTPS_PROXY", "REDIS_URI", "MIRROR"]
)
def test_the_password_in_an_address_is_hidden(client: Client, settings: Any, name: str):
    settings.DEBUG = True

    reply = client.get("/", headers={"host": "a-stranger"}, **{name: "amqp://dana:hunter2@db/name"})

    assert reply.status_code == 400
    assert name in reply.text
    assert "hunter2" not in reply.text
