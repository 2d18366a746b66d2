"""The chart of phases: its sentence, its figures, and phases that are cut."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.patches import Rectangle

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts.phases import CUT_MARK, picture, sentence
from tests.report.charts.pictures import boxes_in, check_layout, words_in
from tests.report.charts.test_cost import FAILS_AND_ABSENT, QUIET, RESULTS, analysis_of, many, one_round


def timed(result: StrategyResult, setup: float, call: float, teardown: float) -> StrategyResult:
    """Return a result with phases of these lengths, in milliseconds."""
    return replace(result, phases={"setup": setup / 1000, "call": call / 1000, "teardown": teardown / 1000})


ROLLBACK, ENGINE, NULL_POOL, CREATE_DROP, _, NONE = RESULTS
QUICK, SLOW = timed(ROLLBACK, 1.5, 4, 0.3), timed(CREATE_DROP, 80, 6, 2.25)
USUAL = [QUICK, timed(ENGINE, 8, 5.1, 0.6), timed(NULL_POOL, 5, 5, 0.6), SLOW, timed(NONE, 1.4, 4.5, 0.2)]
LONG = [
    timed(replace(result, facts=replace(result.facts, name=f"n{number:02}_".ljust(80, "w"))), 1.5**number, 300, 0.01)
    for number, result in enumerate(many(25))
]
ANALYSES: Mapping[str, Analysis] = {
    "usual": analysis_of(USUAL, ()),
    "one": analysis_of([QUICK], ()),
    "floor only": analysis_of([NONE], ()),
    "25 long names": analysis_of(LONG, ()),
    "unfinished, and no time at all": analysis_of([timed(ROLLBACK, 0, 0, 0), *FAILS_AND_ABSENT], ()),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_every_strategy_has_its_figures_and_nothing_overlaps(name: str, tmp_path: Path) -> None:
    """Names, phases and fixed seconds are written beside the bars; no text overlaps another or leaves the sheet."""
    drawn = picture(ANALYSES[name])
    assert drawn
    check_layout(drawn.figure, [(text, box) for text, box in boxes_in(drawn.figure) if text != CUT_MARK])
    words = words_in(drawn.write_svg(tmp_path))
    assert all(result.facts.name in words.replace(" ", "") for result in ANALYSES[name].strategies)
    assert all(phase in words for phase in ("setup", "call", "teardown", "1.25 s"))


def test_figures_are_milliseconds(tmp_path: Path) -> None:
    """Setup, call and teardown are written beside the bar; the floor is marked as not ranked."""
    drawn = picture(ANALYSES["usual"])
    assert drawn
    words = words_in(drawn.write_svg(tmp_path))
    assert "1.50 + 4.00 + 0.300" in words
    assert "80.0 + 6.00 + 2.25" in words
    assert "none not ranked" in words


def test_a_phase_that_would_dwarf_the_others_is_cut_and_marked(tmp_path: Path) -> None:
    """A setup that is many times the usual longest phase is marked, and the note states the limit."""
    drawn = picture(ANALYSES["usual"])
    assert drawn
    (axes,) = drawn.figure.axes
    assert [text.get_text() for text in axes.texts].count(CUT_MARK) == 1
    assert axes.get_xlim()[1] < 80
    words = words_in(drawn.write_svg(tmp_path))
    assert "// marks a phase that is longer than 8.00 ms and is not drawn to scale." in words


def test_bars_that_fit_are_not_cut(tmp_path: Path) -> None:
    """If no phase is much longer than the others, all are drawn to scale."""
    drawn = picture(analysis_of(USUAL[:3], ()))
    assert drawn
    assert CUT_MARK not in words_in(drawn.write_svg(tmp_path))
    bars = [bar for bar in drawn.figure.axes[0].patches if isinstance(bar, Rectangle)]
    assert [bar.get_width() for bar in bars[:3]] == pytest.approx([1.5, 4, 0.3])


SENTENCES = {
    "Setup differs most, 1.50 to 80.0 ms per test, longest under create_drop; "
    "call takes 4.00 to 6.00 ms, teardown 0.300 to 2.25 ms": analysis_of(USUAL, ()),
    "Setup differs most, 5.00 to 8.00 ms per test; call takes 5.00 to 5.10 ms, teardown 0.600 ms": (
        analysis_of(USUAL[1:3], ())
    ),
    "Under savepoint_rollback, setup takes 1.50 ms, call 4.00 ms and teardown 0.300 ms per test": (
        analysis_of([QUICK, NONE], ())
    ),
    "Under every strategy, setup takes 1.00 ms, call 1.00 ms and teardown 0.100 ms per test": analysis_of(),
    "One round cannot rank strategies: "
    "per test, setup takes 1.50 to 80.0 ms, call 4.00 to 6.00 ms, teardown 0.300 to 2.25 ms": (
        analysis_of(one_round([QUICK, SLOW]), ())
    ),
    "Too noisy to compare strategies: "
    "per test, setup takes 1.50 to 80.0 ms, call 4.00 to 6.00 ms, teardown 0.300 to 2.25 ms": (
        analysis_of([QUICK, SLOW], (), replace(QUIET, verdict="unusable"))
    ),
}


@pytest.mark.parametrize("expected", SENTENCES)
def test_the_sentence_says_what_differs(expected: str) -> None:
    """It names the phase that differs most and where it is longest, unless the run cannot compare strategies."""
    assert sentence(SENTENCES[expected]) == expected


def test_without_a_timed_round_there_is_no_chart() -> None:
    """If nothing finished, there is no time to show."""
    assert picture(analysis_of(FAILS_AND_ABSENT[1:], ())) is None


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed chart does not change when it is drawn again."""
    drawn = [picture(ANALYSES["usual"]) for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
