import io
import json
import signal
import subprocess
import sys

import pytest
import requests
from django.core.management import CommandError, call_command

from tools.processes import CHECKOUT
from tools.simulator import SimulatedOpenEdx
from tools.simulator.__main__ import Command

COURSE_ID = "course-v1:MITx+6.00x+2026"


@pytest.fixture
def courses_file(tmp_path):
    learners = [{"username": "alice", "passed": True, "percent": 0.9}, {"username": "bob"}]
    path = tmp_path / "courses.json"
    path.write_text(json.dumps({"courses": [{"course_id": COURSE_ID, "learners": learners}]}))
    return path


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_file_until_it_is_told_to_end_also_while_a_caller_hangs(courses_file, ending):
    command = [sys.executable, "-m", "tools.simulator", f"--file={courses_file}", "--port=0"]
    environment = {"OPENEDX_SERVICE_WORKER_API_TOKEN": "t"}
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http://"))
        address = f"{url}/api/grades/v1/courses/{COURSE_ID}/?username=alice"
        headers = {"Authorization": "Bearer t"}

        (grade,) = requests.get(address, headers=headers, timeout=10).json()
        requests.put(f"{url}/simulator/fault", json={"fault": "hang"}, timeout=10)
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.get(address, headers=headers, timeout=0.1)
        process.send_signal(ending)

        assert process.wait(timeout=30) == 0
        assert grade["percent"] == 0.9
        assert "(1 courses, 2 learners). Ctrl-C ends it." in line


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port=70000"], "Cannot listen on"),
        (["--file=absent.json"], "absent.json: No such file"),
    ],
)
def test_an_option_that_means_nothing_is_refused(courses_file, arguments, reason):
    with pytest.raises(CommandError, match=reason):
        call_command(Command(), f"--file={courses_file}", *arguments)


def test_a_port_that_is_taken_is_named(courses_file):
    with SimulatedOpenEdx() as other:
        port = other.url.rpartition(":")[2]

        with pytest.raises(CommandError, match=f"{other.url} is taken by another process"):
            call_command(Command(), f"--file={courses_file}", f"--port={port}")


def test_help_lists_the_faults(capsys):
    with pytest.raises(SystemExit):
        Command(stdout=io.StringIO()).run_from_argv(["python -m", "tools.simulator", "--help"])

    told = capsys.readouterr().out
    assert "\n  hang[:SECONDS]" in told
    assert "PUT, DELETE /simulator/fault" in told
