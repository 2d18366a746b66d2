"""
How the times of single tests spread: for each strategy, how long at most each share of its tests took.

The cumulative distribution, with the shares across and the milliseconds upwards: so the curves' ends lie apart, and
each has its name beside it. Looks may change freely.
"""

from collections.abc import Sequence

import numpy as np

from bench.analysis.ranking import Analysis, StrategyResult
from bench.analysis.statistics import Floats
from bench.analysis.timed_cells import Timed
from bench.report.charts import Picture
from bench.report.charts.axis import ticks
from bench.report.charts.footer import place_footer
from bench.report.charts.lines import MOST_FULL, Curve, Emphasis, Plot, place
from bench.report.charts.sheet import Sheet
from bench.report.formatting import caution, in_ties, significant, tied_with, where_needed

SHARES = np.arange(1, 100)
"""In percent. The slowest and the fastest hundredth are left out: a single test may stand there."""
HALF, TAIL = 50, 95


def picture(analysis: Analysis, cells: Sequence[Timed]) -> Picture | None:
    """Draw the distribution of the times of all timed tests; None where there are none."""
    spreads = _spreads(analysis, cells)
    if not spreads:
        return None
    full = _full(spreads)
    sheet = Sheet()
    sheet.head(sentence(analysis, cells), _how_to_read([result for result, _ in spreads], full))
    place(
        sheet,
        [_curve(result, times, full) for result, times in spreads],
        Plot(
            x_label=f"share of the tests that take so long at most, from {SHARES[0]} to {SHARES[-1]} %",
            y_label="milliseconds of a single test (log scale)",
            ticks=lambda low, high: {tick: f"{tick:g}" for tick in ticks(low, high)},
            x_ticks={share: f"{share} %" for share in (1, 25, HALF, 75, TAIL)},
            x_limits=(int(SHARES[0]), int(SHARES[-1])),
            x_scale={"value": "linear"},
        ),
    )
    place_footer(sheet, analysis)
    return sheet.picture("distribution", "How the times of single tests spread")


def sentence(analysis: Analysis, cells: Sequence[Timed]) -> str:
    """
    Say how long tests take with the cheapest strategy, or with one that is not ranked, and who has the longest tail.

    :param cells: one at least.
    """
    spreads = _spreads(analysis, cells)
    ranked = [(result, times) for result, times in spreads if result.ranked]
    best, times = (ranked or spreads)[0]
    doubt = caution(analysis)
    ties = "" if doubt else in_ties(tied_with(best, [result for result, _ in ranked if result is not best]))
    half, slow = (f"{significant(at_most)} ms" for at_most in np.percentile(times, [HALF, TAIL]))
    unranked = "" if ranked else ", which is not ranked"
    said = f"half of the tests take at most {half} with {best.facts.name}{ties}{unranked}, and {TAIL} % at most {slow}"
    if doubt:
        return where_needed(analysis, f"{doubt}: here {said}")
    tails = {result.facts.name: _tail(own) for result, own in ranked}
    if len(tails) <= 1:
        return where_needed(analysis, said)
    longest = max(tails, key=tails.__getitem__)
    slowest = f"its slowest {100 - TAIL} % take {significant(tails[longest], 2)} times its median or more"
    return where_needed(analysis, f"{said}; {longest} has the longest tail: {slowest}")


def _spreads(analysis: Analysis, cells: Sequence[Timed]) -> list[tuple[StrategyResult, Floats]]:
    """Return the milliseconds of all tests of each strategy that has any, in the order of the analysis."""
    tests: dict[str, list[float]] = {}
    for cell in cells:
        tests.setdefault(cell.strategy, []).extend(cell.tests)
    names = [(result, tests.get(result.facts.name)) for result in analysis.strategies]
    return [(result, np.array(own) * 1000) for result, own in names if own]


def _tail(times: Floats) -> float:
    half, slow = np.percentile(times, [HALF, TAIL])
    return float(slow / half)


def _full(spreads: Sequence[tuple[StrategyResult, Floats]]) -> list[str]:
    """Return those to show in colour: all if they are few, else the cheapest, the dearest and the longest tail."""
    tails = {result.facts.name: _tail(times) for result, times in spreads if result.ranked}
    if len(tails) <= MOST_FULL:
        return [*tails]
    names = [*tails]
    return [*dict.fromkeys([*names[: MOST_FULL - 2], names[-1], max(tails, key=tails.__getitem__)])]


def _curve(result: StrategyResult, times: Floats, full: Sequence[str]) -> Curve:
    name, none = result.facts.name, np.full(len(SHARES), np.nan)
    look: Emphasis = "full" if name in full else "thin" if result.ranked else "floor"
    label = name if result.ranked else f"{name} (not ranked)"
    return Curve(label, SHARES.astype(float), np.percentile(times, SHARES), none, none, look)


def _how_to_read(results: Sequence[StrategyResult], full: Sequence[str]) -> str:
    said = ["All tests of all timed rounds; a curve that stays level has tests that all take the same."]
    said += [] if all(result.ranked for result in results) else ["Dashed: not ranked."]
    if len(full) < sum(result.ranked for result in results):
        said.append(f"In colour: the {MOST_FULL - 2} cheapest, the dearest, the longest tail.")
    return " ".join(said)
