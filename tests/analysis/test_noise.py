"""When a run is quiet, noisy or unusable, and why. The cells are synthetic."""

import dataclasses

import numpy as np
import pytest

from bench.analysis.findings import NoiseFinding, NoiseKind
from bench.analysis.noise import Noise
from bench.analysis.ranking import analyse
from bench.report.findings_text import noise_text
from bench.results.records import (
    Cell,
)
from tests.made_runs import (
    COSTS,
    FAST,
    NONE,
    SLOW,
    TWIN,
    a_cell,
    a_run,
    rounds_of,
)


def noise_of(
    *, scale: float = 0.005, twin: float = 1.0, slope: float = 0.0, rounds: float = 7, residual: float = 0.0
) -> Noise:
    """Judge a run whose cells vary by `scale` and drift by `slope`, and whose twin costs `twin` times the floor."""
    random = np.random.default_rng(5)
    costs = {**COSTS, "none_twin": 0.010 * twin}
    cells: list[Cell] = []
    for number in range(1, int(rounds) + 1):
        for position, name in enumerate(random.permutation(list(costs))):
            done = len(cells) / (rounds * len(costs))
            cost = costs[name] * np.exp(random.normal(0, scale) + slope * done)
            cells.append(a_cell(str(name), number, float(cost), position=position, residual=residual))
    return analyse(a_run(NONE, TWIN, FAST, SLOW), cells).noise


def test_a_quiet_run_has_no_finding() -> None:
    """If floor and twin agree and there is no other finding, the run is quiet, and its text has the A/A ratio."""
    noise = noise_of()
    assert noise.verdict == "quiet"
    assert noise.twin_ratio is not None
    assert noise.twin_ratio.value == pytest.approx(1, abs=0.01)
    assert noise.findings == ()
    assert noise_text(noise).startswith(f"Noise: quiet. none_twin / none = {noise.twin_ratio.value:.3f} (")


@pytest.mark.parametrize(
    ("verdict", "words", "cause"),
    [
        ("noisy", "ignore differences up to", {"scale": 0.08}),
        ("unusable", "ignore differences up to", {"scale": 0.4}),
        ("noisy", "the same code is significantly different", {"twin": 1.03}),
        ("noisy", "drifted by +26% from the first cell to the last", {"slope": 0.25}),
        ("noisy", "Consecutive cells vary together", {"slope": 0.25}),
        ("noisy", "28 of 28 cells have more than 5% of their time unexplained", {"residual": 0.2}),
        ("noisy", "Finished timed rounds: 3; with fewer than 6", {"rounds": 3}),
        ("unusable", "Finished timed rounds: 1; an interval needs 2", {"rounds": 1}),
    ],
)
def test_what_makes_a_run_noisy_is_said(verdict: str, words: str, cause: dict[str, float]) -> None:
    """Each cause alone makes a run less than quiet, and its sentence has the figure."""
    noise = noise_of(**cause)
    assert noise.verdict == verdict
    assert words in noise_text(noise)


@pytest.mark.parametrize(
    ("field", "value", "verdict", "words"),
    [
        ("load", 2.5, "noisy", "its load was 2.5 on 2 cores"),
        ("load", 2.0, "quiet", "no other load"),
        ("steal", 0.05, "noisy", "gave 5% of the processor time to others"),
        ("steal", 0.3, "unusable", "gave 30% of the processor time to others"),
        ("steal", None, "quiet", "none_twin / none"),
    ],
)
def test_others_on_the_machine_make_noise(field: str, value: float | None, verdict: str, words: str) -> None:
    """A load above the number of cores and steal count; an unknown steal does not."""
    cells = rounds_of({"none": 0.010, "none_twin": 0.010, "fast": 0.008}, noise=0.002)
    busy = [dataclasses.replace(cell, **{field: value}) for cell in cells]  # type: ignore[arg-type] # the case's own
    noise = analyse(a_run(NONE, TWIN, FAST), busy).noise
    assert noise.verdict == verdict, noise
    assert words in noise_text(noise)


def test_a_run_without_the_twin_is_not_called_quiet() -> None:
    """Without the A/A check the noise is not known, so the run is at best noisy."""
    noise = analyse(a_run(NONE, FAST), [a_cell(n, r) for r in range(1, 8) for n in ("none", "fast")]).noise
    assert noise.verdict == "noisy"
    assert noise.twin_ratio is None
    assert noise.findings == (NoiseFinding(NoiseKind.NO_TWIN),)
