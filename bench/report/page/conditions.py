"""What the page shows of conditions: the picture, the sentences, and tables in which a cell leads to its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.conditions import Conditions
from bench.report.conditions_text import (
    COSTS,
    TITLE,
    TRAPS,
    WORDS,
    Explanation,
    explanations,
    safety,
    sentences,
    tables,
)
from bench.report.page.drawing import Drawing

_WITH_REASONS = {COSTS, TRAPS}


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    why: str
    """The place in the page that says why; empty where there is nothing to say."""


@dataclass(frozen=True)
class ConditionsTable:
    """A table: its first row is the header."""

    title: str
    words: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Section:
    """The section of the page."""

    title: str
    drawing: Drawing
    sentences: Sequence[str]
    tables: Sequence[ConditionsTable]
    reasons: Sequence[tuple[str, Explanation, str]]
    """The place in the page, the reason, and the name of its condition."""
    safety: Sequence[str]


def section(conditions: Conditions, drawing: Drawing) -> Section:
    """Return what the page shows of a run with several conditions."""
    found = {_place(one): one for one in explanations(conditions)}
    return Section(
        title=TITLE,
        drawing=drawing,
        sentences=sentences(conditions)[1:],  # the first is the picture's own
        tables=[_table(title, rows, found) for title, rows in tables(conditions).items()],
        reasons=[(place, one, conditions.names[one.place]) for place, one in found.items()],
        safety=safety(conditions),
    )


def _place(reason: Explanation) -> str:
    return f"under-{reason.place}-{reason.name}"


def _table(title: str, rows: Sequence[Sequence[str]], found: dict[str, Explanation]) -> ConditionsTable:
    heads, *body = rows
    cells = [
        [
            Cell(text, place if title in _WITH_REASONS and (place := f"under-{number - 1}-{row[0]}") in found else "")
            for number, text in enumerate(row)
        ]
        for row in body
    ]
    return ConditionsTable(title, WORDS.get(title, ""), heads, cells)
