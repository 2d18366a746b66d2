"""The section of the page about conditions: the chart, its sentences, and tables whose cells link to reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.conditions import Conditions
from bench.report.conditions_text import COSTS, TITLE, TRAPS, WORDS, explanations, safety, sentences, tables
from bench.report.page.drawing import Drawing


@dataclass(frozen=True)
class LinkedText:
    """The text in one place of a table."""

    text: str
    anchor: str
    """The place on the page that gives the reason; empty if there is none."""


@dataclass(frozen=True)
class ConditionsTable:
    """A table."""

    title: str
    words: str
    """An explanation; may be empty."""
    heads: Sequence[str]
    rows: Sequence[Sequence[LinkedText]]


@dataclass(frozen=True)
class ConditionsSection:
    """The section."""

    title: str
    drawing: Drawing
    sentences: Sequence[str]
    tables: Sequence[ConditionsTable]
    reasons: Sequence[tuple[str, str, str]]
    """The anchor of a reason, what it is about, and its text."""
    safety: Sequence[str]
    """What the settings of the servers give up."""


def conditions_section(conditions: Conditions, drawing: Drawing) -> ConditionsSection:
    """Return the section about a run with several conditions."""
    found = {(one.name, one.place): one.why for one in explanations(conditions)}
    anchors = {(name, place): f"condition-{place}-{name}" for name, place in found}
    names = {COSTS: [row.strategy for row in conditions.rows], TRAPS: [row.trap for row in conditions.traps]}
    shown = [
        ConditionsTable(title, WORDS.get(title, ""), heads, _cells(title, rows, names.get(title, []), anchors))
        for title, (heads, *rows) in tables(conditions).items()
    ]
    return ConditionsSection(
        title=TITLE,
        drawing=drawing,
        sentences=sentences(conditions)[1:],  # the first one is the headline of the chart
        tables=shown,
        reasons=[(anchors[key], f"{key[0]} under {conditions.names[key[1]]}", why) for key, why in found.items()],
        safety=safety(conditions),
    )


def _cells(
    title: str, rows: Sequence[Sequence[str]], names: Sequence[str], anchors: Mapping[tuple[str, int], str]
) -> list[list[LinkedText]]:
    """Return the cells of a table below its header; `names` are what its rows are about, if they have reasons."""
    cells = [[LinkedText(text, "") for text in row] for row in rows]
    for name, row in zip(names, cells, strict=bool(names)):
        for place, cell in enumerate(row[1:]):
            if anchor := anchors.get((name, place)):
                # A strategy has a reason only where it has no figure.
                row[place + 1] = LinkedText("no figure" if title == COSTS else cell.text, anchor)
    return cells
