"""The verdict on the recorder's overhead takes the whole interval, and the command measures it."""

import dataclasses
import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench.calibration.cell_rounds import COUNTER, MeasuredCell, RoundOptions
from bench.calibration.recorder_overhead import AT_MOST, Verdict, cost, measure_overhead, verdict
from bench.results.endpoints import ServerSource
from tests.calibration.test_known_delays import a_cell

PAIRS = 20


def pairs(times: float, spread: float) -> list[tuple[MeasuredCell, MeasuredCell]]:
    """Make pairs of cells: the cost with the recorder is `times` the cost without, with a random spread."""
    random = np.random.default_rng(1)
    return [
        (
            MeasuredCell(dataclasses.replace(a_cell(), cpu=3 * speed * times * noise), None),
            MeasuredCell(dataclasses.replace(a_cell(), cpu=3 * speed), None),
        )
        for speed, noise in zip(random.uniform(0.8, 1.2, PAIRS), random.normal(1, spread, PAIRS), strict=True)
    ]


def cpu(measured: MeasuredCell) -> float:
    """Return the processor time."""
    assert measured.cell.cpu is not None
    return measured.cell.cpu


def test_cost_is_found_although_the_machine_wanders() -> None:
    """An overhead of 1 % is measured correctly, although the machine's speed varies by a fifth between pairs."""
    found = cost(pairs(1.01, 0.005), cpu)
    assert found.low < 1.01 < found.high
    assert found.high - found.low < 0.01


@pytest.mark.parametrize(
    ("times", "spread", "expected"),
    [(1.01, 0.005, Verdict.WITHIN), (1.05, 0.005, Verdict.ABOVE), (1.01, 0.1, Verdict.INCONCLUSIVE)],
)
def test_verdict_takes_the_whole_interval(times: float, spread: float, expected: Verdict) -> None:
    """The verdict is within or above 2 % only if the whole interval is; otherwise it is inconclusive."""
    assert verdict(cost(pairs(times, spread), cpu)) is expected


def test_one_pair_says_nothing() -> None:
    """Without replication there is no interval, so the verdict is inconclusive."""
    assert verdict(cost(pairs(1, 0)[:1], cpu)) is Verdict.INCONCLUSIVE


def shown_by(rounds: int) -> tuple[bool, str]:
    """Run the command on a real Postgres; return its result and its output."""
    shown = io.StringIO()
    options = RoundOptions(rounds=rounds, tests=7, source=ServerSource("embedded"))
    return measure_overhead(options, Console(file=shown, width=120)), shown.getvalue()


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which(COUNTER[0]) is None, reason="needs valgrind")
def test_instructions_resolve_a_per_cent() -> None:
    """Instruction counts hardly vary: one pair of real cells shows an overhead between 0 and 2 %."""
    _, shown = shown_by(1)
    row = re.search(r"^million instructions( +[\d.]+){2} +([\d.]+) +-$", shown, re.MULTILINE)
    assert row is not None, shown
    assert 1 < float(row[2]) < AT_MOST


def test_without_valgrind_processor_time_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without valgrind the output says so, and shows processor and wall time."""
    folders = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(it for it in folders if not (Path(it) / COUNTER[0]).exists()))
    within, shown = shown_by(2)
    assert "valgrind is not installed" in shown
    for name in ("processor time, s", "wall time, s"):
        assert re.search(rf"^{name}( +[\d.]+){{4}} to [\d.]+$", shown, re.MULTILINE), shown
    assert within == ("The recorder adds at most 2%" in shown)
