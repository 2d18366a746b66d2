"""The chart of write-ahead log and statements: its sentence, and a figure for each strategy."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts.witnesses import picture, sentence
from tests.report.charts.pictures import boxes_in, check_layout, words_in
from tests.report.charts.test_cost import FAILS_AND_ABSENT, RESULTS, analysis_of, many


def counted(result: StrategyResult, kilobytes: float | None, statements: float | None) -> StrategyResult:
    """Return a result with this amount of log and number of statements per test."""
    return replace(result, wal_bytes=None if kilobytes is None else kilobytes * 1000, statements=statements)


ROLLBACK, ENGINE, NULL_POOL, CREATE_DROP, _, NONE = RESULTS
LITTLE, SAME, MUCH = counted(ROLLBACK, 0.8, 11.8), counted(ENGINE, 0.8001, 14.7), counted(CREATE_DROP, 164, 23)
UNKNOWN, IDLE = counted(NULL_POOL, None, None), counted(NULL_POOL, 0, 12)
LONG = [
    counted(replace(result, facts=replace(result.facts, name=f"n{number:02}_".ljust(80, "w"))), 0.3 * 1.6**number, 3e4)
    for number, result in enumerate(many(25))
]
ANALYSES: Mapping[str, Analysis] = {
    "usual": analysis_of([LITTLE, SAME, MUCH, counted(NONE, 0.7, 5)], ()),
    "one": analysis_of([LITTLE], ()),
    "floor only": analysis_of([NONE], ()),
    "25 long names": analysis_of(LONG, ()),
    "one unknown, one writes nothing": analysis_of([LITTLE, UNKNOWN, replace(IDLE, facts=NONE.facts)], ()),
    "log alone": analysis_of([counted(ROLLBACK, 5, None), *FAILS_AND_ABSENT], ()),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_every_strategy_has_its_figures_and_nothing_overlaps(name: str, tmp_path: Path) -> None:
    """Every strategy has its name and figures; no text overlaps another or leaves the sheet."""
    drawn = picture(ANALYSES[name])
    assert drawn
    check_layout(drawn.figure, boxes_in(drawn.figure))
    words = words_in(drawn.write_svg(tmp_path)).replace(" ", "")
    assert all(result.facts.name in words for result in ANALYSES[name].strategies)
    for axes in drawn.figure.axes:
        dots = [line.get_xydata() for line in axes.lines if line.get_marker() == "o"]
        assert all(axes.bbox.contains(*axes.transData.transform(dot)[0]) for dot in dots)
        assert len(axes.texts) == sum(result.rounds > 0 for result in ANALYSES[name].strategies)


def test_an_unknown_figure_has_no_dot() -> None:
    """An unknown figure is a dash; zero has no place on a log axis, so its figure has no dot."""
    drawn = picture(ANALYSES["one unknown, one writes nothing"])
    assert drawn
    log, statements = drawn.figure.axes
    assert [text.get_text() for text in log.texts] == ["0.800", "-", "0"]
    assert [text.get_text() for text in statements.texts] == ["11.8", "-", "12.0"]
    assert [sum(line.get_marker() == "o" for line in axes.lines) for axes in (log, statements)] == [1, 2]


SENTENCES = {
    "A test writes 0.800 kB of write-ahead log under savepoint_rollback and engine_per_test and 200x as much, 164 kB, "
    "under create_drop; it sends 11.8 to 23.0 statements": ANALYSES["usual"],
    "A test writes 0.800 kB of write-ahead log under savepoint_rollback; it sends 11.8 statements": ANALYSES["one"],
    "A test writes 0.800 kB of write-ahead log under every strategy; it sends 11.8 to 14.7 statements": (
        analysis_of([LITTLE, SAME], ())
    ),
    "A test writes 0.800 kB of write-ahead log under savepoint_rollback and 25 % more, 1.00 kB, under create_drop; "
    "it sends 11.8 statements": analysis_of([LITTLE, counted(CREATE_DROP, 1, 11.8)], ()),
    "A test writes 0 kB of write-ahead log under null_pool and 0.800 kB under savepoint_rollback; "
    "it sends 11.8 to 12.0 statements": analysis_of([LITTLE, IDLE], ()),
    "A test sends 9.00 statements": analysis_of([counted(ROLLBACK, None, 9)], ()),
    "A test writes 5.00 kB of write-ahead log under savepoint_rollback": ANALYSES["log alone"],
}


@pytest.mark.parametrize("expected", SENTENCES)
def test_the_sentence_states_the_least_and_the_most(expected: str) -> None:
    """It names all strategies with the same rounded figure, and leaves out unknown figures and the floor."""
    assert sentence(SENTENCES[expected]) == expected


def test_without_a_witness_there_is_no_chart() -> None:
    """If neither log nor statements are known, or nothing finished, there is nothing to show."""
    assert picture(analysis_of([UNKNOWN], ())) is None
    assert picture(analysis_of(FAILS_AND_ABSENT[1:], ())) is None


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed chart does not change when it is drawn again."""
    drawn = [picture(ANALYSES["usual"]) for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
