"""The heat map of fidelity: every outcome is written out, nothing overlaps, and drawing is reproducible."""

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib import rc_context, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.typing import ColorType

from bench.report.charts.heatmap import COLOURS, NOT_PROBED, picture
from bench.report.charts.typesetting import DARK, ON_BROWN, PAPER
from bench.results.records import Fidelity, ProbeResult
from bench.strategy.probe_catalogue import Family, Probe
from tests.report.charts.pictures import colliding, corners, cut_off

OUTCOMES: tuple[Literal["sees", "hides", "breaks"], ...] = ("sees", "sees", "hides", "breaks", "sees")
EMBEDDED = "embedded, Postgres 18.4"
NAMES = (
    "savepoint_rollback",
    "conditional_savepoint",
    "control_fully",
    "null_pool",
    "engine_per_test",
    "create_drop",
    "migrate_per_test",
    "none",
    "module_engine_function_loops",
)
STRANGE = ("$x_{y}", "$x^2$", "<b>&amp;", "\x1b[31mred\x00", "two\nlines", "\u65e5\u672c")


def mixed(name: str, shift: int, missing: int = 0) -> Fidelity:
    """Return a record with all kinds of outcomes, without the last few probes if some are `missing`."""
    sights = (ProbeResult(probe, OUTCOMES[(number * 3 + shift) % 5], "") for number, probe in enumerate(Probe))
    return Fidelity(name, "", EMBEDDED, tuple(sights)[: len(Probe) - missing])


def seeing(name: str, count: int) -> Fidelity:
    """Return a record in which that number of probes passed."""
    return Fidelity(
        name, "", EMBEDDED, tuple(ProbeResult(p, "sees" if n < count else "hides", "") for n, p in enumerate(Probe))
    )


USUAL = tuple(mixed(name, shift) for shift, name in enumerate(NAMES))
OLDER = (USUAL[0], mixed("older_record", 1, missing=5), mixed("still_older", 2, missing=6))
HEAT_MAPS = {
    "usual": USUAL,
    "one": USUAL[:1],
    "two": USUAL[:2],
    "two with very long names": tuple(replace(column, strategy=(column.strategy * 9)[:80]) for column in USUAL[:2]),
    "25 of 30 wide letters": tuple(mixed(f"{number:02}_".ljust(30, "W"), number, number % 3) for number in range(25)),
    "older records": OLDER,
    "strange names": tuple(mixed(name, shift) for shift, name in enumerate(STRANGE)),
    "long headline": tuple(seeing(f"a_strategy_of_a_long_name_{n}", 20) for n in range(9)),
}
DPI = (100, 200)
"""The resolutions of a screen and of the PNG, at which letters have different widths."""


def texts_in(svg: Path) -> list[str]:
    """Return every text of a figure, in drawing order."""
    return ["".join(element.itertext()) for element in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314


@cache
def drawn(name: str, dpi: int) -> tuple[Figure, list[Text]]:
    """Return the figure of one of `HEAT_MAPS`, ready to be measured, and every text on it."""
    figure = picture(HEAT_MAPS[name]).figure
    figure.set_dpi(dpi)
    FigureCanvasAgg(figure)
    return figure, figure.texts


def boxes_of(figure: Figure) -> list[Rectangle]:
    """Return the coloured boxes of a figure."""
    return [shape for shape in figure.artists if isinstance(shape, Rectangle)]


def words_and_boxes(name: str, dpi: int) -> list[tuple[Text, Rectangle]]:
    """Return every text whose middle lies on a coloured box, with its box."""
    figure, texts = drawn(name, dpi)
    boxes = boxes_of(figure)
    ends = np.array([box.get_window_extent().extents for box in boxes])
    found = []
    for text in texts:
        middle = corners(text).mean(axis=0)
        inside = (ends[:, :2] < middle).all(axis=1) & (middle < ends[:, 2:]).all(axis=1)
        found += [(text, boxes[number]) for number in np.flatnonzero(inside)]
    return found


def luminance(color: ColorType) -> float:
    """Return the relative luminance that WCAG 2 defines, of 0 to 1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: ColorType, other: ColorType) -> float:
    """Return the contrast that WCAG 2 defines, of 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", ["usual", "one", "older records"])
def test_every_outcome_is_a_word_in_a_cell_of_its_own(name: str, tmp_path: Path) -> None:
    """The SVG has one word per outcome, and a dash for each probe that a record lacks."""
    columns = HEAT_MAPS[name]
    expected = Counter(sight.outcome for column in columns for sight in column.sights)
    found = Counter(texts_in(picture(columns).write_svg(tmp_path)))
    assert {outcome: found[outcome] for outcome in ("sees", "hides", "breaks")} == expected
    assert found[NOT_PROBED] == len(columns) * len(Probe) - expected.total()


def test_each_cell_is_in_the_row_of_its_probe_and_the_column_of_its_strategy() -> None:
    """Each word is in the row of its probe and the column of its strategy, on the colour of its outcome."""
    for name in ("usual", "older records"):
        cells = [(text, box) for text, box in words_and_boxes(name, 100) if text.get_text() in COLOURS]
        texts = {text.get_text(): text for text in drawn(name, 100)[1]}
        shown = {text.get_position(): (text.get_text(), to_rgb(box.get_facecolor())) for text, box in cells}
        expected = {}
        for column in HEAT_MAPS[name]:
            came = {sight.probe: sight.outcome for sight in column.sights}
            x, _ = texts[column.strategy].get_position()
            for probe in Probe:
                outcome = came.get(probe, NOT_PROBED)
                expected[x, texts[probe].get_position()[1]] = (outcome, to_rgb(COLOURS[outcome][0]))
        assert shown == expected


def test_a_probe_that_a_record_lacks_is_explained(tmp_path: Path) -> None:
    """Only a heat map that has a dash explains the dash."""
    explanation = '"-": not probed, counted as not seen.'
    assert explanation in " ".join(texts_in(picture(OLDER).write_svg(tmp_path)))
    assert explanation not in " ".join(texts_in(picture(USUAL[:2]).write_svg(tmp_path)))


def test_rows_follow_the_catalogue() -> None:
    """Each family's heading is above its probes; families and probes are in the order of the catalogue."""
    labels = {text.get_text(): text.get_position()[1] for text in drawn("usual", 100)[1]}
    expected: list[str] = []
    for family in Family:
        expected += [family.heading, *(probe.value for probe in Probe if probe.family == family)]
    assert sorted(expected, key=labels.__getitem__) == expected


def test_columns_stand_in_the_order_given() -> None:
    """The columns are the given strategies, in the given order."""
    places = {text.get_text(): text.get_position()[0] for text in drawn("usual", 100)[1]}
    assert sorted(NAMES, key=places.__getitem__) == list(NAMES)


def test_counts_stand_in_the_headings(tmp_path: Path) -> None:
    """Each column states how many probes its tests see, in all and by family."""
    texts = texts_in(picture([seeing("some", 10)]).write_svg(tmp_path))
    families = [[probe for probe in Probe if probe.family == family] for family in Family]
    seen = [len({*list(Probe)[:10]} & {*family}) for family in families]
    assert f"10 of {len(Probe)}" in texts
    assert [text for text in texts if "/" in text and text[0].isdigit()] == [
        f"{count}/{len(family)}" for count, family in zip(seen, families, strict=True)
    ]


@pytest.mark.parametrize("dpi", DPI)
@pytest.mark.parametrize("name", HEAT_MAPS)
def test_no_text_is_cut_off(name: str, dpi: int) -> None:
    """Every text lies between the margins, for many strategies and long names too."""
    figure, texts = drawn(name, dpi)
    assert cut_off(figure, texts) == []


@pytest.mark.parametrize("dpi", DPI)
@pytest.mark.parametrize("name", HEAT_MAPS)
def test_no_two_texts_overlap(name: str, dpi: int) -> None:
    """No text overlaps another, slanted heads of neighbouring columns included."""
    assert colliding(drawn(name, dpi)[1]) == []


@pytest.mark.parametrize("dpi", DPI)
@pytest.mark.parametrize("name", HEAT_MAPS)
def test_words_keep_to_their_cells(name: str, dpi: int) -> None:
    """Words and counts lie within their boxes."""
    found = words_and_boxes(name, dpi)
    assert len(found) == len(HEAT_MAPS[name]) * (len(Probe) + len(Family) + 1) + len(Family) + 1
    for text, box in found:
        around = box.get_window_extent()
        assert all(around.contains(x, y) for x, y in corners(text)), text.get_text()


def test_words_can_be_read_on_their_colours() -> None:
    """Text has the contrast of at least 4.5 that WCAG 2 requires, on light and dark screens."""
    for name in ("usual", "older records"):
        for text, box in words_and_boxes(name, 100):
            word, ground = str(text.get_color()), to_hex(box.get_facecolor())
            assert contrast(word, ground) >= 4.5, text.get_text()
            assert contrast(DARK.get(word, word), DARK[ground]) >= 4.5, text.get_text()
    beside = {str(text.get_color()) for text in drawn("usual", 100)[1]} - {ON_BROWN}
    assert min(contrast(color, PAPER) for color in beside) >= 4.5
    assert min(contrast(DARK[color], DARK[PAPER]) for color in beside) >= 4.5


def test_outcomes_differ_in_grey_print() -> None:
    """The outcomes differ in lightness; what tests do not see is darker."""
    sees, hides, breaks = (COLOURS[outcome][0] for outcome in ("sees", "hides", "breaks"))
    assert luminance(sees) > luminance(hides) > luminance(breaks)
    assert contrast(sees, hides) > 1.5
    assert contrast(hides, breaks) > 1.5


def test_a_usual_heat_map_fits_a_laptop() -> None:
    """With nine strategies it is at most 1000 pixels wide at 100 dpi, and no letter is smaller than 7.5 points."""
    figure, texts = drawn("usual", 100)
    assert figure.bbox.width <= 1000
    assert min(float(text.get_fontsize()) for text in texts) >= 7.5


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """A committed heat map does not change when it is drawn again from the same outcomes."""
    first, second = (picture(USUAL[:3]).write(tmp_path / name) for name in ("one", "two"))
    assert [path.name for path in first] == ["fidelity.svg", "fidelity.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_readers_own_settings_of_matplotlib_are_ignored(tmp_path: Path) -> None:
    """A matplotlibrc that changes fonts and colours does not change the heat map, and drawing does not change it."""
    first = picture(USUAL[:2]).write(tmp_path / "one")
    with rc_context(
        {"font.size": 20, "axes.facecolor": "black", "patch.force_edgecolor": True, "svg.fonttype": "path"}
    ):
        second = picture(USUAL[:2]).write(tmp_path / "two")
        assert rcParams["svg.fonttype"] == "path"
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_strange_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    """A name with formulas, markup, terminal codes or unknown characters does not break the heat map."""
    texts = texts_in(picture(HEAT_MAPS["strange names"]).write_svg(tmp_path))
    shown = ("$x_{y}", "$x^2$", "<b>&amp;", "\ufffd[31mred\ufffd", "two lines", "\ufffd\ufffd")
    assert [text for text in texts if text in shown] == list(shown)


def test_a_long_name_is_not_broken(tmp_path: Path) -> None:
    """The head of a column is never broken, not even a name of 80 characters."""
    columns = HEAT_MAPS["two with very long names"]
    texts = texts_in(picture(columns).write_svg(tmp_path))
    assert all(column.strategy in texts for column in columns)


ALL = f"Of {len(Probe)} behaviours of a real Postgres, tests see"
HEADLINES = {
    f"{ALL} 33 under a, and only 20 under c": [seeing("a", 33), seeing("b", 30), seeing("c", 20)],
    f"{ALL} 33 under a and b, and only 0 under c, d and e": [
        *(seeing(name, 33) for name in "ab"),
        *(seeing(name, 0) for name in "cde"),
    ],
    f"{ALL} 9 under a": [seeing("a", 9)],
    f"{ALL} 9 under a, b, c, d and 3 more": [seeing(name, 9) for name in "abcdefg"],
}


@pytest.mark.parametrize("expected", HEADLINES)
def test_the_headline_names_the_most_and_the_fewest(expected: str, tmp_path: Path) -> None:
    """The headline names all strategies under which tests see the most and the fewest behaviours."""
    columns = HEADLINES[expected]
    assert picture(columns).sentence == expected
    assert " ".join(texts_in(picture(columns).write_svg(tmp_path))).startswith(expected)


def test_the_footer_names_the_servers(tmp_path: Path) -> None:
    """The footer names each server once."""
    elsewhere = replace(USUAL[1], server="dsn, Postgres 16.2")
    one, several = (
        " ".join(texts_in(picture([*USUAL[:2], *more]).write_svg(tmp_path))) for more in ([], [elsewhere, elsewhere])
    )
    assert f"Probed on: {EMBEDDED}. " in one
    assert f"Probed on: {EMBEDDED}; dsn, Postgres 16.2. " in several
