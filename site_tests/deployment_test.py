"""The files of a deployment agree: one command for each program, and variables that are read."""

import ast
import json
import re
import shlex
from typing import Any

import pytest
import yaml
from django.conf import settings

from site_tests.processes import read_procfile
from tools.demo.site import GRANIAN

FOLDER = settings.BASE_DIR
# A program's address, and the place of its notes, are each deployment's own affair.
PLACES = {"--host", "--port", "--schedule"}
# Of these containers, not of the site.
POSTGRES_VARIABLES = {"POSTGRES_PASSWORD"}


def without_places(words: list[str]) -> list[str]:
    """Return a command without the options for these."""
    kept: list[str] = []
    words_left = iter(words)
    for word in words_left:
        if word in PLACES:
            next(words_left)
        else:
            kept.append(word)
    return kept


def commands_in_docs(page: str) -> list[list[str]]:
    """Return the commands that stand in the page's blocks of code."""
    lines = (FOLDER / "docs" / page).read_text().splitlines()
    return [without_places(shlex.split(line)) for line in lines if line.startswith("    ")]


def find_instruction(name: str) -> str:
    """Return what follows the last instruction of this name in the Dockerfile."""
    joined = (FOLDER / "Dockerfile").read_text().replace("\\\n", " ")
    found: list[str] = re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)
    return found[-1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


def read_variables() -> set[str]:
    """Return the environment variables that the settings read."""
    calls = [
        node
        for node in ast.walk(ast.parse((FOLDER / "main" / "settings.py").read_text()))
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
    ]
    return {
        call.args[0].value
        for call in calls
        if ast.unparse(call.func) == "required" or ast.unparse(call.func).startswith("env.")
    }


def read_env_example() -> dict[str, str]:
    lines = (FOLDER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("program", ["web", "worker", "sweeps", "beat"])
def test_the_documented_command_of_a_program_is_the_procfiles(program: str):
    command = without_places(shlex.split(read_procfile()[program]))

    assert command in commands_in_docs("settings.md")


def test_the_demo_and_the_benchmarks_serve_as_production_does():
    assert shlex.split(GRANIAN) == without_places(shlex.split(read_procfile()["web"]))


def test_the_image_serves_as_the_procfile_says():
    command = json.loads(find_instruction("CMD"))

    assert shlex.join(command) == read_procfile()["web"].replace("$PORT", "8013")


@pytest.mark.parametrize(
    ("service", "program"),
    [("worker", "worker"), ("sweeps", "sweeps"), ("beat", "beat"), ("migrate", "release")],
)
def test_a_service_runs_what_the_procfile_says(compose: dict[str, Any], service: str, program: str):
    assert shlex.join(compose["services"][service]["command"]) == read_procfile()[program]


@pytest.mark.parametrize("service", ["web", "web-2"])
def test_a_web_service_runs_the_images_command_and_is_reached_from_this_machine_alone(
    compose: dict[str, Any], service: str
):
    web = compose["services"][service]

    assert "command" not in web
    assert [port.rpartition(":")[0].rpartition(":")[0] for port in web["ports"]] == ["127.0.0.1"]
    assert web["ports"][0].endswith(":8013")


def test_nothing_but_the_web_services_has_a_port(compose: dict[str, Any]):
    open_services = {name for name, service in compose["services"].items() if "ports" in service}

    assert open_services == {"web", "web-2"}


def test_each_service_is_confined_and_has_time_to_end(compose: dict[str, Any]):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "healthcheck" in service or name.startswith("web"), name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name


def test_a_web_service_has_longer_to_end_than_granian_takes(compose: dict[str, Any]):
    words = shlex.split(read_procfile()["web"])
    seconds = int(words[words.index("--workers-kill-timeout") + 1])

    for name in ("web", "web-2"):
        assert int(compose["services"][name]["stop_grace_period"].removesuffix("s")) > seconds


def test_the_programs_wait_for_the_migrations(compose: dict[str, Any]):
    for name in ("web", "web-2", "worker", "sweeps", "beat"):
        needs = compose["services"][name]["depends_on"]
        assert needs["migrate"] == {"condition": "service_completed_successfully"}, name
        assert needs["postgres"] == needs["redis"] == {"condition": "service_healthy"}, name


def test_each_variable_of_the_deployment_is_one_that_the_settings_read(
    compose: dict[str, Any],
):
    given = set(compose["x-program"]["environment"]) | set(read_env_example())

    assert given - POSTGRES_VARIABLES <= read_variables()


def test_whatever_must_be_set_is_in_the_example_or_in_the_compose_file(compose: dict[str, Any]):
    rows = re.findall(r"^\| (.*?) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    required = {name for row in rows for name in re.findall(r"\*\*`(\w+)`\*\*", row)}

    assert {"SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS"} <= required
    assert required <= set(compose["x-program"]["environment"]) | set(read_env_example())


def test_the_example_holds_no_secret():
    secrets = {
        name: value
        for name, value in read_env_example().items()
        if name.endswith(("_KEY", "_TOKEN", "_PASSWORD"))
    }

    assert len(secrets) == 4
    assert set(secrets.values()) == {""}
