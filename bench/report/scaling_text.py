"""
From how cost grows to words: the tables and sentences that a report shows of a sweep.

From records to text; what flat means and how the figures came about stands in `bench/analysis/scaling.py`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from bench.analysis.estimates import Estimate, bounds
from bench.analysis.scaling import Course, Factor, Growth, Line, kind_of_growth
from bench.analysis.totals import BreakEven
from bench.report.formatting import significant
from bench.results.printable import printable

DISAGREE = 0.10
"""Line and phases disagree from this share on: the line has the residual in it, of which 5 % mark a cell."""
NOTHING = "-"

_SLOPES: dict[Factor, tuple[str, float]] = {"tables": ("µs per table", 1e6), "rows": ("µs per 1,000 rows", 1e9)}
"""In what unit the growth of a test's cost is shown, and how many of it are a second per table, or per row."""


def tables(growth: Growth) -> dict[str, list[tuple[str, ...]]]:
    """
    Return, by its title, a table of each number that was swept; the first row of each is its header.

    The first column is text, all others are numbers.
    """
    shown = {"Wall time of a suite over its number of tests": _lines_table(growth.lines)} if growth.lines else {}
    for factor, courses in growth.courses.items():
        shown[f"Cost per test over the number of {factor}"] = _courses_table(factor, courses, growth.noise)
    return shown


def sentences(growth: Growth) -> list[str]:
    """Say where strategies break even, where line and phases disagree, and which figures are missing and why."""
    said = [*map(_says, growth.break_evens), *_disagreements(growth.lines), *growth.missing]
    return [printable(sentence) for sentence in said]


# --- tables


def _lines_table(lines: Iterable[Line]) -> list[tuple[str, ...]]:
    interval = "95 % interval"
    header = ("strategy", "fixed s", interval, "by phases", "ms per test", interval, "by phases")
    return [
        header,
        *(
            (
                _named(line),
                *_shown(line.fixed, 1),
                significant(line.phases_fixed),
                *_shown(line.per_test, 1000),
                significant(line.phases_per_test * 1000),
            )
            for line in lines
        ),
    ]


def _courses_table(factor: Factor, courses: Sequence[Course], noise: float) -> list[tuple[str, ...]]:
    unit, scale = _SLOPES[factor]
    values = [point.value for course in courses[:1] for point in course.points]
    rows = [
        ("strategy", *(f"ms at {value} {factor}" for value in values), "growth", "95 % interval", unit, "95 % interval")
    ]
    for course in courses:
        costs = (_shown(point.per_test, 1000)[0] for point in course.points)
        ratio = course.points[-1].ratio
        rows.append((_named(course), *costs, _grown(ratio, noise), _shown(ratio, 1)[1], *_shown(course.slope, scale)))
    return rows


def _grown(ratio: Estimate | None, noise: float) -> str:
    if ratio is None:
        return NOTHING
    kind = kind_of_growth(ratio, noise)
    return f"x {significant(ratio.value)}" if kind in {"grows", "falls"} else kind


def _named(result: Line | Course) -> str:
    return printable(result.strategy + (f" ({result.mark})" if result.mark else ""))


def _shown(estimate: Estimate | None, scale: float) -> tuple[str, str]:
    """Return figure and interval, times `scale`."""
    if estimate is None:
        return NOTHING, NOTHING
    ends = [NOTHING if end is None else significant(end * scale) for end in (estimate.low, estimate.high)]
    return significant(estimate.value * scale), NOTHING if NOTHING in ends else " to ".join(ends)


# --- sentences


def _says(one: BreakEven) -> str:
    low, high = bounds(one.tests)
    where = f"from {math.ceil(low)} to {math.floor(high)} they are not told apart"
    return (
        f"Below about {significant(one.tests.value, 2)} tests {one.below} takes less time, above {one.above}; {where}."
    )


def _disagreements(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        for what, scale, figure, phases, off in (
            ("s fixed", 1, line.fixed, line.phases_fixed, line.fixed_off),
            ("ms per test", 1000, line.per_test, line.phases_per_test, line.per_test_off),
        ):
            if _disagree(off):
                yield (
                    f"{line.strategy}: the wall time of suites of several lengths gives "
                    f"{significant(figure.value * scale)} {what}, the phases {significant(phases * scale)} "
                    f"({off.value:+.0%}): time is spent outside the phases, or tests do not all cost the same."
                )


def _disagree(off: Estimate) -> bool:
    low, high = bounds(off)
    return abs(off.value) > DISAGREE and (low > 0 or high < 0)
