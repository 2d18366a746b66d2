"""Which probes a strategy passes, and whether that is what it declares."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from bench.analysis.findings import ProbeContradiction
from bench.results.records import Fidelity, ProbeResult, StrategyFacts
from bench.strategy.probe_catalogue import CONTROL, Probe


def probe_result(fidelity: Fidelity, probe: str) -> ProbeResult | None:
    """Return the result of a probe; None if it did not run."""
    return next((result for result in fidelity.sights if result.probe == probe), None)


def seen(fidelity: Fidelity, probes: Iterable[Probe] = Probe) -> list[Probe]:
    """Return the probes that passed, of all or of some."""
    passed = {result.probe for result in fidelity.sights if result.outcome == "sees"}
    return [probe for probe in probes if probe in passed]


def lacking(fidelity: Fidelity, need: Collection[str]) -> list[str]:
    """Return the needed probes that did not pass."""
    passed = set(seen(fidelity))
    return [probe for probe in need if probe not in passed]


def contradictions(
    strategies: Iterable[StrategyFacts], outcomes: Mapping[str, Fidelity]
) -> Iterator[ProbeContradiction]:
    """
    Yield the outcomes that contradict declarations, and first the probes that are broken.

    :param outcomes: by the strategies' names, the control's among them. Strategies without outcomes are skipped.
    """
    for result in outcomes[CONTROL].sights if CONTROL in outcomes else ():
        if result.outcome != "sees":
            yield ProbeContradiction(CONTROL, result.probe, result.outcome)
    for facts in strategies:
        for result in outcomes[facts.name].sights if facts.name in outcomes else ():
            if (result.outcome == "sees") == (result.probe in facts.hides):
                yield ProbeContradiction(facts.name, result.probe, result.outcome)


def columns_of(outcomes: Mapping[str, Fidelity], names: Iterable[str]) -> list[Fidelity]:
    """Return the outcomes of the strategies that were probed, in the order of the names."""
    return [outcomes[name] for name in names if name in outcomes]
