"""The picture of what tests see against what they cost: the frontier, its sentence, and labels that can be read."""

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
    """Return a result whose tests see the first so many probes."""
    sights = tuple(ProbeResult(probe, "sees" if n < count else "hides", "") for n, probe in enumerate(Probe))
    return replace(result, fidelity=Fidelity(result.facts.name, "", "embedded, Postgres 18.4", sights))


def probed(results: Sequence[StrategyResult], counts: Sequence[int]) -> Analysis:
    """Return the analysis of strategies that see so many probes each."""
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
def test_every_label_can_be_read_and_every_dot_is_seen(name: str, tmp_path: Path) -> None:
    """All names stand on the sheet, none over another, over a dot or off the sheet, however many and long they are."""
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
    words = words_in(drawn.write(tmp_path)[0]).replace(" ", "")
    assert all(result.facts.name in words for result in shown)


def test_a_page_finds_all_that_belongs_to_a_strategy(tmp_path: Path) -> None:
    """Dots, intervals, labels and the frontier are groups of the SVG with ids of their own."""
    drawn = picture(USUAL)
    assert drawn
    svg = ET.parse(drawn.write(tmp_path)[0])  # noqa: S314 - our own
    ids = {group.get("id") for group in svg.iter("{http://www.w3.org/2000/svg}g")}
    parts = [f"tradeoff-{part}-{result.facts.name}" for part in ("dot", "interval", "label") for result in RESULTS]
    assert {"tradeoff-frontier", *parts} <= ids


def test_labels_that_would_collide_are_tied_to_their_dots() -> None:
    """Where dots share a place, most labels are moved away, each with a line from its dot."""
    drawn = picture(ANALYSES["25 in one place"])
    assert drawn
    lines = [line for line in drawn.figure.axes[0].lines if str(line.get_gid()).startswith("tradeoff-leader-")]
    assert len(lines) > 15


def names(results: Sequence[StrategyResult]) -> list[str]:
    """Return the names of results."""
    return [result.facts.name for result in results]


def test_the_frontier_leaves_out_what_a_cheaper_one_sees_too() -> None:
    """A strategy that costs more and sees no more than another is dominated; the floor is not on the frontier."""
    assert names(frontier(USUAL.strategies)) == [
        "savepoint_rollback",
        "engine_per_test",
        "create_drop",
        "migrate_per_test",
    ]


def test_a_tie_dominates_nobody() -> None:
    """A strategy that sees less stays on the frontier as long as what sees more is not told apart as cheaper."""
    assert names(frontier(probed(TIED, [30, 20, 10]).strategies)) == names(TIED)
    apart = [replace(result, letters=letter) for result, letter in zip(TIED, "abc", strict=True)]
    assert names(frontier(probed(apart, [30, 30, 10]).strategies)) == names(TIED[:1])


CHEAPEST = result_of("a", 10, "a", ratio=1.0)
SAME_COST = result_of("b", 11, "a", ratio=1.1)
DEARER = result_of("c", 12, "b", ratio=1.2)
DEAREST = result_of("d", 200, "c", ratio=20.4)
UNUSABLE = replace(QUIET, verdict="unusable")
SENTENCES = {
    "savepoint_rollback costs least and sees 20 of 44; "
    "all 44 cost 56x as much as savepoint_rollback, with migrate_per_test": USUAL,
    "a costs least and sees most, 44 of 44": probed([CHEAPEST, DEARER], [44, 20]),
    "Of 2 strategies that tie for the least cost, b sees most, 38 of 44; all 44 cost 20x as much as a, with d": probed(
        [CHEAPEST, SAME_COST, DEAREST], [20, 38, 44]
    ),
    "Of 2 strategies that tie for the least cost, b sees most, 38 of 44": probed([CHEAPEST, SAME_COST], [20, 38]),
    "2 strategies tie for the least cost, and each sees 38 of 44; the most, 40, cost 20 % more than a, with c": probed(
        [CHEAPEST, SAME_COST, DEARER], [38, 38, 40]
    ),
    "a costs least and sees 20 of 44; all 44 cost 20 % more than a, with c and d": probed(
        [CHEAPEST, DEARER, replace(DEAREST, letters="bc")], [20, 44, 44]
    ),
    "a costs 10.0 ms per test and sees 20 of 44": probed([CHEAPEST, RESULTS[-1]], [20, 26]),
    "No strategy that was probed is ranked": probed(RESULTS[-1:], [26]),
    "One round cannot tell strategies apart: a and c see most, 30 of 44": probed(
        one_round([CHEAPEST, DEARER]), [30, 30]
    ),
    "Too noisy to compare strategies: c sees most, 44 of 44": replace(
        probed([CHEAPEST, DEARER], [20, 44]), noise=UNUSABLE
    ),
    "Of those probed: c costs 12.0 ms per test and sees 30 of 44": analysis_of([CHEAPEST, seeing(DEARER, 30)], ()),
    "Of those probed: c costs least and sees 30 of 44; all 44 cost 20x as much as a, with d": analysis_of(
        [CHEAPEST, seeing(DEARER, 30), seeing(DEAREST, 44)], ()
    ),
    "Where tests must see notify: c costs 12.0 ms per test and sees 44 of 44": replace(
        probed([DEARER, replace(CHEAPEST, not_ranked=(NotRanked(Reason.NOT_PROBED),))], [44, 20]), need=("notify",)
    ),
}


@pytest.mark.parametrize("expected", SENTENCES)
def test_the_sentence_claims_no_more_than_the_run_shows(expected: str) -> None:
    """It names the cheapest with its ties, and what the most costs, as far as noise and rounds allow."""
    assert sentence(SENTENCES[expected]) == expected


def test_who_is_left_out_is_named(tmp_path: Path) -> None:
    """A strategy without probes or without a cost has no dot, and the foot says which of both it lacks."""
    drawn = picture(ANALYSES["some left out"])
    assert drawn
    words = words_in(drawn.write(tmp_path)[0])
    assert "engine_per_test (not probed), fails_often (not probed), never_finished (no timed round finished)." in words


def test_without_probes_there_is_no_picture() -> None:
    """A run that was not probed has nothing to set against its costs."""
    assert picture(analysis_of()) is None


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed picture does not change when it is drawn again."""
    drawn = [picture(USUAL) for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
