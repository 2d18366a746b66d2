"""The picture of the cells in their order: what its sentence says of drift, and that far cells have their names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.ranking import Analysis, analyse
from bench.analysis.timed_cells import Timed, timed
from bench.report.charts.order import picture, sentence
from bench.results.records import Cell
from tests.made_runs import COSTS, FAST, NONE, SLOW, TWIN, a_cell, a_run, facts
from tests.report.charts.drawn_runs import FLOOR_ALONE, LONG, drawn_run
from tests.report.charts.pictures import boxes_in, check_layout, words_in


def looked_at(cells: list[Cell]) -> tuple[Analysis, tuple[Timed, ...]]:
    """Analyse the cells of a run of four."""
    run = a_run(NONE, TWIN, FAST, SLOW)
    return analyse(run, cells), timed(run, cells)


def cells_that(drift: float = 0.0, far: float = 1.0, rounds: int = 8) -> list[Cell]:
    """Make rounds whose costs grow by a share over the run; one cell of `fast` costs so many times more."""
    random, count = np.random.default_rng(1), rounds * len(COSTS)
    cells = []
    for place in range(count):
        number, position = divmod(place, len(COSTS))
        # Each strategy stands once in each place, so that what drifts is the clock and no strategy.
        name = [*COSTS][(position + number) % len(COSTS)]
        cost = COSTS[name] * (1 + drift) ** (place / count) * np.exp(random.normal(0, 0.01))
        factor = far if (name, number) == ("fast", 4) else 1.0
        cells.append(a_cell(name, number + 1, float(cost) * factor, position=position))
    return cells


@pytest.mark.parametrize("name", ["usual", "one strategy", "25 with long names", "noisy", FLOOR_ALONE])
def test_nothing_overlaps(name: str, tmp_path: Path) -> None:
    """No text covers another or leaves the sheet, and the sentence stands on it with the verdict on noise."""
    run = drawn_run(name)
    drawn = picture(run.analysis, run.cells)
    assert drawn
    check_layout(drawn.figure, boxes_in(drawn.figure))
    words = words_in(drawn.write(tmp_path)[0])
    assert drawn.sentence in words
    assert run.analysis.noise.verdict in words
    assert ("Hollow: the floor (none), not ranked." in words) == (name != "one strategy")


def test_every_cell_has_its_dot_and_no_twin_is_among_them() -> None:
    """A dot for each timed cell of what is shown, inside the panel."""
    analysis, cells = looked_at(cells_that())
    drawn = picture(analysis, cells)
    assert drawn
    (axes,) = drawn.figure.axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(dots) == len(cells) == 8 * 3
    low, high = axes.get_ylim()
    assert all(low < float(np.asarray(dot.get_ydata())[0]) < high for dot in dots)


def test_no_drift_is_said() -> None:
    """Costs that only vary by chance have not drifted, and no cell is called far off that is not."""
    assert sentence(*looked_at(cells_that())) == "No drift is seen from the first cell to the last"


@pytest.mark.parametrize(("drift", "turned"), [(0.4, "rose"), (-0.4, "fell")])
def test_a_drift_is_said_as_the_analysis_judges_it(drift: float, turned: str) -> None:
    """Costs that change by two fifths over the run have drifted: the sentence and the verdict say the same share."""
    analysis, cells = looked_at(cells_that(drift))
    judged = analysis.noise.drift
    assert judged is not None
    assert judged == pytest.approx(drift, abs=0.05)
    share = f"{abs(judged) * 100:.0f} %"
    assert sentence(analysis, cells).startswith(f"Costs {turned} by {share} from the first cell to the last")
    assert any(f"drifted by {analysis.noise.drift:+.0%}" in reason for reason in analysis.noise.reasons)


def test_a_speed_that_wandered_is_said() -> None:
    """Whole rounds that are slow or fast are neither drift nor chance, and the sentence says what the verdict says."""
    run = drawn_run("usual")
    assert run.analysis.noise.wanders
    assert sentence(run.analysis, run.cells).startswith(
        "No drift is seen from the first cell to the last; the machine's speed wandered"
    )


def test_the_farthest_cell_is_named_with_its_round(tmp_path: Path) -> None:
    """A cell of three times its strategy's cost stands in the sentence, and beside its dot."""
    analysis, cells = looked_at(cells_that(far=3.0))
    said = sentence(analysis, cells)
    assert "; farthest off is fast in round 5, at 3.0 times its median" in said
    drawn = picture(analysis, cells)
    assert drawn
    assert "fast, round 5: 3.0x" in words_in(drawn.write(tmp_path)[0])


def test_long_names_of_far_cells_find_room(tmp_path: Path) -> None:
    """Four cells at the end of a run with names of 80 letters are named in full, and no name covers another."""
    names = [*LONG][:4]
    run = a_run(*map(facts, names))
    cells = [
        a_cell(name, number, 0.01 * (1 + number / 1000) * (3 if number == 12 else 1), position=position)
        for number in range(1, 13)
        for position, name in enumerate(names)
    ]
    drawn = picture(analyse(run, cells), timed(run, cells))
    assert drawn
    check_layout(drawn.figure, boxes_in(drawn.figure))
    words = words_in(drawn.write(tmp_path)[0])
    assert all(f"{name}, round 12" in words for name in names)


def test_one_round_has_no_picture() -> None:
    """A cell beside itself shows nothing; nor does a run without cells."""
    run = drawn_run("one round")
    assert picture(run.analysis, run.cells) is None
    assert picture(run.analysis, ()) is None


def test_a_missing_twin_leaves_the_band_out(tmp_path: Path) -> None:
    """Without the A/A check there is no band, and no word of it."""
    analysis, cells = looked_at(cells_that())
    with_band, without = (
        picture(replace(analysis, noise=replace(analysis.noise, twin_ratio=twin)), cells)
        for twin in (analysis.noise.twin_ratio, None)
    )
    assert with_band
    assert without
    assert "A/A band" in words_in(with_band.write(tmp_path / "with")[0])
    assert "A/A band" not in words_in(without.write(tmp_path / "without")[0])


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed picture does not change when it is drawn again."""
    analysis, cells = looked_at(cells_that(far=3.0))
    drawn = [picture(analysis, cells) for _ in range(2)]
    one, two = (each.write(tmp_path / str(number)) for number, each in enumerate(drawn) if each)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
