"""That `docs/security.md` names every door and only tests there are, and what nothing else proves."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from oauth2_provider.scopes import get_scopes_backend

from courses.factories import CourseRunCertificateFactory
from main.celery import app
from users.factories import UserFactory

ROOT = Path(settings.BASE_DIR)
WORD = re.compile(r"`([^`]+)`")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in (ROOT / "docs/security.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| entry", "| ---"))
]
ADDRESSES = {address for entry, *_ in ROWS for address in WORD.findall(entry)}
SCRIPT = "<script>alert(1)</script>"


def routes(patterns: list[URLPattern | URLResolver], start: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = f"{start}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def leads_to(route: str) -> set[str]:
    """Return the addresses of the page that a route is covered by: its own, or one with a star."""
    return {
        address
        for address in ADDRESSES
        if route == address or (address.endswith("*") and route.startswith(address[:-1]))
    }


def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


class TestThePage:
    def test_every_address_of_the_site_has_its_entry(self):
        unnamed = [route for route in routes(get_resolver().url_patterns) if not leads_to(route)]

        assert unnamed == []

    def test_every_address_it_names_is_one_of_the_site(self):
        named = {name for route in routes(get_resolver().url_patterns) for name in leads_to(route)}

        assert named == ADDRESSES

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2][:50])
    def test_every_entry_names_tests_that_there_are(self, row: list[str]):
        _entry, _who, wrong, guard, proof = row
        named = [name.split("::") for name in WORD.findall(proof)]

        assert wrong
        assert guard
        assert named
        assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []
        assert all(name.startswith("test_") for _path, name in named)


@pytest.mark.django_db
class TestOAuth2:
    @pytest.mark.parametrize(
        "path", ["authorize/?response_type=code", "device/", "device-confirm/a/b"]
    )
    def test_what_asks_for_consent_asks_for_a_login_first(self, client: Client, path: str):
        reply = client.get(f"/oauth2/{path}")

        assert reply.status_code == 302
        assert reply["Location"].startswith("/admin/login/?next=/oauth2/")

    def test_a_client_that_asks_for_nothing_gets_no_scope_of_the_webhooks(self):
        scopes = get_scopes_backend()

        assert "webhooks" in scopes.get_all_scopes()
        assert set(scopes.get_default_scopes()) == {"read", "write"}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/users/user/", "/admin/courses/courseruncertificate/"])
def test_a_name_that_is_a_script_is_text(admin_client: Client, path: str):
    dana = UserFactory.create(name=SCRIPT, email="dana@example.com")
    certificate = CourseRunCertificateFactory.create(user=dana, course_run__title=SCRIPT)

    for page in (path, certificate.link, f"/admin/users/user/{dana.pk}/change/"):
        content = admin_client.get(page).content.decode()
        assert SCRIPT not in content
    assert "&lt;script&gt;" in content


@pytest.mark.parametrize(
    "path",
    [
        "/static/../main/settings.py",
        "/static/%2e%2e/main/settings.py",
        "/static/admin/..%2f..%2fsettings.py",
        "/static//etc/passwd",
        "/static/admin/css/base.css%00.py",
        "/static/",
        "/static/admin/",
    ],
)
@pytest.mark.django_db
def test_a_path_that_leads_out_of_the_static_files_is_no_file(client: Client, path: str):
    assert client.get(path).status_code == 404


def test_a_message_of_the_broker_is_never_a_pickle():
    assert set(app.conf.accept_content) == {"json"}
    assert app.conf.task_serializer == "json"


@pytest.mark.parametrize("name", ["base", "dev"])
def test_every_package_is_pinned_by_its_hash(name: str):
    pins = (ROOT / f"requirements/{name}.txt").read_text()
    packages = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^ *#.*\n", "", pins))

    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[A-Za-z0-9._\[\],-]+==[^ ]+", package), package
        assert "--hash=sha256:" in package
