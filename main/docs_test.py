"""The documents name what there is: paths, settings, tables and services."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from courses.models import (
    Course,
    CourseRun,
    CourseRunCertificate,
    CourseRunEnrollment,
    CourseRunGrade,
)
from main.deployment_test import read_env_example, read_variables
from openedx.models import OpenEdxUser

FOLDER = settings.BASE_DIR
PAGES = ["architecture.md", "deployment.md", "mitxonline.md", "pgbouncer.md", "scaling.md"]
PATH = re.compile(r"[\w.-]+/(?:[\w.-]+/?)*")
SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
TABLE = re.compile(r"(?:users|openedx|courses)_\w+")


def read_words(page: str) -> list[str]:
    """Return what stands in backticks on the page."""
    return re.findall(r"`([^`\n]+)`", (FOLDER / "docs" / page).read_text())


@pytest.mark.parametrize("page", PAGES)
def test_each_path_that_a_document_names_exists(page: str):
    paths = [word for word in read_words(page) if PATH.fullmatch(word)]

    assert [path for path in paths if not (FOLDER / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_link_of_a_document_leads_somewhere(page: str):
    links = re.findall(r"\]\(([^)#:]+)\)", (FOLDER / "docs" / page).read_text())

    assert [link for link in links if not (FOLDER / "docs" / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_setting_that_a_document_names_is_read(page: str):
    known = read_variables() | set(read_env_example())
    names = {word for word in read_words(page) if SETTING.fullmatch(word)}

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

    assert [word for word in words if word not in known | columns] == []


def test_each_index_on_a_table_of_mitx_onlines_is_named_where_it_moves():
    courses = [Course, CourseRun, CourseRunEnrollment, CourseRunGrade, CourseRunCertificate]
    tables = [*courses, OpenEdxUser]
    indexes = {index.name for table in tables for index in table._meta.indexes}

    assert indexes - set(read_words("mitxonline.md")) == set()


@pytest.mark.parametrize("app", ["openedx", "courses"])
def test_each_module_of_users_that_an_app_needs_is_named_where_it_moves(app: str):
    sources = [path for path in (FOLDER / app).rglob("*.py") if "test" not in path.name]
    imports = [
        node
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("users.")
    ]
    modules = {f"{node.module}".replace(".", "/") + ".py" for node in imports}

    # Tests and their factories move as a whole.
    assert modules - {"users/factories.py"} - set(read_words("mitxonline.md")) == set()


def test_the_documents_are_there():
    assert all(Path(FOLDER, "docs", page).exists() for page in PAGES)
