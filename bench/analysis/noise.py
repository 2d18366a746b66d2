"""
How far a run's clock is to be believed: the A/A check, drift, others on the machine, time unexplained.

`docs/internals/statistics.md` gives the reason for each limit: change both together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bench.analysis import statistics
from bench.analysis.estimates import Estimate, bounds, paired_in
from bench.strategy.declaration import FLOOR, TWIN

QUIET_WITHIN = 1.05
"""A run is quiet when the A/A interval reaches no farther from 1 than this factor."""

UNUSABLE_BEYOND = 1.25
"""Beyond this factor a run is unusable: a difference of a quarter would be noise."""

TWIN_OFF = 1.02
"""An A/A interval excludes 1 by chance in up to 5 % of runs; it counts when the ratio is off by this factor."""

DRIFT, DRIFT_P = 0.05, 0.01
"""A drift counts from this share of the cost over the run on, unless chance explains it."""

LAG_ONE, LAG_SPREAD = 0.5, 0.05
"""Correlated neighbours count from this correlation on, where cells vary by this share of their cost at least."""

STEAL, UNUSABLE_STEAL = 0.02, 0.2
"""Steal counts from this share of all processor time on, the median over cells; a run is unusable beyond the second."""

RESIDUAL_SHARE = 0.05
"""A cell is marked when more of its wall time than this is not explained."""


@dataclass(frozen=True)
class Noise:
    """How far the clock is to be believed."""

    verdict: Literal["quiet", "noisy", "unusable"]
    reasons: tuple[str, ...]
    """One sentence for each thing that makes it less than quiet; for `quiet` one that says what was looked at."""
    twin_ratio: Estimate | None
    """`none_twin` to `none`, paired within rounds: the A/A check. Differences inside its interval are noise."""
    drift: float | None = None
    """Share by which the cost per test changed from the first cell to the last; None where little or by chance."""
    wanders: bool = False
    """Whether neighbouring cells vary together."""


@dataclass(frozen=True)
class _Wandering:
    drift: float | None = None
    """As in `Noise`."""
    together: tuple[float, float] | None = None
    """Correlation of neighbouring cells and their spread; None where they do not vary together."""


def judge_noise(timed: pd.DataFrame, costs: pd.DataFrame, cores: int) -> Noise:
    """
    Say how far the clock of a run is to be believed.

    :param timed: a row for each timed cell: strategy, round, position, cost per test, load, steal and residual.
    :param costs: seconds per test, a row for each round and a column for each strategy.
    :param cores: of the machine.
    """
    twin, wandering = paired_in(costs, TWIN, FLOOR), _wandering(timed, costs)
    faults = (
        *_scarcity(len(costs)),
        *_apart(twin),
        *_drifted(wandering),
        *_others(timed, cores),
        *_unexplained(timed),
    )
    found = (wandering.drift, wandering.together is not None)
    if (
        len(costs) < statistics.LEAST_ROUNDS
        or statistics.reach(*bounds(twin)) > UNUSABLE_BEYOND
        or timed["steal"].median() > UNUSABLE_STEAL
    ):
        return Noise("unusable", faults, twin, *found)
    quiet = f"{_says(twin)}; no drift, no load of others, no cell with much time unexplained."
    return Noise("noisy" if faults else "quiet", faults or (quiet,), twin, *found)


def _scarcity(rounds: int) -> Iterator[str]:
    finished = f"{rounds} timed round{'' if rounds == 1 else 's'} finished"
    if rounds < statistics.LEAST_ROUNDS:
        yield f"{finished}: it takes {statistics.LEAST_ROUNDS} for an interval."
    elif rounds < statistics.EXACT_ROUNDS:
        yield f"{finished}: below {statistics.EXACT_ROUNDS}, intervals hold only where rounds vary like a normal."


def _apart(twin: Estimate | None) -> Iterator[str]:
    """Judge the A/A check."""
    low, high = bounds(twin)
    if twin is None or twin.low is None:
        yield f"{FLOOR} and {TWIN} did not both finish two timed rounds: how far equals differ is not known."
        return
    reach = statistics.reach(low, high)
    if reach > QUIET_WITHIN:
        yield f"{_says(twin)}: differences up to {reach - 1:.0%} are noise."
    if statistics.significantly_different(low, high) and statistics.reach(twin.value, twin.value) > TWIN_OFF:
        yield f"{_says(twin)}: equals are told apart, so more than chance is at work."


def _says(twin: Estimate | None) -> str:
    low, high = bounds(twin)
    return f"{TWIN} costs {twin.value if twin else np.nan:.3f} times {FLOOR}, its equal ({low:.3f} to {high:.3f})"


def _wandering(timed: pd.DataFrame, costs: pd.DataFrame) -> _Wandering:
    """Look for what the order of execution explains once each strategy's own cost is taken away."""
    if len(costs) < statistics.LEAST_ROUNDS:
        return _Wandering()
    measured = timed.dropna(subset="per_test").sort_values(["round", "position"])
    effects = dict(zip(costs.columns, statistics.additive_effects(costs.to_numpy())[0], strict=True))
    residuals = np.log(measured["per_test"].to_numpy(float)) - measured["strategy"].map(effects).to_numpy(float)
    if np.ptp(residuals) == 0:
        return _Wandering()
    change, p = statistics.drift(residuals)
    lag_one, spread = statistics.lag_one(residuals), statistics.spread(residuals)
    return _Wandering(
        drift=float(np.expm1(change)) if abs(change) > DRIFT and p < DRIFT_P else None,
        together=(lag_one, spread) if lag_one > LAG_ONE and spread > LAG_SPREAD else None,
    )


def _drifted(found: _Wandering) -> Iterator[str]:
    if found.drift is not None:
        yield f"The cost per test drifted by {found.drift:+.0%} from the first cell to the last."
    if found.together:
        figures = "correlation {:.2f}, spread {:.0%}".format(*found.together)
        yield f"Neighbouring cells vary together ({figures}): the machine's speed wanders; trust ratios over costs."


def _others(timed: pd.DataFrame, cores: int) -> Iterator[str]:
    """Look for others who used the processors."""
    load, steal = timed["load"].median(), timed["steal"].median()
    if load > cores:
        yield f"Others used the machine: its load was {load:.1f} on {cores} cores, and a run makes about 1."
    if steal > STEAL:
        yield f"The hypervisor gave {steal:.0%} of the processors' time to others."


def _unexplained(timed: pd.DataFrame) -> Iterator[str]:
    marked = timed[timed["residual"] > RESIDUAL_SHARE].sort_values("residual")
    if not marked.empty:
        worst = "{strategy} in round {round} with {residual:.0%}".format(**marked.iloc[-1])
        share = f"{len(marked)} of {len(timed)} cells have more than {RESIDUAL_SHARE:.0%} of their time unexplained"
        yield f"{share}, most {worst}."
