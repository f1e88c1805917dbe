"""The documents name what there is: paths, settings, tables, commands, addresses and log lines."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, get_resolver, resolve

from openedx_certificates.api import GenerationSummary
from openedx_certificates.attempts.passes import ProcessingSummary
from openedx_certificates.rules import CertificateOutcome
from openedx_certificates.webhooks.replies import DEFERRED
from site_tests.deployment_test import read_env_example, read_variables
from site_tests.security_test import routes

FOLDER = settings.BASE_DIR
PAGES = [
    "README.md",
    *sorted(f"{path.relative_to(FOLDER)}" for path in FOLDER.glob("docs/**/*.md")),
]
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*")
SETTING = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
# What is written like a setting: a word of make's, an example, a constant, keys of settings, and a
# variable that `requests` reads.
NO_SETTINGS = {
    *("NO_BROWSER", "COURSE_ID", "EMAIL_MAX_LENGTH", "EXCEPTION_HANDLER"),
    *("ACCESS_TOKEN_ADMIN_CLASS", "REQUESTS_CA_BUNDLE"),
}
TABLE = re.compile(r"(?:users|openedx|courses)_\w+")
# What is written like a table: the app itself.
NO_TABLES = {"openedx_certificates"}


def read(page: str) -> str:
    return (FOLDER / page).read_text()


def read_words(page: str) -> list[str]:
    """Return what stands in backticks on the page."""
    return re.findall(r"`([^`\n]+)`", read(page))


# What is written like a path in docs/security.md are routes, which `site_tests/security_test.py` holds.
@pytest.mark.parametrize("page", sorted({*PAGES} - {"docs/security.md"}))
def test_each_path_that_a_document_names_exists(page: str):
    # `api/` is a part of an address.
    paths = [word for word in read_words(page) if PATH.fullmatch(word) and word != "api/"]

    assert [path for path in paths if not (FOLDER / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_link_of_a_document_leads_somewhere(page: str):
    links = re.findall(r"\]\(([^)#:]+)\)", read(page))

    assert [link for link in links if not (FOLDER / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_setting_that_a_document_names_is_read(page: str):
    known = read_variables() | set(read_env_example()) | NO_SETTINGS
    names = set(SETTING.findall(read(page)))

    assert {name for name in names if name not in known and not hasattr(settings, name)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_each_table_constraint_and_index_that_a_document_names_exists(page: str):
    models = apps.get_models()
    known = {model._meta.db_table for model in models} | {
        part.name for model in models for part in (*model._meta.constraints, *model._meta.indexes)
    }
    columns = {
        f"{model._meta.db_table}.{field.column}"
        for model in models
        for field in model._meta.concrete_fields
    }
    words = [word for word in read_words(page) if TABLE.fullmatch(word.partition(".")[0])]
    words = [word for word in words if word.partition(".")[0] not in NO_TABLES]

    assert [word for word in words if word not in known | columns] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_address_that_a_document_names_leads_somewhere(page: str):
    addresses = [word for word in read_words(page) if re.fullmatch(r"/[a-z][\w./-]*", word)]

    assert [address for address in addresses if not leads_somewhere(address)] == []


def leads_somewhere(address: str) -> bool:
    """Whether the address is a page, or what the addresses of several begin with."""
    try:
        resolve(address)
    except Resolver404:
        if address.startswith("/etc/"):
            # A file of another program's, on its own machine.
            return True
        known = routes(get_resolver().url_patterns)
        return any(route.startswith(address.lstrip("/")) for route in known)
    return True


@pytest.mark.parametrize("page", PAGES)
def test_each_command_that_a_document_shows_has_these_options(page: str):
    for line in re.findall(r"manage\.py (\w[^`\n]*)", read(page)):
        name, *words = [word.rstrip(".,;:)") for word in line.split()]
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)

        options = {word for word in words if word.startswith("--")}

        assert options <= set(parser._option_string_actions), line


def test_what_the_monolith_imports_of_the_app_is_there():
    imports = re.findall(
        r"^ +from (openedx_certificates[\w.]*) import (.+)$",
        read("docs/mitxonline.md"),
        re.MULTILINE,
    )
    names = {(module, name) for module, names in imports for name in names.split(", ")}

    assert len(names) >= 5
    assert {
        (module, name) for module, name in names if not hasattr(import_module(module), name)
    } == set()


APPS = ["courses", "main", "openedx", "openedx_certificates", "users"]


def read_log_calls() -> Iterator[tuple[str, str]]:
    """Yield each level and each event of the lines that the code logs by a level's own name."""
    for path in [path for app in APPS for path in FOLDER.joinpath(app).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
                level = ast.unparse(node.func).removeprefix("log.").upper()
                texts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
                yield from ((level, str(text.value)) for text in texts)


def test_each_log_line_that_a_document_names_is_written_at_this_level():
    rows = re.findall(r"^\| (`[^|]*) \| ([A-Z, ]+) \|", read("docs/logs.md"), re.MULTILINE)
    told = [
        (levels.split(", "), event)
        for events, levels in rows
        for event in events[1:-1].split("`, `")
    ]
    told += [
        ([level], event)
        for level, event in re.findall(
            r"[Ll]og, ([A-Z]+)[:,] `([^`]+)`", read("docs/operations.md")
        )
    ]
    written = set(read_log_calls())

    assert len(told) > 15
    # "LOG": the level is chosen in the code.
    assert [
        (levels, event)
        for levels, event in told
        if not {(level, event) for level in (*levels, "LOG")} & written
    ] == []
    assert {level for levels, _ in told for level in levels} <= set(logging.getLevelNamesMapping())


def test_the_outcomes_of_an_event_are_those_that_the_log_tells():
    (row,) = re.findall(r"`outcome` is ([^|]*)", read("docs/logs.md"))

    # An event waives the dates, and of one learner's certificate it is never said that it is kept.
    never = {CertificateOutcome.NOT_DUE, CertificateOutcome.KEPT}
    assert set(re.findall(r"`(\w+)`", row)) == {*CertificateOutcome, *DEFERRED.values()} - never


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        ("pass over certificate requests finished", ProcessingSummary().as_dict()),
        ("sweep of course run finished", GenerationSummary().as_dict()),
    ],
)
def test_the_counts_in_the_examples_of_the_log_are_those_that_it_tells(
    event: str, counts: dict[str, int]
):
    (line,) = re.findall(rf'^    (\{{"event": "{event}".*\}})$', read("docs/logs.md"), re.MULTILINE)
    shown = json.loads(line.replace(", ...}", "}"))

    assert {name for name, value in shown.items() if type(value) is int} == set(counts) & set(shown)
    assert "..." in line or set(counts) <= set(shown)
