"""What there is to take home of each strategy: what its file says of itself, and the fixtures to paste."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from bench.adopt.assemble import adopted
from bench.analysis.ranking import Analysis, StrategyResult
from bench.analysis.traps import TrapResult
from bench.results.errors import UserError
from bench.results.printable import printable
from bench.strategy.discovery import load
from bench.strategy.docstrings import read_docstring
from bench.strategy.loaded import LoadedStrategy


@dataclass(frozen=True)
class Home:
    """A strategy, as somebody who means to take it wants to see it."""

    name: str
    shown: str
    """Its name; of a peer its package and version."""
    kind: str
    """`trap`, `not ranked`, or with whom it ties."""
    summary: Markup
    reference: str
    """How a command calls it."""
    paragraphs: tuple[Markup, ...]
    """How it works, when to take it, prior art."""
    conftest: str
    """What is pasted; empty where there is nothing to paste."""
    why_not: str
    """Why there is not."""


def homes(analysis: Analysis) -> Iterator[Home]:
    """Yield what there is of each strategy, cheapest first, then of the traps."""
    references = {_stem(reference): reference for reference in analysis.run.configuration.strategies}
    everyone: list[StrategyResult | TrapResult] = [*analysis.strategies, *analysis.traps]
    for one in everyone:
        yield _home(one, references.get(one.facts.name) or one.facts.name)


def _home(one: StrategyResult | TrapResult, reference: str) -> Home:
    facts, conftest, why_not = one.facts, "", ""
    paragraphs: tuple[Markup, ...] = ()
    try:
        loaded = load(reference)
        if loaded.facts().source_sha256 == facts.source_sha256:
            paragraphs = _paragraphs(loaded)
            conftest = adopted(reference).text
        else:
            why_not = "Its file has changed since this run was made, so it is not what was measured."
    except UserError as error:
        why_not = str(error)
    return Home(
        name=facts.name,
        shown=printable(facts.peer or facts.name),
        kind=_kind(one),
        summary=marked_up(facts.summary),
        reference=reference,
        paragraphs=paragraphs,
        conftest=conftest,
        why_not=printable(why_not),
    )


def _stem(reference: str) -> str:
    return Path(reference).stem if reference.endswith(".py") else reference.rpartition(".")[2]


def _kind(one: StrategyResult | TrapResult) -> str:
    if isinstance(one, TrapResult):
        return "trap"
    return f"ties: {one.letters}" if one.letters else "not ranked"


def _paragraphs(loaded: LoadedStrategy) -> tuple[Markup, ...]:
    said = read_docstring(loaded.path)
    prior_art = f"Prior art: {said.prior_art}" if said.prior_art else ""
    return tuple(marked_up(text) for text in (said.how, said.when_to_use, prior_art) if text)


def marked_up(text: str) -> Markup:
    """Return Markdown of a docstring as HTML: HTML in it is escaped, and a link that is not safe is none."""
    return Markup(MarkdownIt("commonmark", {"html": False}).renderInline(printable(text)))  # noqa: S704 - as said
