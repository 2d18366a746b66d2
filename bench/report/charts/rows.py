"""The rows that bars and dots of several strategies stand in: their names, one below the other, at the left."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.charts.sheet import Sheet
from bench.report.charts.typesetting import BOLD, ITALIC, MUTED, text_width

NAME_SIZE, NAMES_MAX = 9.0, 190.0
BETWEEN = 7.0
"""Between two rows."""


@dataclass(frozen=True)
class Row:
    """A strategy, and where its row has its middle: points from the sheet's top."""

    result: StrategyResult
    middle: float


def names_width(results: Sequence[StrategyResult]) -> float:
    """Return how wide a column the names need; longer ones are broken."""
    return min(max(text_width(result.facts.name, NAME_SIZE, "bold") for result in results) + 1, NAMES_MAX)


def place_names(sheet: Sheet, results: Sequence[StrategyResult], width: float) -> list[Row]:
    """Write the names into a column of that width, and return the rows."""
    rows = []
    for result in results:
        top = sheet.y
        sheet.write(result.facts.name, NAME_SIZE, BOLD if result.ranked else MUTED, width=width)
        if not result.ranked:
            sheet.write("not ranked", 8, ITALIC, width=width)
        rows.append(Row(result, (top + sheet.y) / 2))
        sheet.y += BETWEEN
    return rows


def place_left_out(sheet: Sheet, analysis: Analysis, shown: Sequence[StrategyResult]) -> None:
    """Name the strategies that a picture could not show, and what they lack."""
    left_out = [result for result in analysis.strategies if result not in shown]
    if left_out:
        reasons = (f"{result.facts.name} ({_lacks(result)})" for result in left_out)
        sheet.write(f"Left out: {', '.join(reasons)}.", 8, MUTED)


def _lacks(result: StrategyResult) -> str:
    return "not probed" if result.rounds else "no timed round finished"
