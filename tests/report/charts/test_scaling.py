"""The chart of costs by number of tables or rows: its sentence, and a name beside every curve."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.findings import NotRanked, Reason
from bench.analysis.scaling import Factor, Scaling
from bench.report.charts.scaling import picture, sentence
from tests.report.charts.drawn_runs import drawn_run
from tests.report.charts.pictures import boxes_in, check_layout, words_in


def said_of(name: str, factor: Factor) -> str:
    """Return the sentence of one of the runs."""
    return sentence(drawn_run(name).analysis, drawn_run(name).scaling, factor)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("usual", "rows"), ("one strategy", "tables"), ("25 with long names", "tables"), ("noisy", "rows")],
)
def test_every_curve_has_its_name_and_nothing_overlaps(name: str, factor: Factor, tmp_path: Path) -> None:
    """Each curve has its strategy's name, the floor is marked, and no text overlaps another or leaves the sheet."""
    run = drawn_run(name)
    drawn = picture(run.analysis, run.scaling, factor)
    assert drawn
    assert drawn.stem == f"scaling-{factor}"
    check_layout(drawn.figure, boxes_in(drawn.figure))
    words = words_in(drawn.write_svg(tmp_path))
    assert all(strategy in words.replace(" ", "") for strategy in run.ranked)
    assert ("none (floor)" in words) == (name != "one strategy")
    assert ("Dashed: not ranked." in words) == (name != "one strategy")
    assert drawn.sentence.replace(" ", "") in words.replace(" ", "")


def test_the_sentence_says_which_costs_grow_and_which_stay_flat() -> None:
    """A strategy that costs 1 microsecond per row grows with rows, two others stay flat; the floor is not mentioned."""
    said = said_of("usual", "rows")
    assert said.startswith("From 0 to 100,000 rows, the cost per test grows under steep (x 4.2")
    assert said.endswith(") and stays flat under flat and early")


def test_one_round_does_not_show_which_costs_grow() -> None:
    """Without a confidence interval, no cost is said to grow or to stay flat."""
    said = said_of("one round", "rows")
    assert (
        said
        == "From 0 to 100,000 rows, this run cannot show whether the cost per test grows under flat, early and steep"
    )


def test_many_strategies_are_counted() -> None:
    """A sentence names at most three strategies; of more, it states their number."""
    assert "stays flat under 24 strategies" in sentence(
        drawn_run("25 with long names").analysis, drawn_run("25 with long names").scaling, "tables"
    )


def test_a_strategy_that_is_not_ranked_is_shown_as_such(tmp_path: Path) -> None:
    """The sentence leaves it out, and the name of its dashed curve says that it is not ranked."""
    run = drawn_run("usual")
    strategies = tuple(
        replace(one, not_ranked=() if one.facts.name == "flat" else (NotRanked(Reason.NO_ROUND),))
        for one in run.analysis.strategies
    )
    analysis = replace(run.analysis, strategies=strategies)
    assert sentence(analysis, run.scaling, "rows") == "From 0 to 100,000 rows, the cost per test stays flat under flat"
    drawn = picture(analysis, run.scaling, "rows")
    assert drawn
    assert "steep (not ranked)" in words_in(drawn.write_svg(tmp_path))


def test_tick_labels_of_close_values_do_not_touch() -> None:
    """Of tick labels that would touch, those farther right stay."""
    run = drawn_run("usual")
    curves = tuple(
        replace(curve, points=tuple(replace(point, value=198 + n) for n, point in enumerate(curve.points)))
        for curve in run.scaling.curves["tables"]
    )
    drawn = picture(run.analysis, replace(run.scaling, curves={"tables": curves}), "tables")
    assert drawn
    check_layout(drawn.figure, boxes_in(drawn.figure))


def test_a_factor_that_was_not_swept_has_no_chart() -> None:
    """There is no chart without a sweep over the factor, nor if nothing finished."""
    run = drawn_run("25 with long names")
    assert picture(run.analysis, run.scaling, "rows") is None
    assert picture(run.analysis, Scaling((), {"rows": ()}, (), 1, ()), "rows") is None


def test_a_strategy_without_figures_at_one_end_is_left_out_of_the_sentence(tmp_path: Path) -> None:
    """Its curve ends where its figures end; a strategy without any figure is named below the panel."""
    run = drawn_run("usual")
    curves = run.scaling.curves["rows"]
    gone = replace(curves[0], points=tuple(replace(point, per_test=None, ratio=None) for point in curves[0].points))
    short = replace(curves[1], points=(*curves[1].points[:-1], gone.points[-1]))
    scaling = replace(run.scaling, curves={"rows": (gone, short, *curves[2:])})
    said = sentence(run.analysis, scaling, "rows")
    assert not {curves[0].strategy, curves[1].strategy} & set(said.replace(",", "").split())
    drawn = picture(run.analysis, scaling, "rows")
    assert drawn
    words = words_in(drawn.write_svg(tmp_path))
    assert f"Not shown, because they have no figure: {curves[0].strategy}." in words


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed chart does not change when it is drawn again."""
    run = drawn_run("usual")
    drawn = [picture(run.analysis, run.scaling, "tables") for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
