"""The picture of how the times of tests spread: what its sentence claims, and that every curve has its name."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.ranking import analyse
from bench.analysis.timed_cells import timed
from bench.report.charts.distribution import picture, sentence
from bench.results.records import Cell, Samples
from tests.made_runs import FAST, SLOW, a_cell, a_run
from tests.report.charts.drawn_runs import FLOOR_ALONE, drawn_run
from tests.report.charts.pictures import boxes_in, check_layout, words_in


@pytest.mark.parametrize("name", ["usual", "one strategy", "25 with long names", FLOOR_ALONE])
def test_every_curve_has_its_name_and_nothing_overlaps(name: str, tmp_path: Path) -> None:
    """All strategies stand beside their curves, the floor as what it is; no text covers another or leaves the sheet."""
    run = drawn_run(name)
    drawn = picture(run.analysis, run.cells)
    assert drawn
    boxes = boxes_in(drawn.figure)
    check_layout(drawn.figure, boxes)
    assert not {"none_twin", "trap"} & {text for text, _ in boxes}
    words = words_in(drawn.write(tmp_path)[0])
    assert all(strategy in words.replace(" ", "") for strategy in run.ranked)
    assert ("none (not ranked)" in words) == (name != "one strategy")
    assert drawn.sentence.replace(" ", "") in words.replace(" ", "")


def cells_with_a_tail(name: str, per_test: float, tail: float) -> list[Cell]:
    """Make eight rounds of which every tenth test takes so many times as long as the others."""
    times = tuple(per_test * (tail if number % 10 == 0 else 1) for number in range(20))
    nothing = (0.0,) * 20
    samples = Samples(setup=nothing, call=times, teardown=nothing, outcomes="." * 20, failure=(-1,) * 20)
    return [replace(a_cell(name, number), samples=samples) for number in range(1, 9)]


def test_the_sentence_gives_half_and_tail_and_names_the_longest_tail() -> None:
    """Where every tenth test is slow, the slowest 5 % take as many times the median as those do."""
    cells = [*cells_with_a_tail("fast", 0.010, 2), *cells_with_a_tail("slow", 0.030, 4)]
    run = a_run(FAST, SLOW)
    said = sentence(analyse(run, cells), timed(run, cells))
    assert said == (
        "Half of the tests take at most 10.0 ms with fast, and 95 % at most 20.0 ms; "
        "slow has the longest tail: its slowest 5 % take 4.0 times its median or more"
    )


def test_ties_stand_beside_the_cheapest() -> None:
    """A strategy that is tied is not named without the others."""
    cells = [*cells_with_a_tail("fast", 0.010, 2), *cells_with_a_tail("slow", 0.010, 2)]
    run = a_run(FAST, SLOW)
    assert "with fast (tied with slow), and" in sentence(analyse(run, cells), timed(run, cells))


def test_a_run_that_cannot_compare_says_so_first() -> None:
    """One round, or an unusable clock: figures of one strategy, and no word on who has the longest tail."""
    for name, start in (("one round", "One round cannot tell strategies apart"), ("noisy", "Too noisy to compare")):
        said = sentence(drawn_run(name).analysis, drawn_run(name).cells)
        assert said.startswith(start)
        assert "longest" not in said
        assert "tied" not in said


def test_one_strategy_is_compared_with_nobody() -> None:
    """Its sentence is about its own tests; the floor's says that it is not ranked."""
    alone, floor = drawn_run("one strategy"), drawn_run(FLOOR_ALONE)
    words = r"Half of the tests take at most [\d.]+ ms with %s, and 95 %% at most [\d.]+ ms"
    assert re.fullmatch(words % "flat", sentence(alone.analysis, alone.cells))
    assert re.fullmatch(words % "none, which is not ranked", sentence(floor.analysis, floor.cells))


def test_without_a_timed_test_there_is_no_picture() -> None:
    """A run whose cells all crashed has nothing to spread."""
    assert picture(drawn_run("usual").analysis, ()) is None


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed picture does not change when it is drawn again."""
    run = drawn_run("usual")
    drawn = [picture(run.analysis, run.cells) for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
