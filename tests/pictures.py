"""What the tests of all pictures look at: the words on them, and whether these can be read."""

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def words_in(svg: Path) -> str:
    """Return all text of a picture, line by line, with single spaces between."""
    lines = (" ".join(element.itertext()) for element in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text"))  # noqa: S314 - our own
    return " ".join(" ".join(lines).split())


def boxes_in(figure: Figure) -> list[tuple[str, Bbox]]:
    """Draw a figure and return every text on it with the box that it fills."""
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent()) for text in texts]


def check_layout(figure: Figure, boxes: list[tuple[str, Bbox]]) -> None:
    """Fail where a text covers another, or leaves the page."""
    assert [(a, b) for (a, box_a), (b, box_b) in combinations(boxes, 2) if box_a.overlaps(box_b)] == []
    page = figure.bbox
    assert [text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > page.x1 or box.y1 > page.y1] == []
