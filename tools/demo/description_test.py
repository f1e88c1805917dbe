import re

from tools.demo.description import load_runs
from tools.demo.site import GRANIAN
from tools.demo.surroundings import CHECKOUT


def test_the_data_have_every_kind_of_learner():
    runs = load_runs()
    enrolled = [one for run in runs for one in run.enrolled]

    assert len(runs) == 3
    assert len({one.learner.username for one in enrolled}) == 40
    assert len({one.learner.email.lower() for one in enrolled}) == 40
    assert [run.is_self_paced for run in runs] == [True, False, False]
    assert [run.is_due for run in runs] == [True, True, False]
    assert sum(not one.has_grade for one in enrolled) == 1
    assert {(one.is_verified, one.passed) for one in enrolled} == {
        (True, True), (True, False), (False, True), (False, False)
    }  # fmt: skip


def test_the_pages_name_every_setting_and_the_command_that_serves():
    settings = (CHECKOUT / "main" / "settings.py").read_text()
    names = re.findall(r'(?:env\.\w+|required)\(\s*"([A-Z_]+)"', settings)
    readme = (CHECKOUT / "README.md").read_text()

    assert [name for name in names if f"`{name}`" not in readme] == []
    assert GRANIAN in (CHECKOUT / "docs" / "settings.md").read_text()
