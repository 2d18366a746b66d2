"""Write `summary.md`, in GitHub's Markdown, which suits a pull request."""

from collections.abc import Iterator
from pathlib import Path

from bench.analysis.conditions import Conditions
from bench.analysis.ranking import Analysis
from bench.analysis.scaling import Scaling
from bench.report import conditions_text as conditions_words
from bench.report.answers import answers
from bench.report.findings_text import noise_text
from bench.report.formatting import headline
from bench.report.report_tables import (
    PROBES,
    TIES,
    TRAPS,
    WORDS,
    alarms,
    caveats,
    figures,
    not_ranked,
    probe_table,
    probed,
    table,
    trap_table,
)
from bench.report.scaling_text import sentences
from bench.report.tables import bullets, escaped, markdown_table, paragraph
from bench.results.printable import printable

SUMMARY = "summary.md"


def write_summary(analysis: Analysis, growth: Scaling, folder: Path, swept: Conditions | None = None) -> Path:
    """
    Write `summary.md`, in GitHub's Markdown, into `folder`.

    :param swept: the run under each of its conditions; None if it has only one.
    """
    path = folder / SUMMARY
    path.write_text("\n".join(_markdown(analysis, growth, swept)) + "\n", encoding="utf-8")
    return path


def strategy_lines(analysis: Analysis) -> Iterator[str]:
    """Yield the lines of the table of strategies."""
    yield from markdown_table(table(analysis), "lrrlrrrrr")


def trap_lines(analysis: Analysis) -> Iterator[str]:
    """Yield the lines of the table of traps."""
    yield from markdown_table(trap_table(analysis), "llll")


def _markdown(analysis: Analysis, growth: Scaling, swept: Conditions | None) -> Iterator[str]:
    yield from paragraph(f"# {escaped(headline(analysis))}")
    yield from bullets([*map(escaped, answers(analysis)[1:])])
    yield from paragraph(f"**{escaped(noise_text(analysis.noise))}**")
    yield from bullets([f"**{escaped(sentence)}**" for sentence in alarms(analysis)])
    yield from strategy_lines(analysis)
    yield from paragraph(TIES)
    yield from bullets([*map(escaped, not_ranked(analysis))])
    if analysis.traps:
        yield from paragraph(f"## {TRAPS}")
        yield from trap_lines(analysis)
    for title, rows in figures(analysis, growth).items():
        yield from paragraph(f"## {title}")
        yield from markdown_table(rows, "l" + "r" * (len(rows[0]) - 1))
        if title in WORDS:
            yield from paragraph(WORDS[title])
    yield from bullets([*map(escaped, sentences(growth))])
    if swept:
        yield from _under_other_conditions(swept)
    if columns := probed(analysis):
        yield from paragraph(f"## {PROBES}")
        yield from markdown_table(probe_table(columns), "l" * (1 + len(columns)))
    yield from paragraph("## Caveats")
    yield from bullets([*map(escaped, caveats(analysis))])
    yield from paragraph("## Made by")
    yield f"    {printable(analysis.run.command)}"


def _under_other_conditions(swept: Conditions) -> Iterator[str]:
    yield from paragraph(f"## {conditions_words.TITLE}")
    yield from bullets([*map(escaped, conditions_words.sentences(swept))])
    for title, rows in conditions_words.tables(swept).items():
        yield from paragraph(f"### {title}")
        yield from markdown_table(rows, "l" * len(rows[0]))
        if title in conditions_words.WORDS:
            yield from paragraph(escaped(conditions_words.WORDS[title]))
    yield from bullets(
        [
            escaped(sentence)
            for sentence in conditions_words.explanation_sentences(swept, conditions_words.explanations(swept))
        ]
    )
    yield from bullets([*map(escaped, conditions_words.safety(swept))])
