"""What of a file `.env` reaches a program, and what does not."""

from pathlib import Path

import pytest

from tools import development


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the `.env` of a real site."""
    (tmp_path / ".env").write_text(
        "DEBUG=False\nSECRET_KEY=of-a-real-site\nCELERY_BROKER_URL=redis://broker.example.org\n"
    )
    monkeypatch.setattr(development, "ROOT", tmp_path)
    # Set and deleted, so that what is read is taken back at the end.
    for name in ("CELERY_BROKER_URL", "DEBUG", "SECRET_KEY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def test_a_bare_environment_is_the_files(checkout: Path):
    development.prepare()

    assert development.os.environ["SECRET_KEY"] == "of-a-real-site"
    assert development.os.environ["CELERY_BROKER_URL"] == "redis://broker.example.org"


@pytest.mark.parametrize("name", ["DEBUG", "SECRET_KEY"])
def test_an_environment_that_is_whole_gets_nothing_of_the_file(
    name: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, "False")

    development.prepare()

    assert "CELERY_BROKER_URL" not in development.os.environ
