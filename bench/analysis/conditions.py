"""
From the cells of a sweep over conditions to what each condition makes of each strategy: costs, flips, gains, traps.

`docs/internals/conditions.md` gives the methods and their reasons: change both together.
`bench/report/conditions_text.py` has the English.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.analysis import statistics
from bench.analysis.estimates import Estimate, bounds, estimate, paired
from bench.analysis.ranking import Analysis, StrategyResult, analyse_each
from bench.analysis.scaling import FACTORS
from bench.analysis.statistics import Floats
from bench.analysis.traps import TrapResult
from bench.results.records import Cell, Fidelity, Run

_SETTING = "setting:"
_SERVERS_OWN = {"server", "pg", "tmpfs", "transport"}
"""Axes of the server; all others but settings are of the client."""


@dataclass(frozen=True)
class Under:
    """One strategy under one condition."""

    result: StrategyResult | None
    """What the condition's own analysis says; None where the strategy did not come up there."""
    per_test: Estimate | None
    """Seconds per test; None where a test failed, a cell did not finish, or there was none."""
    ratio: Estimate | None
    """To the same strategy's cost under the first condition, paired within rounds; None where either has no figure."""
    changed: bool
    """Whether the ratio is told apart from 1."""


@dataclass(frozen=True)
class Row:
    """One strategy under all conditions."""

    strategy: str
    ranked: bool
    """Whether it competes under the first condition."""
    cells: tuple[Under, ...]
    """In the order of the conditions."""


@dataclass(frozen=True)
class TrapRow:
    """One trap under all conditions; None where it cannot run, or was not run."""

    trap: str
    cells: tuple[TrapResult | None, ...]


@dataclass(frozen=True)
class Flip:
    """Two strategies whose order another condition turns round; told apart under both, in opposite directions."""

    cheaper: str
    dearer: str
    """Under the first condition."""
    ratio: Estimate
    """Of the dearer one's cost to the cheaper one's, under the first condition: above 1."""
    turned: tuple[tuple[str, Estimate], ...]
    """The conditions that turn them round, and the same ratio there: below 1."""


class Option(NamedTuple):
    """What may be chosen."""

    strategy: str
    condition: str
    """Its name."""


@dataclass(frozen=True)
class Gain:
    """What a choice makes of a start."""

    chosen: Option
    """The cheapest of all that could be chosen."""
    times: Estimate
    """How many times as fast as the start: of whom the other rounds would have chosen, in each round."""
    apart: bool
    """Whether that is told apart from 1; else the choice gains nothing that is known."""
    tied: tuple[Option, ...]
    """Others that are not told apart from the one that was chosen, the start not among them."""

    @property
    def known(self) -> bool:
        """Whether the start is known to get faster by it."""
        return self.apart and self.times.value > 1


@dataclass(frozen=True)
class Gains:
    """What there is to gain for somebody who has one strategy, under the first condition."""

    start: str
    per_test: Estimate
    """Seconds."""
    condition: Gain
    """Another condition alone."""
    strategy: Gain
    """Another strategy alone."""
    both: Gain

    @property
    def both_gain_more(self) -> bool:
        """Whether both together are known to gain more than the better one of the two does alone."""
        alone = [gain for gain in (self.condition, self.strategy) if gain.known]
        better = max(alone, key=lambda gain: gain.times.value, default=None)
        as_good = {self.both.chosen, *self.both.tied}
        return self.both.known and (better is None or better.chosen not in as_good)


@dataclass(frozen=True)
class Conditions:
    """All that a report shows of a run's conditions."""

    names: tuple[str, ...]
    """The first is what the sweep's first values are called, such as `fsync=on, tmpfs=no`."""
    analyses: tuple[Analysis, ...]
    """Of each condition, as of a run of its own."""
    rows: tuple[Row, ...]
    """In the order of the first condition's analysis."""
    traps: tuple[TrapRow, ...]
    flips: tuple[Flip, ...]
    """The plainest first."""
    gains: tuple[Gains, ...]
    """Of each ranked strategy as a start, the dearest first."""
    of_servers: bool
    """Whether it is servers alone that differ."""


def under_conditions(
    run: Run, cells: Iterable[Cell], outcomes: Mapping[str, Fidelity] | None = None, need: tuple[str, ...] = ()
) -> Conditions | None:
    """
    Say what each condition of a run makes of its strategies; None where it has but one.

    Cells may be missing, crashed or stopped by their time limit. Parameters are those of `analyse`.
    """
    if not run.conditions:
        return None
    analyses = analyse_each(run, cells, outcomes, need)
    axes = {axis.name: axis.values for axis in run.configuration.sweep if axis.name not in FACTORS}
    first = _called(run, axes)
    names = (first, *(condition.name for condition in run.conditions))
    named = dict(zip(names, analyses.values(), strict=True))
    return Conditions(
        names=names,
        analyses=tuple(named.values()),
        rows=tuple(_rows(named)),
        traps=tuple(_traps(run, named)),
        flips=_flips(named),
        gains=tuple(_gains(named, first)),
        of_servers=all(name in _SERVERS_OWN or name.startswith(_SETTING) for name in axes),
    )


def _called(run: Run, axes: Mapping[str, Sequence[str]]) -> str:
    """Name the first condition by the first value of each axis."""
    values = {name.removeprefix(_SETTING): given[0] for name, given in axes.items()}
    named = (f"Python {run.machine.python}" if name == "python" else f"{name}={one}" for name, one in values.items())
    return ", ".join(named)


# --- strategies and traps under each condition


def _rows(named: Mapping[str, Analysis]) -> Iterator[Row]:
    results = [{one.facts.name: one for one in analysis.strategies} for analysis in named.values()]
    reaches = list(map(_reach, named.values()))
    for name, first in results[0].items():
        cells = (
            _under(of_condition.get(name), first, max(reaches[0], reach))
            for of_condition, reach in zip(results, reaches, strict=True)
        )
        yield Row(name, first.ranked, tuple(cells))


def _under(result: StrategyResult | None, first: StrategyResult, noise: float) -> Under:
    if result is None or not result.whole:
        return Under(result, None, None, changed=False)
    ratio = paired(result.costs, first.costs) if first.whole else None
    return Under(result, result.per_test, ratio, changed=_apart(ratio, noise))


def _reach(analysis: Analysis) -> float:
    return statistics.reach(*bounds(analysis.noise.twin_ratio))


def _apart(ratio: Estimate | None, noise: float) -> bool:
    return statistics.significantly_different(*bounds(ratio), noise)


def _traps(run: Run, named: Mapping[str, Analysis]) -> Iterator[TrapRow]:
    results = [
        {trap.facts.name: trap for trap in analysis.traps if trap.tests or trap.is_finding}
        for analysis in named.values()
    ]
    for facts in run.strategies:
        if facts.is_trap:
            yield TrapRow(facts.name, tuple(of_condition.get(facts.name) for of_condition in results))


# --- flips


def _flips(named: Mapping[str, Analysis]) -> tuple[Flip, ...]:
    """Compare each condition with the first alone: among all pairs of conditions, chance alone would find flips."""
    (_, first), *others = ((name, _order(analysis)) for name, analysis in named.items())
    found = []
    for (cheaper, dearer), ratio in first.items():
        turned = [
            (name, Estimate(1 / back.value, 1 / high, 1 / low))
            for name, order in others
            if (back := order.get((dearer, cheaper))) and (low := back.low) and (high := back.high)
        ]
        if turned:
            found.append(Flip(cheaper, dearer, ratio, tuple(turned)))
    return tuple(sorted(found, key=_plainness, reverse=True))


def _plainness(flip: Flip) -> float:
    """Return how far apart the two are at least, under the first condition and where they are turned round most."""
    return min(flip.ratio.value, max(1 / ratio.value for _, ratio in flip.turned))


def _order(analysis: Analysis) -> dict[tuple[str, str], Estimate]:
    """Return the pairs of ranked strategies that are told apart, the cheaper first, and the other's cost to its."""
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
        return _apart(paired(costs[one], costs[other]), max(noise[one.condition], noise[other.condition]))

    @cache
    def tied_with(chosen: Option) -> frozenset[Option]:
        return frozenset(option for option in costs if option != chosen and not differ(option, chosen))

    def gain(start: Option, choice: Sequence[Option]) -> Gain:
        chosen, times = _choose(costs[start], {option: costs[option] for option in choice})
        apart = _apart(times, max(noise[start.condition], noise[chosen.condition]))
        tied = tied_with(chosen) - {start}
        return Gain(chosen, times, apart, tuple(option for option in choice if option in tied))

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
    Return the cheapest of a choice, and how many times as fast as the start it is.

    What is cheapest of many is cheaper by luck as well. So in each round that counts what the other rounds, which know
    nothing of its luck, would have chosen.

    :param choice: what may be chosen, by the round's number; the start is among it.
    """
    rounds = sorted(start)
    seconds = np.array([[costs.get(number, np.nan) for costs in choice.values()] for number in rounds])
    own = np.array([start[number] for number in rounds])
    logs = np.log(own[:, None] / seconds)
    known = ~np.isnan(logs)
    sums, counts = np.nansum(logs, axis=0), known.sum(axis=0)
    # Of what has few of the rounds, luck knows the most.
    enough = 2 * counts >= len(rounds)
    best = int(_means(sums, counts, enough).argmax())
    others = _means(sums - np.nan_to_num(logs), counts - known, enough & known)
    picked = others.argmax(axis=-1) if len(rounds) > 1 else [best]
    return [*choice][best], estimate(statistics.ratio(own, seconds[np.arange(len(rounds)), picked]))


def _means(sums: Floats, counts: npt.NDArray[np.int_], allowed: npt.NDArray[np.bool_]) -> Floats:
    """Return the means of what is allowed; minus infinity of what is not, so that it is never the largest."""
    means: Floats = np.divide(sums, counts, out=np.full(sums.shape, -np.inf), where=allowed & (counts > 0))
    return means
