"""What counts as prose, and what is complained of."""

import subprocess
from pathlib import Path

import pytest

from tools import prose

PLAIN = "If it fails, ask again when it is up. " * 9


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of a repository of its own, which the check looks at."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.md").write_text(PLAIN)
    subprocess.run(["git", "init", "--quiet"], check=True)  # noqa: S607
    path = tmp_path / "module.py"
    path.touch()
    subprocess.run(["git", "add", "."], check=True)  # noqa: S607
    return path


@pytest.mark.parametrize(
    "source",
    [
        '"""Whoever comes is served."""\n',
        'def f():\n    """It shall be."""\n',
        "# It starts anew.\n",
        "# Nobody is there.\n",
        "# None where there is none.\n",
    ],
)
def test_a_word_that_reads_as_if_translated_is_complained_of(write: Path, source: str):
    write.write_text(source)

    assert prose.main() == 1


@pytest.mark.parametrize(
    "source", ['shall = "anew"\n', "# `whoever` is a name.\n", '"""If it is plain."""\n']
)
def test_code_is_no_prose(write: Path, source: str):
    write.write_text(source)

    assert prose.main() == 0


def test_the_line_is_named(write: Path, capsys: pytest.CaptureFixture[str]):
    write.write_text("x = 1\n# It starts anew.\n")

    prose.main()

    assert "module.py:2: 'anew'" in capsys.readouterr().err
