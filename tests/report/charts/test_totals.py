"""The chart of suite durations: its sentence, a name beside every curve, and no overlaps."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.findings import NotRanked, Reason
from bench.analysis.totals import MOST_TESTS
from bench.report.charts.totals import picture, sentence
from tests.report.charts.drawn_runs import FLOOR_ALONE, drawn_run
from tests.report.charts.pictures import boxes_in, check_layout, words_in

RUNS = ("usual", "one strategy", "25 with long names", "one round")


@pytest.mark.parametrize("name", RUNS)
def test_every_curve_has_its_name_and_nothing_overlaps(name: str, tmp_path: Path) -> None:
    """Each curve has its strategy's full name, and no text overlaps another or leaves the sheet."""
    run = drawn_run(name)
    drawn = picture(run.analysis, run.scaling)
    assert drawn
    boxes = boxes_in(drawn.figure)
    check_layout(drawn.figure, boxes)
    words = words_in(drawn.write_svg(tmp_path))
    without_breaks = words.replace(" ", "")
    assert all(strategy in without_breaks for strategy in run.ranked)
    assert not {"none_twin", "trap"} & {text for text, _ in boxes}
    assert drawn.sentence.replace(" ", "") in words.replace(" ", "")
    assert run.analysis.noise.verdict in words


def test_a_break_even_is_marked_with_its_number_of_tests(tmp_path: Path) -> None:
    """1 s plus 20 ms per test and 3 s plus 10 ms per test break even at about 200 tests, and the chart says so."""
    run = drawn_run("usual")
    drawn = picture(run.analysis, run.scaling)
    assert drawn
    assert re.search(r" (190|200|210) ", words_in(drawn.write_svg(tmp_path)))


def test_the_sentence_names_the_fastest_the_slowest_and_when_another_is_faster() -> None:
    """It states the duration of 1,000 tests, and up to how many tests another strategy is faster."""
    said = sentence(drawn_run("usual").analysis, drawn_run("usual").scaling)
    assert re.fullmatch(
        r"1,000 tests take 1\d\.\d s with flat and \d\d\.\d s with steep; up to 1[5-9]\d tests, early is faster",
        said,
    )


def test_the_sentence_if_no_other_strategy_is_faster() -> None:
    """If no other strategy is significantly faster, it says so, and up to how many tests."""
    run = drawn_run("usual")
    alone = replace(run.scaling, totals=tuple(total for total in run.scaling.totals if total.strategy != "early"))
    said = sentence(run.analysis, alone)
    assert said.startswith(f"No strategy is faster than flat for up to {MOST_TESTS:,} tests: 1,000 tests take ")
    assert " with it and " in said


def test_the_sentence_names_ties_with_the_fastest() -> None:
    """Strategies that do not differ significantly at 1,000 tests are tied."""
    run = drawn_run("usual")
    tied = tuple(replace(total, faster=(frozenset(),) * len(total.tests)) for total in run.scaling.totals)
    assert "with it (tied with 2 others) and" in sentence(run.analysis, replace(run.scaling, totals=tied))


def test_the_sentence_starts_with_needed_probes() -> None:
    """The sentence names the needed probes, and leaves out strategies that do not pass them."""
    run = drawn_run("usual")
    strategies = [
        replace(one, not_ranked=() if one.facts.name == "steep" else (NotRanked(Reason.NOT_PROBED),))
        for one in run.analysis.strategies
    ]
    said = sentence(replace(run.analysis, strategies=tuple(strategies), need=("notify",)), run.scaling)
    assert re.fullmatch(r"Where tests must see notify: 1,000 tests take \d\d\.\d s with steep", said)


def test_a_single_strategy_is_not_compared() -> None:
    """Its sentence states only its duration."""
    run = drawn_run("one strategy")
    assert re.fullmatch(r"1,000 tests take 1\d\.\d s with flat", sentence(run.analysis, run.scaling))


@pytest.mark.parametrize(
    ("name", "verdict", "start"),
    [
        ("one round", "unusable", "One round cannot rank strategies: here 1,000 tests take "),
        ("usual", "unusable", "Too noisy to compare strategies: here 1,000 tests take "),
    ],
)
def test_a_run_that_cannot_compare_says_so_first(name: str, verdict: str, start: str) -> None:
    """With one round, or with too much noise, the sentence does not say which strategy is faster."""
    run = drawn_run(name)
    noise = replace(run.analysis.noise, verdict=verdict)  # type: ignore[arg-type] # one of its three words
    said = sentence(replace(run.analysis, noise=noise), run.scaling)
    assert said.startswith(start)
    assert "faster" not in said
    assert "tied" not in said


def test_without_a_ranked_strategy_there_is_no_chart() -> None:
    """A run of only the floor has no chart of durations."""
    run = drawn_run(FLOOR_ALONE)
    assert picture(run.analysis, run.scaling) is None


def test_a_strategy_without_a_curve_is_named(tmp_path: Path) -> None:
    """A ranked strategy whose fitted line falls below 0 has no curve; its name is below the panel."""
    run = drawn_run("usual")
    scaling = replace(run.scaling, totals=run.scaling.totals[:-1])
    drawn = picture(run.analysis, scaling)
    assert drawn
    missing = run.scaling.totals[-1].strategy
    assert f"Not shown, because the fitted line falls below 0 or a size failed: {missing}." in words_in(
        drawn.write_svg(tmp_path)
    )


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed chart does not change when it is drawn again."""
    run = drawn_run("usual")
    drawn = [picture(run.analysis, run.scaling) for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
