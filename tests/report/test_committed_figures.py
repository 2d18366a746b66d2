"""The figures in a committed run's summary are those that its raw samples give today."""

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench.report.markdown import SUMMARY
from bench.report.run_report import report_run
from bench.results.paths import ROOT

# Other folders in results/ are runs that somebody made here.
COMMITTED = [
    ROOT / "results" / name for name in re.findall(r"^!results/(.+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
]
RAW = ("run.json", "cells.jsonl", "fidelity.jsonl", "traces.jsonl")


def figures(summary: Path) -> Iterator[list[list[str]]]:
    """Yield each table as its rows below the header, a row as its numbers in order; words do not count."""
    rows: list[list[str]] = []
    for line in [*summary.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            rows.append(re.findall(r"\d+(?:\.\d+)?", line))
        elif rows:
            yield rows[2:]
            rows = []


@pytest.mark.parametrize("run", COMMITTED, ids=lambda run: run.name)
def test_every_number_of_a_committed_summary_comes_from_its_samples(run: Path, tmp_path: Path) -> None:
    """Every number in every table of `summary.md` is what the run's raw samples give today."""
    for name in RAW:
        if (run / name).exists():
            shutil.copy(run / name, tmp_path)
    report_run(tmp_path, Console(file=io.StringIO()))
    committed = list(figures(run / SUMMARY))
    assert committed
    assert list(figures(tmp_path / SUMMARY)) == committed
