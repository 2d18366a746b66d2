"""
Which strategy to use: the sentences and table rows at the top of the page and of `summary.md`.

A strategy is never called cheapest without its ties, nor when the run is too noisy to compare strategies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.fidelity import lacking, seen
from bench.analysis.findings import RankingOutcome
from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.findings_text import not_ranked_text
from bench.report.formatting import duration, headline, listed, milliseconds, tied_with
from bench.strategy.probe_catalogue import Family, Probe

SUITES = (100, 1_000, 10_000)
"""Sizes of suites, in tests, for which a row gives the total time."""
EXAMPLE = Probe.SECOND_CONNECTION
"""What most suites that need more than a rollback need first."""
FEW = 2
"""Families or probes that a caveat names."""


@dataclass(frozen=True)
class Choice:
    """A row of the table that answers which strategy to use."""

    result: StrategyResult
    suites: tuple[tuple[float, str], ...]
    """Seconds that suites of `SUITES` tests take, and the same as text; empty without a figure."""
    lacks: tuple[str, ...] | None
    """Probes that its tests do not pass; None if it was not probed."""
    caveat: str
    """What to know before using it, in one line."""


def answers(analysis: Analysis) -> list[str]:
    """Return which strategy is cheapest, what it hides, and which to use if that matters, in a few sentences."""
    hides = _what_it_hides(analysis.ranked) if analysis.ranked else []
    return [_answer(analysis), *hides, *filter(None, [" ".join(_what_sees_more(analysis))])]


def choices(analysis: Analysis) -> list[Choice]:
    """Return a row for each strategy, cheapest first, then those that are not ranked."""
    return [_choice(result) for result in analysis.strategies]


def _answer(analysis: Analysis) -> str:
    names_one = {RankingOutcome.ONE_RANKED, RankingOutcome.NO_INTERVAL, RankingOutcome.CHEAPEST}
    here = "On this machine " if analysis.outcome in names_one and not analysis.need else ""
    return f"{here}{headline(analysis)}."


def _choice(result: StrategyResult) -> Choice:
    times = [result.suite_seconds(tests) for tests in SUITES]
    return Choice(
        result=result,
        suites=tuple((seconds, duration(seconds)) for seconds in times if seconds is not None),
        lacks=None if result.fidelity is None else tuple(lacking(result.fidelity, list(Probe))),
        caveat=_caveat(result),
    )


def _caveat(result: StrategyResult) -> str:
    if not result.ranked:
        return f"not ranked: {not_ranked_text(result)}"
    if result.fidelity is None:
        return "not probed: what it hides is not known"
    return _misses(lacking(result.fidelity, list(Probe)))


def _misses(probes: Sequence[str]) -> str:
    """Return the missing probes if they are few, else the families with the largest missing share."""
    if not probes:
        return "sees all that is probed"
    if len(probes) <= FEW:
        return f"misses {listed(probes)}"
    missing = {family: [probe for probe in probes if Probe[probe.upper()].family == family] for family in Family}
    sizes = {family: sum(probe.family == family for probe in Probe) for family in Family}
    worst = sorted(filter(missing.get, Family), key=lambda family: -len(missing[family]) / sizes[family])[:FEW]
    named = [f"{family.replace('_', ' ')} {len(missing[family])}/{sizes[family]}" for family in worst]
    more = any(missing[family] for family in Family if family not in worst)
    return f"misses {', '.join(named)}" + (" ..." if more else "")


def _what_it_hides(ranked: Sequence[StrategyResult]) -> Iterator[str]:
    best = ranked[0]
    if best.fidelity is None:
        return
    missing = lacking(best.fidelity, list(Probe))
    if not missing:
        yield f"Its tests see all {len(Probe)} behaviours of a real Postgres that are probed."
        return
    # One probe of each family, so that a few names show how many kinds of behaviour are missing.
    first = {Probe[probe.upper()].family: probe for probe in reversed(missing)}
    among = [probe for probe in missing if probe in first.values()]
    named = f", among them {listed(among)}" if len(missing) > len(among) else f": {listed(among)}"
    tied = max(best.tied_with(ranked), key=_sees, default=best)
    more = f" Of the strategies tied with it, {tied.facts.name} sees most: {_sees(tied)}."
    yield (
        f"Tests under {best.facts.name} do not see {len(missing)} of {len(Probe)} behaviours of a real Postgres{named}."
        + (more if _sees(tied) > _sees(best) else "")
    )


def _what_sees_more(analysis: Analysis) -> Iterator[str]:
    ranked = analysis.ranked
    if not ranked or ranked[0].fidelity is None or _sees(ranked[0]) == len(Probe):
        return
    if lacking(ranked[0].fidelity, [EXAMPLE]):
        yield _cheapest_that_sees(analysis, [EXAMPLE], "If tests must see commits of another connection")
    best = max(ranked, key=_sees)
    if best is not ranked[0] and best.fidelity is not None:
        most = f"all {len(Probe)}" if _sees(best) == len(Probe) else f"the most, {_sees(best)} of {len(Probe)}"
        yield _cheapest_that_sees(analysis, seen(best.fidelity), f"If they must see {most}")


def _cheapest_that_sees(analysis: Analysis, need: Sequence[str], condition: str) -> str:
    able = [result for result in analysis.ranked if result.fidelity and not lacking(result.fidelity, need)]
    if not able:
        return f"{condition}: no ranked strategy does."
    if analysis.outcome in {RankingOutcome.TOO_NOISY, RankingOutcome.NO_INTERVAL}:
        return f"{condition}: {listed([result.facts.name for result in able])}."
    tied = tied_with(able[0], able)
    beside = f" (tied with {listed(tied)})" if tied else ""
    cheapest = "the cheapest is" if len(able) > 1 else "the only one is"
    return f"{condition}, {cheapest} {able[0].facts.name}{beside}, at {milliseconds(able[0].per_test)} per test."


def _sees(result: StrategyResult) -> int:
    return len(seen(result.fidelity)) if result.fidelity else 0
