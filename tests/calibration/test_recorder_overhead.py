"""The cost of looking: what is said of the recorder follows from the whole interval, and the command measures it."""

import dataclasses
import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench.calibration.cell_rounds import COUNTER, Trial, TrialOptions
from bench.calibration.recorder_overhead import AT_MOST, cost, measure_overhead, verdict
from bench.results.endpoints import Source
from tests.calibration.test_known_delays import a_cell

PAIRS = 20


def pairs(times: float, spread: float) -> list[tuple[Trial, Trial]]:
    """Make pairs of cells, of which those with the recorder take so many times as long, give or take a spread."""
    random = np.random.default_rng(1)
    return [
        (
            Trial(dataclasses.replace(a_cell(), cpu=3 * speed * times * noise), None),
            Trial(dataclasses.replace(a_cell(), cpu=3 * speed), None),
        )
        for speed, noise in zip(random.uniform(0.8, 1.2, PAIRS), random.normal(1, spread, PAIRS), strict=True)
    ]


def cpu(trial: Trial) -> float:
    """Return the processor time."""
    assert trial.cell.cpu is not None
    return trial.cell.cpu


def test_cost_is_found_although_the_machine_wanders() -> None:
    """A recorder that adds 1 % is said to, though the machine's speed changes by a fifth from pair to pair."""
    found = cost(pairs(1.01, 0.005), cpu)
    assert found.low < 1.01 < found.high
    assert found.high - found.low < 0.01


@pytest.mark.parametrize(
    ("times", "spread", "said"), [(1.01, 0.005, "within"), (1.05, 0.005, "beyond"), (1.01, 0.1, "not known")]
)
def test_verdict_takes_the_whole_interval(times: float, spread: float, said: str) -> None:
    """At most 2 % is said where the upper end is below, more where the lower end is above, and else neither."""
    assert verdict(cost(pairs(times, spread), cpu)) == said


def test_one_pair_says_nothing() -> None:
    """Without replication there is no interval, and nothing is claimed."""
    assert verdict(cost(pairs(1, 0)[:1], cpu)) == "not known"


def shown_by(rounds: int) -> tuple[bool, str]:
    """Run the command on a real Postgres; return what it says, and what it shows."""
    shown = io.StringIO()
    options = TrialOptions(rounds=rounds, tests=7, source=Source("embedded"))
    return measure_overhead(options, Console(file=shown, width=120)), shown.getvalue()


@pytest.mark.skipif(shutil.which(COUNTER[0]) is None, reason="takes valgrind")
def test_instructions_resolve_a_per_cent() -> None:
    """Counted instructions of real cells hardly vary: one pair shows that the recorder adds some, and no 2 %."""
    _, shown = shown_by(1)
    row = re.search(r"^million instructions( +[\d.]+){2} +([\d.]+) +-$", shown, re.MULTILINE)
    assert row is not None, shown
    assert 1 < float(row[2]) < AT_MOST


def test_without_valgrind_processor_time_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing counts instructions, that is said, and both times are shown."""
    folders = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(it for it in folders if not (Path(it) / COUNTER[0]).exists()))
    within, shown = shown_by(2)
    assert "No valgrind here" in shown
    for name in ("processor time, s", "wall time, s"):
        assert re.search(rf"^{name}( +[\d.]+){{4}} to [\d.]+$", shown, re.MULTILINE), shown
    assert within == ("The recorder adds at most 2%" in shown)
