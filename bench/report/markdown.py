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
from bench.report.tables import bullets, escaped, markdown_table
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
    yield f"# {escaped(headline(analysis))}"
    yield ""
    yield from bullets([escaped(sentence) for sentence in answers(analysis)[1:]])
    yield f"**{escaped(noise_text(analysis.noise))}**"
    yield ""
    yield from bullets([f"**{escaped(sentence)}**" for sentence in alarms(analysis)])
    yield from strategy_lines(analysis)
    yield TIES
    yield ""
    yield from bullets([escaped(sentence) for sentence in not_ranked(analysis)])
    if analysis.traps:
        yield f"## {TRAPS}"
        yield ""
        yield from trap_lines(analysis)
    for title, rows in figures(analysis, growth).items():
        yield f"## {title}"
        yield ""
        yield from markdown_table(rows, "l" + "r" * (len(rows[0]) - 1))
        if title in WORDS:
            yield WORDS[title]
            yield ""
    yield from bullets([escaped(sentence) for sentence in sentences(growth)])
    if swept:
        yield from _under_other_conditions(swept)
    if columns := probed(analysis):
        yield f"## {PROBES}"
        yield ""
        yield from markdown_table(probe_table(columns), "l" * (1 + len(columns)))
    yield "## Caveats"
    yield ""
    yield from bullets([escaped(caveat) for caveat in caveats(analysis)])
    yield "## Made by"
    yield ""
    yield f"    {printable(analysis.run.command)}"


def _under_other_conditions(swept: Conditions) -> Iterator[str]:
    yield f"## {conditions_words.TITLE}"
    yield ""
    yield from bullets([escaped(sentence) for sentence in conditions_words.sentences(swept)])
    for title, rows in conditions_words.tables(swept).items():
        yield f"### {title}"
        yield ""
        yield from markdown_table(rows, "l" * len(rows[0]))
        if title in conditions_words.WORDS:
            yield escaped(conditions_words.WORDS[title])
            yield ""
    yield from bullets(
        [
            escaped(sentence)
            for sentence in conditions_words.explanation_sentences(swept, conditions_words.explanations(swept))
        ]
    )
    yield from bullets([escaped(sentence) for sentence in conditions_words.safety(swept)])
