"""Cost per test by number of tables or rows: a curve for each strategy of a run that swept them."""

import math
from collections.abc import Mapping, Sequence

from bench.analysis.ranking import Analysis
from bench.analysis.scaling import CostCurve, Factor, Scaling, Trend, trend_of
from bench.report.charts import Picture
from bench.report.charts.axis import ticks
from bench.report.charts.lines import MOST_FULL, Emphasis, Plot, curve, place
from bench.report.charts.sheet import Sheet
from bench.report.charts.typesetting import MUTED
from bench.report.formatting import MOST_NAMES, few, listed, significant


def picture(analysis: Analysis, scaling: Scaling, factor: Factor) -> Picture | None:
    """Draw the cost per test over a swept factor; None if it was not swept, or no strategy has a figure."""
    curves = [one for one in scaling.curves.get(factor, ()) if any(point.per_test for point in one.points)]
    if not curves:
        return None
    competing = _competing(analysis, curves)
    full = _full(competing)
    looks: list[Emphasis] = [
        "floor" if one not in competing else "full" if one.strategy in full else "thin" for one in curves
    ]
    values = [point.value for point in curves[0].points]
    sheet = Sheet()
    sheet.head(sentence(analysis, scaling, factor), _how_to_read(curves, looks))
    place(
        sheet,
        [
            curve(_named(one, look), values, [point.per_test for point in one.points], 1000, look)
            for one, look in zip(curves, looks, strict=True)
        ],
        Plot(
            x_label=f"{factor} (log scale{', except at 0' if 0 in values else ''})",
            y_label="milliseconds per test (log scale)",
            ticks=lambda low, high: {tick: f"{tick:g}" for tick in ticks(low, high)},
            x_ticks={value: f"{value:,}" for value in values},
            x_limits=(values[0], values[-1]),
            # Logarithmic above the smallest value that is not 0.
            x_scale={"value": "symlog", "linthresh": next(value for value in values if value), "linscale": 0.5},
            dots=True,
        ),
    )
    names = [one.strategy for one in scaling.curves[factor]]
    if without := [name for name in names if name not in {one.strategy for one in curves}]:
        sheet.write(f"Not shown, because they have no figure: {listed(without)}.", 8, MUTED)
    sheet.footer(analysis)
    return sheet.picture(f"scaling-{factor}", f"Cost per test by number of {factor}")


def sentence(analysis: Analysis, scaling: Scaling, factor: Factor) -> str:
    """State under which ranked strategies the cost per test grows over a sweep, and under which it stays flat."""
    points = scaling.curves[factor][0].points
    span = f"From {points[0].value:,} to {points[-1].value:,} {factor}"
    found: dict[Trend, dict[str, float]] = {trend: {} for trend in Trend}
    for one in _competing(analysis, scaling.curves[factor]):
        if ratio := one.points[-1].ratio:
            found[trend_of(ratio, scaling.noise)][one.strategy] = ratio.value
    said = [f"{trend} under {_times(found[trend])}" for trend in (Trend.GROWS, Trend.FALLS) if found[trend]]
    said += [f"stays flat under {few([*found[Trend.FLAT]])}"] if found[Trend.FLAT] else []
    unknown = few([*found[Trend.UNKNOWN]])
    if said:
        return f"{span}, the cost per test {' and '.join(said)}{f'; unknown for {unknown}' if unknown else ''}"
    if unknown:
        return f"{span}, this run cannot show whether the cost per test grows under {unknown}"
    return f"{span}, no ranked strategy has figures at both ends"


def _competing(analysis: Analysis, curves: Sequence[CostCurve]) -> list[CostCurve]:
    ranked = {result.facts.name for result in analysis.strategies if result.ranked}
    return [one for one in curves if one.strategy in ranked and not one.not_ranked]


def _times(ratios: Mapping[str, float]) -> str:
    """Return strategies with their factors, largest change first; of many, only their number and the largest."""
    order = sorted(ratios, key=lambda name: -abs(math.log(ratios[name])))
    each = [f"{name} (x {significant(ratios[name])})" for name in order]
    return listed(each) if len(each) <= MOST_NAMES else f"{len(each)} strategies, most with {each[0]}"


def _full(curves: Sequence[CostCurve]) -> list[str]:
    """Return the strategies in colour: cheapest and most expensive at the largest value, and those that grow most."""
    ends = {one.strategy: one.points[-1] for one in curves}
    known = {name: end.per_test.value for name, end in ends.items() if end.per_test}
    grown = {name: end.ratio.value for name, end in ends.items() if end.ratio}
    order = [*sorted(known, key=known.__getitem__)[:1], *sorted(known, key=known.__getitem__)[-1:]]
    order += [*sorted(grown, key=lambda name: -grown[name]), *ends]
    return [*dict.fromkeys(order)][:MOST_FULL]


def _how_to_read(curves: Sequence[CostCurve], looks: Sequence[Emphasis]) -> str:
    said = ["Milliseconds per test (median over tests, then over rounds)."]
    intervals = any(point.per_test and point.per_test.low is not None for point in curves[0].points)
    said += ["Shaded: 95 % confidence interval."] if intervals else []
    said += ["Dashed: not ranked."] if "floor" in looks else []
    said += ["In colour: the cheapest, the most expensive and those that grow most."] if "thin" in looks else []
    return " ".join(said)


def _named(one: CostCurve, look: Emphasis) -> str:
    mark = one.not_ranked or ("not ranked" if look == "floor" else "")
    return one.strategy + (f" ({mark})" if mark else "")
