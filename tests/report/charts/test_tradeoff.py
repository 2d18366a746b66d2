"""The chart of fidelity against cost: the frontier, its sentence, and readable labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.analysis.findings import NotRanked, Reason
from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts.tradeoff import frontier, picture, sentence
from bench.results.records import Fidelity, ProbeResult
from bench.strategy.probe_catalogue import Probe
from tests.report.charts.pictures import boxes_in, check_layout, words_in
from tests.report.charts.test_cost import (
    FAILS_AND_ABSENT,
    QUIET,
    RESULTS,
    analysis_of,
    around,
    many,
    one_round,
    result_of,
)


def seeing(result: StrategyResult, count: int) -> StrategyResult:
    """Return a result whose tests pass the first `count` probes."""
    sights = tuple(ProbeResult(probe, "sees" if n < count else "hides", "") for n, probe in enumerate(Probe))
    return replace(result, fidelity=Fidelity(result.facts.name, "", "embedded, Postgres 18.4", sights))


def probed(results: Sequence[StrategyResult], counts: Sequence[int]) -> Analysis:
    """Return the analysis of strategies that pass these numbers of probes."""
    return analysis_of([seeing(result, count) for result, count in zip(results, counts, strict=True)], ())


USUAL = probed(RESULTS, [20, 22, 20, 30, 44, 26])
TIED = [replace(result, letters="a") for result in RESULTS[:3]]
ALIKE = [replace(result, per_test=around(0.01), letters="a") for result in many(25)]
LONG = [
    replace(result, facts=replace(result.facts, name=f"n{number:02}_".ljust(80, "w")))
    for number, result in enumerate([*many(24), RESULTS[-1]])
]
ANALYSES: Mapping[str, Analysis] = {
    "usual": USUAL,
    "one": probed(RESULTS[:1], [20]),
    "floor only": probed(RESULTS[-1:], [26]),
    "one round": probed(one_round(RESULTS), [20, 22, 20, 30, 44, 26]),
    "25 long names": probed(LONG, [18 + number * 7 % 27 for number in range(25)]),
    "25 in one place": probed(ALIKE, [40] * 25),
    "some left out": analysis_of([seeing(RESULTS[0], 44), RESULTS[1], *FAILS_AND_ABSENT], ()),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_no_label_covers_another_or_a_dot(name: str, tmp_path: Path) -> None:
    """Every strategy has its dot and its name; no text overlaps another, covers a dot or leaves the sheet."""
    drawn = picture(ANALYSES[name])
    assert drawn
    boxes = boxes_in(drawn.figure)
    check_layout(drawn.figure, boxes)
    (axes,) = drawn.figure.axes
    dots = {str(line.get_gid()): line.get_xydata() for line in axes.lines if line.get_marker() == "o"}
    shown = [result for result in ANALYSES[name].strategies if result.per_test and result.fidelity]
    assert {*dots} == {f"tradeoff-dot-{result.facts.name}" for result in shown}
    places = [axes.transData.transform(at)[0] for at in dots.values()]
    assert all(axes.bbox.contains(*place) for place in places)
    assert not any(box.contains(*place) for _, box in boxes for place in places)
    words = words_in(drawn.write_svg(tmp_path)).replace(" ", "")
    assert all(result.facts.name in words for result in shown)


def test_parts_of_the_chart_have_ids(tmp_path: Path) -> None:
    """Dots, intervals, labels and the frontier are groups of the SVG with their own ids, which the page uses."""
    drawn = picture(USUAL)
    assert drawn
    svg = ET.parse(drawn.write_svg(tmp_path))  # noqa: S314 - our own
    ids = {group.get("id") for group in svg.iter("{http://www.w3.org/2000/svg}g")}
    parts = [f"tradeoff-{part}-{result.facts.name}" for part in ("dot", "interval", "label") for result in RESULTS]
    assert {"tradeoff-frontier", *parts} <= ids


def test_labels_far_from_their_dots_have_lines() -> None:
    """If dots share a place, most labels are moved away, each with a line from its dot."""
    drawn = picture(ANALYSES["25 in one place"])
    assert drawn
    lines = [line for line in drawn.figure.axes[0].lines if str(line.get_gid()).startswith("tradeoff-leader-")]
    assert len(lines) > 15


def names(results: Sequence[StrategyResult]) -> list[str]:
    """Return the names of results."""
    return [result.facts.name for result in results]


def test_the_frontier_leaves_out_dominated_strategies() -> None:
    """A strategy that costs more and passes no more probes is dominated; the floor is not on the frontier."""
    assert names(frontier(USUAL.strategies)) == [
        "savepoint_rollback",
        "engine_per_test",
        "create_drop",
        "migrate_per_test",
    ]


def test_ties_do_not_dominate() -> None:
    """A strategy that passes fewer probes stays on the frontier unless the better one is significantly cheaper."""
    assert names(frontier(probed(TIED, [30, 20, 10]).strategies)) == names(TIED)
    apart = [replace(result, letters=letter) for result, letter in zip(TIED, "abc", strict=True)]
    assert names(frontier(probed(apart, [30, 30, 10]).strategies)) == names(TIED[:1])


CHEAPEST = result_of("a", 10, "a", ratio=1.0)
SAME_COST = result_of("b", 11, "a", ratio=1.1)
DEARER = result_of("c", 12, "b", ratio=1.2)
DEAREST = result_of("d", 200, "c", ratio=20.4)
UNUSABLE = replace(QUIET, verdict="unusable")
SENTENCES = {
    "savepoint_rollback is cheapest and passes 20 of 44 probes; "
    "passing all 44 costs 56x as much as savepoint_rollback, under migrate_per_test": USUAL,
    "a is cheapest and passes the most probes, 44 of 44": probed([CHEAPEST, DEARER], [44, 20]),
    "Of 2 strategies that tie as cheapest, b passes the most probes, 38 of 44; "
    "passing all 44 costs 20x as much as a, under d": probed([CHEAPEST, SAME_COST, DEAREST], [20, 38, 44]),
    "Of 2 strategies that tie as cheapest, b passes the most probes, 38 of 44": probed([CHEAPEST, SAME_COST], [20, 38]),
    "2 strategies tie as cheapest, and each passes 38 of 44 probes; "
    "passing 40, the most, costs 20 % more than a, under c": probed([CHEAPEST, SAME_COST, DEARER], [38, 38, 40]),
    "a is cheapest and passes 20 of 44 probes; passing all 44 costs 20 % more than a, under c and d": probed(
        [CHEAPEST, DEARER, replace(DEAREST, letters="bc")], [20, 44, 44]
    ),
    "a costs 10.0 ms per test and passes 20 of 44 probes": probed([CHEAPEST, RESULTS[-1]], [20, 26]),
    "No probed strategy is ranked": probed(RESULTS[-1:], [26]),
    "One round cannot rank strategies: a and c pass the most probes, 30 of 44": probed(
        one_round([CHEAPEST, DEARER]), [30, 30]
    ),
    "Too noisy to compare strategies: c passes the most probes, 44 of 44": replace(
        probed([CHEAPEST, DEARER], [20, 44]), noise=UNUSABLE
    ),
    "Of the probed strategies: c costs 12.0 ms per test and passes 30 of 44 probes": analysis_of(
        [CHEAPEST, seeing(DEARER, 30)], ()
    ),
    "Of the probed strategies: c is cheapest and passes 30 of 44 probes; "
    "passing all 44 costs 20x as much as a, under d": analysis_of(
        [CHEAPEST, seeing(DEARER, 30), seeing(DEAREST, 44)], ()
    ),
    "Where tests must see notify: c costs 12.0 ms per test and passes 44 of 44 probes": replace(
        probed([DEARER, replace(CHEAPEST, not_ranked=(NotRanked(Reason.NOT_PROBED),))], [44, 20]), need=("notify",)
    ),
}


@pytest.mark.parametrize("expected", SENTENCES)
def test_the_sentence_claims_no_more_than_the_run_shows(expected: str) -> None:
    """It names the cheapest with its ties, and the cost of passing the most probes, if the run can compare costs."""
    assert sentence(SENTENCES[expected]) == expected


def test_strategies_that_are_not_shown_are_named(tmp_path: Path) -> None:
    """A strategy without probes or without a cost has no dot, and the chart says which of them is missing."""
    drawn = picture(ANALYSES["some left out"])
    assert drawn
    words = words_in(drawn.write_svg(tmp_path))
    assert "engine_per_test (not probed), fails_often (not probed), never_finished (no timed round finished)." in words


def test_without_probes_there_is_no_chart() -> None:
    """A run without probes has no such chart."""
    assert picture(analysis_of()) is None


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed chart does not change when it is drawn again."""
    drawn = [picture(USUAL) for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
