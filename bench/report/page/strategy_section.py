"""The sections of the page about strategies: documentation and the fixture to copy, as the run stored them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.ranking import Analysis, StrategyResult
from bench.analysis.traps import TrapResult
from bench.results.records import StrategyFacts

NOT_STORED = "This run was recorded before fixtures were stored; nox -s adopt -- {} prints the fixture of today."


@dataclass(frozen=True)
class StrategySection:
    """A strategy or a trap, and what a reader needs in order to use it."""

    facts: StrategyFacts
    kind: str
    """`trap`, `not ranked`, or its tie letters."""
    reference: str
    """Its name as a command takes it: a name, a dotted name or a path."""
    paragraphs: tuple[str, ...]
    """How it works, when to use it, and prior art; Markdown."""
    no_fixture: str
    """Why there is no fixture to copy; empty if there is one."""


def strategy_sections(analysis: Analysis) -> Iterator[StrategySection]:
    """Yield the sections of all strategies, cheapest first, then those of the traps."""
    references = {_stem(reference): reference for reference in analysis.run.configuration.strategies}
    everyone: list[StrategyResult | TrapResult] = [*analysis.strategies, *analysis.traps]
    for one in everyone:
        facts, docs = one.facts, one.facts.docs
        reference = references.get(facts.name, facts.name)
        prior_art = f"Prior art: {docs.prior_art}" if docs.prior_art else ""
        yield StrategySection(
            facts=facts,
            kind=_kind(one),
            reference=reference,
            paragraphs=tuple(filter(None, (docs.how, docs.when_to_use, prior_art))),
            no_fixture="" if facts.fixture else facts.no_fixture or NOT_STORED.format(reference),
        )


def _stem(reference: str) -> str:
    return Path(reference).stem if reference.endswith(".py") else reference.rpartition(".")[2]


def _kind(one: StrategyResult | TrapResult) -> str:
    if isinstance(one, TrapResult):
        return "trap"
    return f"ties: {one.letters}" if one.ranked else "not ranked"
