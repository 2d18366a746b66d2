"""
How the conditions of a sweep change the costs of strategies, their order, the possible gains, and traps.

`docs/internals/conditions.md` explains the methods: change both together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.analysis import statistics
from bench.analysis.cell_figures import CellFigures
from bench.analysis.estimates import Estimate, bounds, estimate, paired
from bench.analysis.ranking import Analysis, StrategyResult, analyse_each
from bench.analysis.scaling import FACTORS
from bench.analysis.statistics import Floats
from bench.analysis.traps import TrapResult
from bench.results.records import Cell, Fidelity, Run


@dataclass(frozen=True)
class ConditionResult:
    """One strategy under one condition."""

    result: StrategyResult | None
    """From the analysis of the condition; None if the strategy is not in it."""
    per_test: Estimate | None
    """Seconds per test; None if a test failed, a cell did not finish, or no cell was run."""
    ratio: Estimate | None
    """To the same strategy's cost under the first condition, paired within rounds; None if either has no figure."""
    significant: bool
    """Whether the cost is significantly different from that under the first condition."""


@dataclass(frozen=True)
class Row:
    """One strategy under all conditions."""

    strategy: str
    ranked: bool
    """Under the first condition."""
    results: tuple[ConditionResult, ...]
    """In the order of the conditions."""


class TrapOutcome(StrEnum):
    """What a trap did under one condition."""

    AS_DECLARED = "as declared"
    WORKS = "works here"
    """All tests passed."""
    DEVIATES = "not as declared"
    NOT_PROBED = "not probed"
    """It declares no error, and the probes that would catch it did not run under this condition."""


@dataclass(frozen=True)
class TrapRow:
    """One trap under all conditions; None where it cannot run, or was not run."""

    trap: str
    results: tuple[TrapResult | None, ...]

    @property
    def outcomes(self) -> tuple[TrapOutcome | None, ...]:
        """What it did under each condition."""
        return tuple(_trap_outcome(result) if result else None for result in self.results)


@dataclass(frozen=True)
class OrderReversal:
    """Two strategies that differ significantly under two conditions, in opposite directions."""

    cheaper: str
    dearer: str
    """Under the first condition."""
    ratio: Estimate
    """The higher cost divided by the lower one, under the first condition: above 1."""
    reversed: tuple[tuple[str, Estimate], ...]
    """The conditions that reverse the order, and the same ratio there: below 1."""


class Option(NamedTuple):
    """A strategy under a condition, given by their names."""

    strategy: str
    condition: str


@dataclass(frozen=True)
class Gain:
    """How much faster the best of several options is than a starting point."""

    chosen: Option
    """The cheapest option."""
    times: Estimate
    """How many times as fast as the start; each round counts the option that the other rounds would choose."""
    significant: bool
    """Whether that is significantly different from 1."""
    tied: tuple[Option, ...]
    """Other options, except the start, that tie with the chosen one."""

    @property
    def is_faster(self) -> bool:
        """Whether the choice is significantly faster than the start."""
        return self.significant and self.times.value > 1


@dataclass(frozen=True)
class Gains:
    """The possible gains for a strategy under the first condition."""

    start: str
    """The strategy."""
    per_test: Estimate
    """Seconds."""
    condition: Gain
    """By another condition alone."""
    strategy: Gain
    """By another strategy alone."""
    both: Gain

    @property
    def both_gain_more(self) -> bool:
        """Whether both together gain significantly more than the better one of the two alone."""
        alone = [gain for gain in (self.condition, self.strategy) if gain.is_faster]
        better = max(alone, key=lambda gain: gain.times.value, default=None)
        as_good = {self.both.chosen, *self.both.tied}
        return self.both.is_faster and (better is None or better.chosen not in as_good)


@dataclass(frozen=True)
class Conditions:
    """Everything that a report shows of a run's conditions."""

    names: tuple[str, ...]
    """The first is made of the first values of the sweep, such as `fsync=on, tmpfs=no`."""
    analyses: tuple[Analysis, ...]
    """One for each condition, analysed as a run of its own."""
    rows: tuple[Row, ...]
    """In the order of the first condition's analysis."""
    traps: tuple[TrapRow, ...]
    reversals: tuple[OrderReversal, ...]
    """Largest differences first."""
    gains: tuple[Gains, ...]
    """For each ranked strategy, most expensive first."""
    only_servers_differ: bool
    """Whether all conditions have the same client."""


def analyse_conditions(
    run: Run,
    cells: Iterable[Cell | CellFigures],
    outcomes: Mapping[str, Fidelity] | None = None,
    need: tuple[str, ...] = (),
) -> Conditions | None:
    """
    Compare the conditions of a run; None if it has only one.

    Cells may be missing, crashed or stopped by their time limit. Parameters are those of `analyse`.
    """
    if not run.conditions:
        return None
    analyses = analyse_each(run, cells, outcomes, need)
    first = _first_name(run)
    names = (first, *(condition.name for condition in run.conditions))
    named = dict(zip(names, analyses.values(), strict=True))
    return Conditions(
        names=names,
        analyses=tuple(named.values()),
        rows=tuple(_rows(named)),
        traps=tuple(_traps(run, named)),
        reversals=_reversals(named),
        gains=tuple(_gains(named, first)),
        only_servers_differ=all(condition.client == run.client for condition in run.conditions),
    )


def _first_name(run: Run) -> str:
    """Return the name of the first condition, made of the first value of each axis."""
    axes = [axis for axis in run.configuration.sweep if axis.name not in FACTORS]
    return ", ".join(
        f"Python {run.machine.python}" if axis.name == "python" else f"{axis.label}={axis.values[0]}" for axis in axes
    )


# --- strategies and traps under each condition


def _rows(named: Mapping[str, Analysis]) -> Iterator[Row]:
    results = [{one.facts.name: one for one in analysis.strategies} for analysis in named.values()]
    reaches = list(map(_reach, named.values()))
    for name, first in results[0].items():
        of_strategy = (
            _result(of_condition.get(name), first, max(reaches[0], reach))
            for of_condition, reach in zip(results, reaches, strict=True)
        )
        yield Row(name, first.ranked, tuple(of_strategy))


def _result(result: StrategyResult | None, first: StrategyResult, noise: float) -> ConditionResult:
    if result is None or not result.whole:
        return ConditionResult(result, None, None, significant=False)
    ratio = paired(result.costs, first.costs) if first.whole else None
    return ConditionResult(result, result.per_test, ratio, significant=_significant(ratio, noise))


def _reach(analysis: Analysis) -> float:
    return statistics.reach(*bounds(analysis.noise.twin_ratio))


def _significant(ratio: Estimate | None, noise: float) -> bool:
    return statistics.significantly_different(*bounds(ratio), noise)


def _traps(run: Run, named: Mapping[str, Analysis]) -> Iterator[TrapRow]:
    results = [
        {trap.facts.name: trap for trap in analysis.traps if trap.tests or trap.is_finding}
        for analysis in named.values()
    ]
    for facts in run.strategies:
        if facts.is_trap:
            yield TrapRow(facts.name, tuple(of_condition.get(facts.name) for of_condition in results))


def _trap_outcome(trap: TrapResult) -> TrapOutcome:
    if trap.deviations:
        passes = trap.tests and trap.passed + trap.leaked == trap.tests
        return TrapOutcome.WORKS if passes else TrapOutcome.DEVIATES
    return TrapOutcome.AS_DECLARED if trap.facts.expected_errors or trap.probed else TrapOutcome.NOT_PROBED


# --- the order of strategies


def _reversals(named: Mapping[str, Analysis]) -> tuple[OrderReversal, ...]:
    """Compare each condition with the first only: among all pairs of conditions, chance would find reversals."""
    (_, first), *others = ((name, _order(analysis)) for name, analysis in named.items())
    found = []
    for (cheaper, dearer), ratio in first.items():
        reversals = [
            (name, Estimate(1 / back.value, 1 / high, 1 / low))
            for name, order in others
            if (back := order.get((dearer, cheaper))) and (low := back.low) and (high := back.high)
        ]
        if reversals:
            found.append(OrderReversal(cheaper, dearer, ratio, tuple(reversals)))
    return tuple(sorted(found, key=_difference, reverse=True))


def _difference(reversal: OrderReversal) -> float:
    """Return the smaller of two factors: that under the first condition, and the largest under the others."""
    return min(reversal.ratio.value, max(1 / ratio.value for _, ratio in reversal.reversed))


def _order(analysis: Analysis) -> dict[tuple[str, str], Estimate]:
    """Return the ratio of costs, above 1, of all significantly different ranked strategies: (cheaper, dearer)."""
    ranked, found = [result for result in analysis.strategies if result.ranked], {}
    for one, other in permutations(ranked, 2):
        if set(one.letters) & set(other.letters):
            continue
        ratio = paired(other.costs, one.costs)
        if ratio and ratio.value > 1:
            found[one.facts.name, other.facts.name] = ratio
    return found


# --- gains


def _gains(named: Mapping[str, Analysis], first: str) -> Iterator[Gains]:
    costs = {
        Option(result.facts.name, name): result.costs
        for name, analysis in named.items()
        for result in analysis.strategies
        if result.ranked
    }
    noise = {name: _reach(analysis) for name, analysis in named.items()}

    def differ(one: Option, other: Option) -> bool:
        return _significant(paired(costs[one], costs[other]), max(noise[one.condition], noise[other.condition]))

    @cache
    def tied_with(chosen: Option) -> frozenset[Option]:
        return frozenset(option for option in costs if option != chosen and not differ(option, chosen))

    def gain(start: Option, choice: Sequence[Option]) -> Gain:
        chosen, times = _choose(costs[start], {option: costs[option] for option in choice})
        significant = _significant(times, max(noise[start.condition], noise[chosen.condition]))
        tied = tied_with(chosen) - {start}
        return Gain(chosen, times, significant, tuple(option for option in choice if option in tied))

    for result in reversed(named[first].strategies):
        if result.ranked and result.per_test:
            start = Option(result.facts.name, first)
            yield Gains(
                start=start.strategy,
                per_test=result.per_test,
                condition=gain(start, [option for option in costs if option.strategy == start.strategy]),
                strategy=gain(start, [option for option in costs if option.condition == first]),
                both=gain(start, [*costs]),
            )


def _choose(start: Mapping[int, float], choice: Mapping[Option, Mapping[int, float]]) -> tuple[Option, Estimate]:
    """
    Return the cheapest option, and how many times as fast as the start it is.

    The cheapest of many options is cheap partly by luck, so the gain is cross-validated: each round counts the option
    that the other rounds would choose, since their choice does not depend on luck in this round.

    :param start: seconds by the round's number.
    :param choice: seconds by the round's number for each option; the start is one of them.
    """
    rounds = sorted(start)
    seconds = np.array([[costs.get(number, np.nan) for costs in choice.values()] for number in rounds])
    own = np.array([start[number] for number in rounds])
    logs = np.log(own[:, None] / seconds)
    known = ~np.isnan(logs)
    sums, counts = np.nansum(logs, axis=0), known.sum(axis=0)
    # With few rounds, luck is largest.
    enough = 2 * counts >= len(rounds)
    best = int(_means(sums, counts, enough).argmax())
    others = _means(sums - np.nan_to_num(logs), counts - known, enough & known)
    picked = others.argmax(axis=-1) if len(rounds) > 1 else [best]
    return [*choice][best], estimate(statistics.ratio(own, seconds[np.arange(len(rounds)), picked]))


def _means(sums: Floats, counts: npt.NDArray[np.int_], allowed: npt.NDArray[np.bool_]) -> Floats:
    """Return the means where allowed, and minus infinity elsewhere, so that those are never the largest."""
    means: Floats = np.divide(sums, counts, out=np.full(sums.shape, -np.inf), where=allowed & (counts > 0))
    return means
