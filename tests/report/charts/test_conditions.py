"""The chart of conditions: a figure in every cell, readable colours, and no overlaps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D

from bench.report.charts.conditions import CHEAPER, DEARER, GIVES_UP, picture
from bench.report.charts.typesetting import DARK, SCALE
from bench.report.conditions_text import headline
from tests.conditions_run import FLOOR, Made, large, made, usual
from tests.made_runs import crashed
from tests.report.charts.pictures import colliding, cut_off, words_in
from tests.report.charts.test_heatmap import contrast, luminance


def broken() -> Made:
    """Return a run in which a strategy crashed under one condition."""
    dead = (replace(crashed("middle", number), condition="tmpfs=yes") for number in range(1, 9))
    return replace(usual(), cells=(*usual().cells, *dead))


def of_many_versions() -> Made:
    """Return a run whose conditions have names that do not fit on one line."""
    names = [f"Python 3.{minor}.1, SQLAlchemy 2.1.0b1, pytest-asyncio 1.{minor}.0" for minor in (12, 13)]
    costs = {"": {"one": 0.02, **FLOOR}} | {name: {"one": 0.01, **FLOOR} for name in names}
    return made(costs, sweep=("python=a,b,c",), rounds=3)


RUNS: dict[str, Callable[[], Made]] = {"usual": usual, "25 x 16": large, "broken": broken, "versions": of_many_versions}


@pytest.mark.parametrize("name", RUNS)
def test_nothing_overlaps_or_is_cut_off(name: str) -> None:
    """No text overlaps another, slanted heads of several lines included, and all texts lie between the margins."""
    figure = picture(RUNS[name]().conditions).figure
    FigureCanvasAgg(figure)
    assert cut_off(figure, figure.texts) == []
    assert colliding(figure.texts) == []


def test_every_strategy_and_condition_is_there(tmp_path: Path) -> None:
    """The chart has all names; conditions that give up safety are marked; the headline is the sentence."""
    conditions = usual().conditions
    words = words_in(picture(conditions).write_svg(tmp_path))
    assert words.startswith(headline(conditions))
    for name in ("dear", "middle", "cheap", "none (not ranked)", f"fsync=off{GIVES_UP}", f"tmpfs=yes{GIVES_UP}"):
        assert name in words
    assert f"{GIVES_UP} gives up safety: fsync=off and tmpfs." in words
    assert "none_twin" not in words
    assert "Struck out" not in words


def test_a_cell_without_a_figure_is_struck_out_and_explained(tmp_path: Path) -> None:
    """A cell without a figure is struck out, and the reason is given below."""
    drawn = picture(broken().conditions)
    assert len([*drawn.figure.findobj(Line2D)]) == 1
    words = words_in(drawn.write_svg(tmp_path))
    assert "Struck out: no figure." in words
    assert "No figure: middle under tmpfs=yes: it crashed in round 1" in words


def test_figures_can_be_read_on_their_colours() -> None:
    """The contrast is at least 4.5 on light and dark screens, and stronger colours are darker."""
    dark = DARK | SCALE
    for side in (CHEAPER, DEARER):
        for paper, ink in side:
            assert contrast(paper, ink) >= 4.5
            assert contrast(dark[paper], dark.get(ink, ink)) >= 4.5
        lightness = [luminance(paper) for paper, _ in side]
        assert lightness == sorted(lightness, reverse=True)


def test_only_a_chart_with_a_scale_has_its_colours(tmp_path: Path) -> None:
    """An SVG lists the dark variants of the scale only if it uses the scale."""
    assert all(dark in picture(usual().conditions).write_svg(tmp_path).read_text() for dark in [*SCALE.values()][:2])
    unchanged = made({"": {"one": 0.01, **FLOOR}, "jit=off": {"one": 0.01, **FLOOR}})
    svg = picture(unchanged.conditions).write(tmp_path / "unchanged")[0].read_text()
    assert not any(dark in svg for dark in SCALE.values())


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed chart does not change when it is drawn again."""
    one, two = (picture(usual().conditions).write(tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
