"""The cost of looking: what is said of the recorder follows from the whole interval, and the command measures it."""

import dataclasses
import io
import re

import numpy as np
import pytest
from rich.console import Console

from bench.errors import UserError
from bench.looking import cost, cost_of_looking
from bench.results import Cell
from bench.trials import TrialOptions
from tests.test_calibrate import a_cell

PAIRS = 20


def pairs(times: float, spread: float) -> list[tuple[Cell, Cell]]:
    """Make pairs of cells, of which those with the recorder take so many times as long, give or take a spread."""
    random = np.random.default_rng(1)
    return [
        (
            dataclasses.replace(a_cell(), cpu=3 * speed * times * noise, wall=4 * speed * noise),
            dataclasses.replace(a_cell(), cpu=3 * speed, wall=4 * speed),
        )
        for speed, noise in zip(random.uniform(0.8, 1.2, PAIRS), random.normal(1, spread, PAIRS), strict=True)
    ]


def test_cost_is_found_although_the_machine_wanders() -> None:
    """A recorder that adds 1 % is said to, though the machine's speed changes by a fifth from pair to pair."""
    found = cost(pairs(1.01, 0.005))
    assert found.cpu.low < 1.01 < found.cpu.high
    assert found.wall.low < 1 < found.wall.high
    assert found.cpu.high - found.cpu.low < 0.01


@pytest.mark.parametrize(
    ("times", "spread", "verdict"), [(1.01, 0.005, "within"), (1.05, 0.005, "beyond"), (1.01, 0.1, "not known")]
)
def test_verdict_takes_the_whole_interval(times: float, spread: float, verdict: str) -> None:
    """At most 2 % is said where the upper end is below, more where the lower end is above, and else neither."""
    assert cost(pairs(times, spread)).verdict == verdict


def test_one_pair_says_nothing() -> None:
    """Without replication there is no interval, and nothing is claimed."""
    assert cost(pairs(1, 0)[:1]).verdict == "not known"


def test_system_without_processor_times_is_refused() -> None:
    """Where the system does not tell what a process used, that is said, instead of a figure."""
    with pytest.raises(UserError, match="processor time"):
        cost([(a_cell(), a_cell(cpu=None))])


def test_command_compares_real_cells() -> None:
    """On a real Postgres both cells of a pair run, only one with the recorder, and the ratios are shown."""
    shown = io.StringIO()
    options = TrialOptions(rounds=2, tests=7, choice="embedded", image="", allow_remote=False)
    within = cost_of_looking(options, Console(file=shown, width=120))
    for name in ("processor time", "wall time"):
        assert re.search(rf"^{name}( +[\d.]+){{4}} to [\d.]+$", shown.getvalue(), re.MULTILINE), shown.getvalue()
    assert within == ("The recorder adds at most 2%" in shown.getvalue())
