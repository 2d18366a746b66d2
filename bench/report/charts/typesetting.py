"""
What all charts share: colours, text styles, text widths, line breaks, and saving as SVG and PNG.

All lengths are points. Charts are committed, so drawing one twice gives the same bytes.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from bench.results.printable import printable

PAPER, INK, GREY, LIGHT = "#ffffff", "#1f1f1f", "#595959", "#dcdcdc"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#e69f00", "#009e73", "#cc79a7"  # Okabe and Ito's colour-blind safe palette
PALE, BROWN, BAND = "#e6f1f9", "#8f3a00", "#e3e3e3"  # brown: their vermilion, darkened for white text
AMBER, RUST = "#e69f01", "#8f3a01"  # orange and brown for lines and dots without text on them
ON_BROWN = "#fffffe"  # white text, which stays white on dark screens

DARK = {
    PAPER: "#15171a",
    INK: "#ececec",
    GREY: "#a9adb3",
    LIGHT: "#3b3f45",
    BLUE: "#56b4e9",
    ORANGE: "#855b00",
    GREEN: "#2fc49a",
    PURPLE: "#d98fb8",
    PALE: "#1c2b38",
    BROWN: "#a8460a",
    BAND: "#2b2e33",
    AMBER: "#f0b429",
    RUST: "#e2703a",
}
"""The replacement for each colour on a dark screen; charts use only these colours."""
SKY, DEEP, SAND = "#9cccec", "#005f96", "#fbe3b8"
SCALE = {SKY: "#1f4f73", DEEP: "#1d6fa8", SAND: "#3d2f12"}
"""Further colours and their replacements, for the scale from blue to brown; a chart without it omits them."""
FONT = "DejaVu Sans"  # comes with matplotlib, so every machine breaks lines at the same words

MARGIN, GAP = 18.0, 14.0
LINE_HEIGHT = 1.32
"""Relative to the size of a text."""
_MEASURED_AT = 100.0
"""The size of the font at which widths are measured: they are multiples of 1/64 point then, so sums are exact."""
ROUNDING = 1.04
"""Letters are placed on whole pixels, so that a line can be this much wider than its outlines."""

Look = Mapping[str, Any]
PLAIN: Look = {"color": INK}
BOLD: Look = {"color": INK, "weight": "bold"}
ITALIC: Look = {"color": INK, "style": "italic"}
MUTED: Look = {"color": GREY}
LOUD: Look = {**BOLD, "bbox": {"facecolor": ORANGE, "lw": 0, "pad": 0.6}}

_STYLE = {"font.family": FONT, "svg.fonttype": "none", "svg.hashsalt": "looptrap"}


def context() -> AbstractContextManager[None]:
    """Return the style in which figures are made and saved, independent of the user's matplotlib settings."""
    return style.context(["default", _STYLE])


def save_svg(figure: Figure, title: str, path: Path) -> Path:
    """Write a figure as SVG and return the path; missing folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = StringIO()
    with context():
        # A date or matplotlib's version in the file would change the chart of an unchanged run.
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": "looptrap", "Title": printable(title)})
    path.write_text(drawn.getvalue().replace("</style>", f"{looks(drawn.getvalue())}</style>", 1), encoding="utf-8")
    return path


def save_png(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG and return the path; missing folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with context():
        figure.savefig(path, dpi=200, metadata={"Software": None})
    return path


def looks(drawn: str = "") -> str:
    """
    Return the style sheet of an SVG: its font, and its colours on a dark screen.

    :param drawn: the text of one SVG or of several, whose colours are covered.
    """
    colours = DARK | {light: dark for light, dark in SCALE.items() if light in drawn}
    dark = "".join(
        f'[style*="{what}: {light}"]{{{what}: {dark} !important}}'
        for light, dark in colours.items()
        for what in ("fill", "stroke")
    )
    # The fallback font has nearly the same widths.
    font = f'text{{font-family: "{FONT}", Verdana, sans-serif !important}}'
    return f"{font}@media screen and (prefers-color-scheme: dark){{{dark}}}"


def wrap(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Break text into lines of at most `width`, a longer word included."""
    lines = [""]
    for word in re.split(r" (?!ms\b|%|x )", drawable(text)):  # a figure stays with its unit
        longer = f"{lines[-1]} {word}".lstrip()
        if text_width(longer, size, weight) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for char in word:
            if lines[-1] and text_width(lines[-1] + char, size, weight) > width:
                lines.append("")
            lines[-1] += char
    return lines


@cache
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a line in outlines; on screen it can be wider by the factor `ROUNDING`."""
    first, *others = text.split(" ")
    between = sum(_measured(f" {word}", weight) for word in others)
    return (_measured(first, weight) + between) * (size / _MEASURED_AT)


@cache
def _measured(word: str, weight: str) -> float:
    """Return the width at the size `_MEASURED_AT`. This is slow, so words are measured: fewer than there are lines."""
    font = FontProperties(family=FONT, size=_MEASURED_AT, weight=weight)
    return text_to_path.get_text_width_height_descent(word, font, ismath=False)[0]


def drawable(text: str) -> str:
    """Replace characters without a glyph in the font, for which matplotlib would warn and draw a box."""
    return "".join(char if ord(char) in _glyphs() else "\ufffd" for char in printable(text))


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT, weight="bold"))).get_charmap())
