"""
Duration of a suite by its number of tests: a curve for each strategy, with the points where two break even.

Between and beyond the measured numbers of tests, the curves are fitted straight lines.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from bench.analysis.ranking import Analysis
from bench.analysis.scaling import Scaling
from bench.analysis.totals import MOST_TESTS, BreakEven, Total
from bench.report.charts import Picture
from bench.report.charts.lines import MOST_FULL, Plot, curve, place, spread
from bench.report.charts.sheet import Sheet
from bench.report.charts.typesetting import GREY, INK, MUTED, PAPER, text_width
from bench.report.formatting import caution, duration, few, in_ties, listed, rounded, where_needed

TYPICAL = 1000
"""The number of tests that the headline refers to."""
UNITS = {"ms": (0.001, (1, 2, 5, 10, 20, 50, 100, 200, 500)), "s": (1, (1, 2, 5, 10, 20, 30))}
UNITS |= {"min": (60, (1, 2, 5, 10, 20, 30)), "h": (3600, (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))}
"""Units of time: their seconds, and the multiples that serve as ticks."""
FEW_TICKS = 3
MOST_MARKS = 8
"""If there are more break-evens, only those between coloured curves are marked."""
MARK_SIZE, FOOT = 8.0, 22.0
HALO = {"facecolor": PAPER, "lw": 0, "pad": 0.5}  # covers lines behind a figure


def picture(analysis: Analysis, scaling: Scaling) -> Picture | None:
    """Draw the duration of suites of 1 to 100,000 tests; None if it is known for no ranked strategy."""
    totals = _in_order(analysis, scaling)
    if not totals:
        return None
    full = _full(totals, scaling.break_evens)
    even = [one for one in scaling.break_evens if {one.below, one.above} <= totals.keys()]
    if len(even) > MOST_MARKS:
        even = [one for one in even if {one.below, one.above} <= set(full)]
    measured = sorted({size.tests for size in (analysis.run.workload.size, *analysis.run.workload.sweep)})
    figures = listed([f"{tests:,}" for tests in measured])

    def decorate(axes: Axes, width: float, height: float) -> None:
        for tests in measured:
            axes.axvline(tests, color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1)
        _draw_break_evens(axes, (width, height), even, totals)

    sheet = Sheet()
    explanation = _how_to_read(totals, swept=len(measured) > 1, thin=len(totals) > len(full), even=bool(even))
    sheet.head(sentence(analysis, scaling), explanation)
    place(
        sheet,
        [
            curve(name, total.tests, total.seconds, 1, "full" if name in full else "thin")
            for name, total in totals.items()
        ],
        Plot(
            x_label=f"tests in the suite (log scale); dotted lines: measured ({figures})",
            y_label="duration of the suite (log scale)",
            ticks=_ticks,
            x_ticks={10.0**power: f"{10**power:,}" for power in range(6)},
            x_limits=(1, MOST_TESTS),
            x_scale={"value": "log"},
            foot=FOOT if even else 0,
            decorate=decorate,
        ),
    )
    names = [result.facts.name for result in analysis.strategies if result.ranked]
    if without := [name for name in names if name not in totals]:
        sheet.write(f"Not shown, because the fitted line falls below 0 or a size failed: {listed(without)}.", 8, MUTED)
    sheet.footer(analysis)
    return sheet.picture("totals", "Duration of a suite by number of tests")


def sentence(analysis: Analysis, scaling: Scaling) -> str:
    """
    State how long 1,000 tests take under the fastest and the slowest strategy, and where another one is faster.

    :param scaling: with the total of at least one ranked strategy.
    """
    totals = _in_order(analysis, scaling)
    tests = next(iter(totals.values())).tests
    typical = tests.index(TYPICAL)
    best, *tied = _first(totals, typical)
    slowest = max(totals, key=lambda name: totals[name].seconds[typical].value)
    doubt = caution(analysis)
    took = f"{TYPICAL:,} tests take {_at(totals[best], typical)} with"
    other = f" and {_at(totals[slowest], typical)} with {slowest}" if slowest != best else ""
    if doubt:
        return where_needed(analysis, f"{doubt}: here {took} {best}{other}")
    beaten = [(number, totals[best].faster[place] & totals.keys()) for place, number in enumerate(tests)]
    shorter = [(f"up to {_tests(math.floor(number))}", names) for number, names in beaten if number < TYPICAL and names]
    longer = [(f"from {_tests(math.ceil(number))} on", names) for number, names in beaten if number > TYPICAL and names]
    turns = [
        f"{where}, {few([name for name in totals if name in names])} {'is' if len(names) == 1 else 'are'} faster"
        for where, names in (*shorter[-1:], *longer[:1])
    ]
    if turns or len(totals) == 1:
        return where_needed(analysis, "; ".join([f"{took} {best}{in_ties(tied)}{other}", *turns]))
    alone = f"No strategy is faster than {best} for up to {MOST_TESTS:,} tests: {took} it{in_ties(tied)}{other}"
    return where_needed(analysis, alone)


def _how_to_read(totals: Mapping[str, Total], *, swept: bool, thin: bool, even: bool) -> str:
    fitted = "Durations away from the dotted lines come from fitted straight lines."
    said = [fitted if swept else "The fixed cost of a suite plus, for each test, the milliseconds per test."]
    if any(total.seconds[0].low is not None for total in totals.values()):
        said.append("Shaded: 95 % confidence interval.")
    if even:
        said.append("Circles mark the number of tests at which two strategies break even.")
    if thin:
        others = f"up to {MOST_FULL - 2} that break even or are fastest for some number of tests"
        said.append(f"In colour: the fastest, the slowest, and {others}.")
    return " ".join(said)


def _ticks(low: float, high: float) -> dict[float, str]:
    """Return round times between two, with their labels: powers of ten of each unit, or more if these are few."""
    times = [
        (count * seconds, count, unit)
        for unit, (seconds, counts) in UNITS.items()
        for count in counts
        if low <= count * seconds <= high
    ]
    tens = [one for one in times if math.log10(one[1]).is_integer()]
    return {time: f"{count} {unit}" for time, count, unit in (tens if len(tens) >= FEW_TICKS else times)}


def _in_order(analysis: Analysis, scaling: Scaling) -> dict[str, Total]:
    """Return the totals of ranked strategies by their names, cheapest first."""
    totals = {total.strategy: total for total in scaling.totals}
    names = [result.facts.name for result in analysis.strategies if result.ranked]
    return {name: totals[name] for name in names if name in totals}


def _first(totals: Mapping[str, Total], place: int) -> list[str]:
    """Return the strategies that no other is significantly faster than; if there is none, the fastest."""
    first = [name for name, total in totals.items() if not total.faster[place] & totals.keys()]
    return first or [min(totals, key=lambda name: totals[name].seconds[place].value)]


def _full(totals: Mapping[str, Total], even: Iterable[BreakEven]) -> list[str]:
    """Return the strategies to show in colour: fastest, slowest, those that break even or are fastest somewhere."""
    places = range(len(next(iter(totals.values())).tests))
    slowest = max(totals, key=lambda name: totals[name].seconds[-1].value)
    somewhere = [name for place in places for name in _first(totals, place)]
    broken = [name for one in even for name in (one.below, one.above) if name in totals]
    order = dict.fromkeys([*_first(totals, places[-1])[:1], slowest, *broken, *somewhere])
    return [*order][:MOST_FULL]


def _at(total: Total, place: int) -> str:
    return duration(total.seconds[place].value)


def _tests(number: int) -> str:
    return f"{number:,} test{'' if number == 1 else 's'}"


def _draw_break_evens(
    axes: Axes, size: tuple[float, float], even: Sequence[BreakEven], totals: Mapping[str, Total]
) -> None:
    """Mark break-evens, with their numbers of tests at the foot of the panel as far as there is room."""
    width, height = size
    spots = {rounded(round(one.tests.value), 2): _spot(one, totals) for one in reversed(even)}
    widths = np.array([text_width(f"{tests:,.0f}", MARK_SIZE) + 6 for tests in spots])
    room = int((np.cumsum(widths) <= width).sum())
    wanted = np.array([width * math.log(x) / math.log(MOST_TESTS) for x, _ in spots.values()])
    to_shares = axes.transData - axes.transAxes
    for tests, centre in zip(spots, spread(wanted[:room], widths[:room], width), strict=False):
        x, y = to_shares.transform(spots[tests])
        at, above = centre / width, (MARK_SIZE + 7) / height
        axes.plot((x, at), (y, above), color=GREY, lw=0.5, transform=axes.transAxes, zorder=5)
        text = f"{tests:,.0f}"
        axes.text(at, 5 / height, text, size=MARK_SIZE, color=INK, ha="center", transform=axes.transAxes, bbox=HALO)
    for x, y in (_spot(one, totals) for one in even):
        axes.plot(x, y, "o", ms=4, mfc=PAPER, mec=INK, mew=0.9, zorder=6)


def _spot(even: BreakEven, totals: Mapping[str, Total]) -> tuple[float, float]:
    below = totals[even.below]
    logs = np.log([one.value for one in below.seconds])
    return even.tests.value, float(np.exp(np.interp(math.log(even.tests.value), np.log(below.tests), logs)))
