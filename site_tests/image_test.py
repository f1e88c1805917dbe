"""What the Dockerfile copies, with the packages it installs, is the whole site, and serves.

There is no Docker here: the files are copied as the Dockerfile and .dockerignore say, and run by
this interpreter, which is kept from the packages that only development has.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from django.conf import settings

from site_tests.deployment_test import find_instruction, read_env_example
from tools.processes import find_free_port, wait_until

FOLDER = settings.BASE_DIR
RunInImage = Callable[..., "subprocess.CompletedProcess[str]"]

# Refuses the packages that base.txt does not name, as if they were not there.
GUARD = """
import sys
REFUSED = {refused!r}
class Guard:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{{name}} is not in the image", name=name)
sys.meta_path.insert(0, Guard)
"""
IMPORT_ALL = """
import importlib, pathlib, django
django.setup()
for file in sorted(pathlib.Path().rglob("*.py")):
    if file.name not in ("manage.py", "__main__.py"):
        importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
"""


def is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps the file from the image: of the patterns the last one counts."""
    verdict = False
    folders = [str(parent) for parent in Path(path).parents if parent.name]
    for line in (FOLDER / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        # `**/` is any number of folders, none too; whatever is in a folder goes with it.
        anywhere = pattern.startswith("**/")
        name = pattern.removeprefix("**/")
        candidates = [path, *folders]
        if any(fnmatch(Path(one).name if anywhere else one, name) for one in candidates):
            verdict = not line.startswith("!")
    return verdict


def list_distributions(requirements: str) -> set[str]:
    text = (FOLDER / "requirements" / requirements).read_text()
    return {
        name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app of the image."""
    image = tmp_path_factory.mktemp("image")
    for line in (FOLDER / "Dockerfile").read_text().splitlines():
        if not line.startswith("COPY ") or "--from" in line or line.endswith(".txt"):
            continue
        _, source, target = line.split()
        path = FOLDER / source
        for file in [path] if path.is_file() else path.rglob("*"):
            inside = str(file.relative_to(FOLDER))
            if file.is_file() and not is_ignored(inside):
                there = image / target / file.relative_to(path if path.is_dir() else path.parent)
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, there)
    return image


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a container: the example's, with the secrets filled in, and the compose file's."""
    guard = tmp_path_factory.mktemp("guard")
    installed = list_distributions("base.txt") | {"pip", "setuptools"}
    refused = {
        module
        for module, distributions in packages_distributions().items()
        if not {name.lower().replace("_", "-") for name in distributions} & installed
    }
    (guard / "sitecustomize.py").write_text(GUARD.format(refused=refused))
    example = {
        name: value or "a-long-random-value-of-fifty-characters-0123456789-abcdefgh"
        for name, value in read_env_example().items()
    }
    return example | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(guard),
        "DJANGO_SETTINGS_MODULE": "main.settings",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    }


@pytest.fixture
def run_in_image(image: Path, environment: dict[str, str]) -> RunInImage:
    """Run a command in the image's folder to its end."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=image, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_it_holds_the_product_and_nothing_else(image: Path):
    files = {str(file.relative_to(image)) for file in image.rglob("*") if file.is_file()}

    assert {"manage.py", "main/wsgi.py", "openedx_certificates/migrations/0001_initial.py"} <= files
    assert {file.split("/")[0] for file in files} == {
        *("manage.py", "cms", "courses", "main", "openedx", "openedx_certificates", "users")
    }
    assert not [
        file for file in files if re.search("_test|conftest|factories|testing|simulat", file)
    ]


def test_each_module_of_it_can_be_imported(run_in_image: RunInImage):
    result = run_in_image("python", "-c", IMPORT_ALL)

    hint = "What is there for the tests alone belongs into .dockerignore."
    assert (result.returncode, result.stderr) == (0, ""), f"{hint}\n{result.stderr}"


def test_the_example_environment_passes_every_check(run_in_image: RunInImage):
    result = run_in_image("python", "manage.py", "check", "--deploy", "--fail-level", "WARNING")

    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_the_build_collects_the_static_files(image: Path, environment: dict[str, str]):
    # Nothing of the container's environment is there yet.
    bare = {name: environment[name] for name in ("PATH", "PYTHONPATH")}

    command = find_instruction("RUN").replace("/app", ".")
    result = subprocess.run(
        ["/bin/sh", "-c", command], cwd=image, env=bare, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr
    assert (image / "staticfiles" / "admin" / "css" / "base.css").exists()


def test_its_command_serves_and_its_health_check_finds_it_alive(
    image: Path, environment: dict[str, str], tmp_path: Path
):
    port = str(find_free_port())
    command = json.loads(find_instruction("CMD").replace("8013", port))
    check = find_instruction("HEALTHCHECK").partition(" CMD ")[2].replace("8013", port)
    health_check = json.loads(check)
    log = tmp_path / "server.log"

    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=image, env=environment, stdout=output, stderr=output)
    try:
        wait_until(
            lambda: subprocess.run(health_check, env=environment, check=False).returncode == 0,
            log.read_text,
        )
        server.terminate()
        status = server.wait()
    finally:
        server.kill()

    assert status == 0, log.read_text()
