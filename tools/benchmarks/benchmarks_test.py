"""The benchmarks run: their figures are for a quiet machine, their rows hold on any."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("part", ["runs", "webhook"])
def test_each_part_measures_and_leaves_the_rows_that_each_way_leaves(part: str):
    command = [sys.executable, "-m", "tools.benchmarks", "--only", part]

    # The status tells whether it was fast enough, which so little can't be.
    report = subprocess.run(
        [*command, "--repeats=1", "--runs=2", "--users=1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout

    rows = [line for line in report.splitlines() if line.startswith("| rows equal")]
    assert [row.endswith("| yes |") for row in rows] == [True], report
