"""
Which strategy to take: the sentences and the rows that answer it, computed from an analysis.

What the page and `summary.md` begin with. A strategy is never called cheapest without those that it ties with, and
where noise drowns the costs none is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.fidelity import lacking, seen
from bench.analysis.ranking import Analysis, StrategyResult
from bench.report.findings_text import not_ranked_text
from bench.report.formatting import duration, headline, listed, milliseconds
from bench.strategy.probe_catalogue import Family, Probe

SUITES = (100, 1_000, 10_000)
"""Numbers of tests of which a reader may find their own suite's."""
EXAMPLE = Probe.SECOND_CONNECTION
"""What most suites that need more than a rollback need first."""
FEW = 2
"""Of families or probes, as many as a line has room for."""


@dataclass(frozen=True)
class Choice:
    """A row of the table that answers which strategy to take."""

    result: StrategyResult
    suites: tuple[tuple[float, str], ...]
    """Seconds that suites of `SUITES` tests take, and how that reads; none where there is no figure."""
    lacks: tuple[str, ...] | None
    """Probes that its tests do not pass; None where they did not run."""
    caveat: str
    """What to know before taking it, in one line."""


def answers(analysis: Analysis) -> list[str]:
    """Say in a few sentences which strategy is cheapest, what it hides, and what to take where that is needed."""
    found, sees_more = headline(analysis), " ".join(_what_sees_more(analysis))
    # A headline that begins with a strategy's name is a figure, and of one machine.
    figure = f"On this machine {found}." if found[0].islower() else f"{found}."
    return [figure, *_what_it_hides(analysis), *filter(None, [sees_more])]


def choices(analysis: Analysis) -> list[Choice]:
    """Return a row for each strategy, cheapest first, then those that are not ranked."""
    return [_choice(result) for result in analysis.strategies]


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
    """Name the families of which most is missing."""
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


def _what_it_hides(analysis: Analysis) -> Iterator[str]:
    ranked = _ranked(analysis)
    if not ranked or (fidelity := ranked[0].fidelity) is None:
        return
    missing = lacking(fidelity, list(Probe))
    if not missing:
        yield f"Its tests see all {len(Probe)} behaviours of a real Postgres that are probed."
        return
    # One of each family, so that the few names say of how many kinds they are.
    first = {Probe[probe.upper()].family: probe for probe in reversed(missing)}
    among = [probe for probe in missing if probe in first.values()]
    named = f", among them {listed(among)}" if len(missing) > len(among) else f": {listed(among)}"
    tied = max(_tied(ranked[0], ranked), key=_sees, default=None)
    more = f" Of those that it ties with, {tied.facts.name} sees most: {_sees(tied)}." if tied else ""
    more = more if tied and _sees(tied) > _sees(ranked[0]) else ""
    name = ranked[0].facts.name
    yield f"Tests under {name} do not see {len(missing)} of {len(Probe)} behaviours of a real Postgres{named}.{more}"


def _what_sees_more(analysis: Analysis) -> Iterator[str]:
    ranked = _ranked(analysis)
    if not ranked or ranked[0].fidelity is None or not lacking(ranked[0].fidelity, list(Probe)):
        return
    if lacking(ranked[0].fidelity, [EXAMPLE]):
        yield _taken(analysis, [EXAMPLE], "Where tests must see commits of another connection", "sees them")
    most = max(map(_sees, ranked))
    what = f"all {most}" if most == len(Probe) else f"most, {most} of {len(Probe)},"
    best = max(ranked, key=_sees)
    if best is not ranked[0] and best.fidelity is not None:
        need = [probe.value for probe in seen(best.fidelity)]
        yield _taken(analysis, need, f"Where they must see {what}", "sees that")


def _taken(analysis: Analysis, need: Sequence[str], where: str, sees: str) -> str:
    """Say which of the ranked strategies whose tests see what is needed is cheapest."""
    able = [result for result in _ranked(analysis) if result.fidelity and not lacking(result.fidelity, need)]
    if not able:
        return f"{where}: no ranked strategy {sees}."
    names = [result.facts.name for result in able]
    if analysis.noise.verdict == "unusable" or able[0].per_test is None or able[0].per_test.low is None:
        return f"{where}: {listed(names)}."
    tied = [result.facts.name for result in _tied(able[0], able)]
    beside = f" (tied with {listed(tied)})" if tied else ""
    cheapest = "the cheapest is" if len(able) > 1 else "there is only"
    return f"{where}, {cheapest} {names[0]}{beside}, at {milliseconds(able[0].per_test)} per test."


def _ranked(analysis: Analysis) -> list[StrategyResult]:
    return [result for result in analysis.strategies if result.ranked]


def _tied(one: StrategyResult, others: Sequence[StrategyResult]) -> list[StrategyResult]:
    return [other for other in others if other is not one and set(other.letters) & set(one.letters)]


def _sees(result: StrategyResult) -> int:
    return len(seen(result.fidelity)) if result.fidelity else 0
