"""Charts as parts of the page: the SVG that was written for a run, without what a page may contain only once."""

import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from bench.report.charts import Picture

_NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


@dataclass(frozen=True)
class Drawing:
    """A chart on the page, which shows title and sentence as text."""

    stem: str
    title: str
    sentence: str
    svg: Markup


def drawing(picture: Picture, folder: Path) -> Drawing:
    """Return a chart whose SVG has been written into the folder of a run."""
    svg = picture.svg(folder).read_text(encoding="utf-8")
    return Drawing(picture.stem, picture.title, picture.sentence, _part(svg, picture))


def _part(svg: str, picture: Picture) -> Markup:
    _, opening, rest = re.split(r"(<svg\b[^>]*>)", svg, maxsplit=1)
    for once in ("title", "metadata", "style"):
        rest = re.sub(rf"<{once}\b.*?</{once}>", "", rest, count=1, flags=re.DOTALL)
    # All of matplotlib's SVGs use the same ids. Ids that begin with the name of the chart are for the page's script.
    own = f"{picture.stem}-"
    rest = re.sub(rf'(\bid="|url\(#|href="#)(?!{own})', rf"\g<1>{own}", rest)
    [width] = re.findall(r'viewBox="0 0 ([\d.]+) ', opening)
    top, bottom = picture.body
    view = f'viewBox="0 {top:g} {width} {bottom - top:g}" role="img" aria-label="{escape(picture.sentence)}"'
    return Markup(f"<svg {_NAMESPACES} {view}>{rest}")  # noqa: S704 - matplotlib has escaped what it wrote
