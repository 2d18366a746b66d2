"""
The noise verdict, which says how far to trust a run's timings: A/A check, drift, load, steal, unexplained time.

`docs/internals/statistics.md` gives the reason for each limit: change both together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bench.analysis import statistics
from bench.analysis.estimates import Estimate, bounds, paired_in
from bench.analysis.findings import NoiseFinding, NoiseKind
from bench.strategy.declaration import FLOOR, TWIN

QUIET_WITHIN = 1.05
"""A run is quiet when the A/A interval reaches no farther from 1 than this factor."""

UNUSABLE_BEYOND = 1.25
"""Beyond this factor a run is unusable: a difference of a quarter would be noise."""

TWIN_OFF = 1.02
"""An A/A interval excludes 1 by chance in up to 5 % of runs; it counts when the ratio is off by this factor."""

DRIFT, DRIFT_P = 0.05, 0.01
"""A drift counts from this share of the cost over the run, unless chance explains it."""

LAG_ONE, LAG_SPREAD = 0.5, 0.05
"""Correlated neighbours count from this correlation, if cells vary by at least this share of their cost."""

STEAL, UNUSABLE_STEAL = 0.02, 0.2
"""Steal counts from this share of all processor time, the median over cells; a run is unusable beyond the second."""

RESIDUAL_SHARE = 0.05
"""A cell is marked when more than this share of its wall time is unexplained."""


@dataclass(frozen=True)
class Noise:
    """How far the clock of a run can be trusted."""

    verdict: Literal["quiet", "noisy", "unusable"]
    findings: tuple[NoiseFinding, ...]
    """Why the verdict is not `quiet`; empty if it is."""
    twin_ratio: Estimate | None
    """`none_twin` to `none`, paired within rounds: the A/A check. Differences inside its interval are noise."""


def judge_noise(timed: pd.DataFrame, costs: pd.DataFrame, cores: int) -> Noise:
    """
    Return how far the clock of a run can be trusted.

    :param timed: a row for each timed cell: strategy, round, position, cost per test, load, steal and residual.
    :param costs: seconds per test, a row for each round and a column for each strategy.
    :param cores: of the machine.
    """
    twin = paired_in(costs, TWIN, FLOOR)
    findings = (
        *_few_rounds(len(costs)),
        *_twin(twin),
        *_order_of_execution(timed, costs),
        *_other_load(timed, cores),
        *_unexplained(timed),
    )
    if (
        len(costs) < statistics.LEAST_ROUNDS
        or statistics.reach(*bounds(twin)) > UNUSABLE_BEYOND
        or timed["steal"].median() > UNUSABLE_STEAL
    ):
        return Noise("unusable", findings, twin)
    return Noise("noisy" if findings else "quiet", findings, twin)


def _few_rounds(rounds: int) -> Iterator[NoiseFinding]:
    if rounds < statistics.EXACT_ROUNDS:
        too_few = rounds < statistics.LEAST_ROUNDS
        yield NoiseFinding(NoiseKind.NO_INTERVAL if too_few else NoiseKind.FEW_ROUNDS, rounds=rounds)


def _twin(twin: Estimate | None) -> Iterator[NoiseFinding]:
    """Judge the A/A check."""
    if twin is None or twin.low is None:
        yield NoiseFinding(NoiseKind.NO_TWIN)
        return
    low, high = bounds(twin)
    reach = statistics.reach(low, high)
    if reach > QUIET_WITHIN:
        yield NoiseFinding(NoiseKind.WIDE_TWIN, twin=twin, share=reach - 1)
    if statistics.significantly_different(low, high) and statistics.reach(twin.value, twin.value) > TWIN_OFF:
        yield NoiseFinding(NoiseKind.TWIN_DIFFERS, twin=twin)


def _order_of_execution(timed: pd.DataFrame, costs: pd.DataFrame) -> Iterator[NoiseFinding]:
    """Look for what the order of execution explains once each strategy's own cost is taken away."""
    if len(costs) < statistics.LEAST_ROUNDS:
        return
    measured = timed.dropna(subset="per_test").sort_values(["round", "position"])
    effects = dict(zip(costs.columns, statistics.additive_effects(costs.to_numpy())[0], strict=True))
    residuals = np.log(measured["per_test"].to_numpy(float)) - measured["strategy"].map(effects).to_numpy(float)
    if np.ptp(residuals) == 0:
        return
    change, p = statistics.drift(residuals)
    if abs(change) > DRIFT and p < DRIFT_P:
        yield NoiseFinding(NoiseKind.DRIFT, share=float(np.expm1(change)))
    correlation, spread = statistics.lag_one(residuals), statistics.spread(residuals)
    if correlation > LAG_ONE and spread > LAG_SPREAD:
        yield NoiseFinding(NoiseKind.CORRELATED, correlation=correlation, share=spread)


def _other_load(timed: pd.DataFrame, cores: int) -> Iterator[NoiseFinding]:
    """Look for other users of the processors."""
    load, steal = timed["load"].median(), timed["steal"].median()
    if load > cores:
        yield NoiseFinding(NoiseKind.LOAD, load=load, cores=cores)
    if steal > STEAL:
        yield NoiseFinding(NoiseKind.STEAL, share=steal)


def _unexplained(timed: pd.DataFrame) -> Iterator[NoiseFinding]:
    marked = timed[timed["residual"] > RESIDUAL_SHARE].sort_values("residual")
    if not marked.empty:
        worst = marked.iloc[-1]
        yield NoiseFinding(
            NoiseKind.UNEXPLAINED,
            cells=len(marked),
            of=len(timed),
            strategy=worst["strategy"],
            round=int(worst["round"]),
            share=worst["residual"],
        )
