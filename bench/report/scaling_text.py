"""The tables and sentences that a report shows of a sweep; the figures come from `bench/analysis/scaling.py`."""

import math
from collections.abc import Iterable, Iterator, Sequence

from bench.analysis.estimates import Estimate, bounds
from bench.analysis.scaling import CostCurve, Factor, FittedLine, MissingFigure, MissingLine, Scaling, Trend, trend_of
from bench.analysis.totals import BreakEven
from bench.report.findings_text import reason_text
from bench.report.formatting import significant
from bench.results.printable import printable

DISAGREE = 0.10
"""Share from which line and phases disagree: the line includes the residual, which may be 5 % of a normal cell."""
NOTHING = "-"
INTERVAL = "95 % interval"

_SLOPES: dict[Factor, tuple[str, float]] = {"tables": ("µs per table", 1e6), "rows": ("µs per 1,000 rows", 1e9)}
"""The unit of a slope, and the factor that converts from seconds per table, or per row."""


def tables(scaling: Scaling) -> dict[str, list[tuple[str, ...]]]:
    """
    Return, by its title, a table for each number that was swept; the first row of each is its header.

    The first column is text, all others are numbers.
    """
    shown = {"Wall time of a suite by number of tests": _lines_table(scaling.lines)} if scaling.lines else {}
    for factor, curves in scaling.curves.items():
        shown[f"Cost per test by number of {factor}"] = _curves_table(factor, curves, scaling.noise)
    return shown


def sentences(scaling: Scaling) -> list[str]:
    """Return where strategies break even, where line and phases disagree, and which figures are missing and why."""
    said = (
        *map(_break_even, scaling.break_evens),
        *_disagreements(scaling.lines),
        *map(_missing, scaling.missing),
    )
    return [printable(sentence) for sentence in said]


# --- tables


def _lines_table(lines: Iterable[FittedLine]) -> list[tuple[str, ...]]:
    return [
        ("strategy", "fixed s", INTERVAL, "by phases", "ms per test", INTERVAL, "by phases"),
        *(
            (
                _name(line),
                *_shown(line.fixed, 1),
                significant(line.phases_fixed),
                *_shown(line.per_test, 1000),
                significant(line.phases_per_test * 1000),
            )
            for line in lines
        ),
    ]


def _curves_table(factor: Factor, curves: Sequence[CostCurve], noise: float) -> list[tuple[str, ...]]:
    unit, scale = _SLOPES[factor]
    values = [point.value for curve in curves[:1] for point in curve.points]
    rows = [("strategy", *(f"ms at {value} {factor}" for value in values), "growth", INTERVAL, unit, INTERVAL)]
    for curve in curves:
        costs = (_shown(point.per_test, 1000)[0] for point in curve.points)
        ratio = curve.points[-1].ratio
        rows.append((_name(curve), *costs, _trend(ratio, noise), _shown(ratio, 1)[1], *_shown(curve.slope, scale)))
    return rows


def _trend(ratio: Estimate | None, noise: float) -> str:
    if ratio is None:
        return NOTHING
    trend = trend_of(ratio, noise)
    return f"x {significant(ratio.value)}" if trend in {Trend.GROWS, Trend.FALLS} else trend


def _name(result: FittedLine | CostCurve) -> str:
    return printable(result.strategy + (f" ({result.not_ranked})" if result.not_ranked else ""))


def _shown(estimate: Estimate | None, scale: float) -> tuple[str, str]:
    """Return figure and interval, times `scale`."""
    if estimate is None:
        return NOTHING, NOTHING
    ends = [NOTHING if end is None else significant(end * scale) for end in (estimate.low, estimate.high)]
    return significant(estimate.value * scale), NOTHING if NOTHING in ends else " to ".join(ends)


# --- sentences


def _break_even(even: BreakEven) -> str:
    low, high = bounds(even.tests)
    return (
        f"{even.below} is faster than {even.above} for suites of fewer than about {significant(even.tests.value, 2)} "
        f"tests, and slower for larger ones; from {math.ceil(low)} to {math.floor(high)} tests they are tied."
    )


def _disagreements(lines: Iterable[FittedLine]) -> Iterator[str]:
    for line in lines:
        for what, scale, figure, phases, off in (
            ("s fixed", 1, line.fixed, line.phases_fixed, line.fixed_off),
            ("ms per test", 1000, line.per_test, line.phases_per_test, line.per_test_off),
        ):
            low, high = bounds(off)
            if abs(off.value) > DISAGREE and (low > 0 or high < 0):
                yield (
                    f"{line.strategy}: the line fitted to wall times gives {significant(figure.value * scale)} {what}, "
                    f"the phases give {significant(phases * scale)} ({off.value:+.0%}): time is spent outside the "
                    "phases, or the tests do not all cost the same."
                )


def _missing(missing: MissingFigure | MissingLine) -> str:
    if isinstance(missing, MissingLine):
        return f"{missing.strategy} has no line by number of {missing.factor}: no round has all of its sizes."
    size = f"{missing.value} {missing.factor}" if missing.factor else "the base size"
    why = "no round finished"
    if missing.trouble:
        why = f"{reason_text(missing.trouble)} (in {missing.troubled} of {missing.rounds} rounds)"
    return f"{missing.strategy} has no figure at {size}: {why}."
