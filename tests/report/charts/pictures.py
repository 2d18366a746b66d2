"""Checks for all charts: which texts they have, and whether these overlap or are cut off."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox

from bench.report.charts.typesetting import MARGIN


def words_in(svg: Path) -> str:
    """Return all text of a chart, line by line, separated by single spaces."""
    lines = (" ".join(element.itertext()) for element in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text"))  # noqa: S314 - our own
    return " ".join(" ".join(lines).split())


def boxes_in(figure: Figure) -> list[tuple[str, Bbox]]:
    """Draw a figure and return every text on it with its bounding box."""
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent()) for text in texts]


def check_layout(figure: Figure, boxes: list[tuple[str, Bbox]]) -> None:
    """Fail if a text overlaps another or leaves the page."""
    assert [(a, b) for (a, box_a), (b, box_b) in combinations(boxes, 2) if box_a.overlaps(box_b)] == []
    page = figure.bbox
    assert [text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > page.x1 or box.y1 > page.y1] == []


def corners(text: Text) -> npt.NDArray[np.float64]:
    """Return the four corners of a text's bounding rectangle, which is slanted if the text is."""
    slant = text.get_rotation()
    text.set_rotation(0)
    level = text.get_window_extent()
    text.set_rotation(slant)
    x, y = text.get_transform().transform(text.get_position())
    turn = Affine2D().rotate_deg_around(x, y, slant)
    return np.asarray(turn.transform([level.min, (level.x1, level.y0), level.max, (level.x0, level.y1)]))


def colliding(texts: Sequence[Text]) -> list[tuple[str, str]]:
    """Return the pairs of texts that overlap, slanted ones included."""
    areas = np.array([corners(text) for text in texts])
    low, high = areas.min(axis=1), areas.max(axis=1)
    near = (low[:, None] < high[None]).all(axis=2)
    outlines = [Outline(area[[0, 1, 2, 3, 0]]) for area in areas]
    pairs = np.argwhere(np.triu(near & near.T, 1))
    return [(texts[a].get_text(), texts[b].get_text()) for a, b in pairs if outlines[a].intersects_path(outlines[b])]


def cut_off(figure: Figure, texts: Sequence[Text]) -> list[str]:
    """Return the texts that leave the space between the margins, slanted ones included."""
    page = figure.bbox.padded(-(MARGIN - 1) * figure.dpi / 72)
    return [text.get_text() for text in texts if not all(page.contains(x, y) for x, y in corners(text))]
