"""
What the probes' outcomes say: how much of a real Postgres tests see, and whether that is what a strategy declares.

From records to statements and tables; runs nothing. How outcomes come about stands in `bench/measure/probing.py`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from bench.results.records import Fidelity, ProbeResult, StrategyFacts
from bench.strategy.probe_catalogue import CONTROL, Family, Probe


def sight_of(fidelity: Fidelity, probe: str) -> ProbeResult | None:
    """Return what came of a probe; None where it did not run."""
    return next((sight for sight in fidelity.sights if sight.probe == probe), None)


def seen(fidelity: Fidelity, probes: Iterable[Probe] = Probe) -> list[Probe]:
    """Return those of some probes that passed."""
    passed = {sight.probe for sight in fidelity.sights if sight.outcome == "sees"}
    return [probe for probe in probes if probe in passed]


def lacking(fidelity: Fidelity, need: Collection[str]) -> list[str]:
    """Return those of the probes that are needed that did not pass."""
    passed = set(seen(fidelity))
    return [probe for probe in need if probe not in passed]


def complaints(strategies: Iterable[StrategyFacts], outcomes: Mapping[str, Fidelity]) -> list[str]:
    """
    Return what is not as it should be, a sentence each: broken probes, and declarations that outcomes contradict.

    :param outcomes: by the strategies' names, the control's among them. A strategy without outcomes is passed over.
    """
    found = [*_broken(outcomes.get(CONTROL))]
    for facts in strategies:
        if fidelity := outcomes.get(facts.name):
            found += _disagreements(facts, fidelity)
    return found


def _broken(control: Fidelity | None) -> Iterator[str]:
    for sight in control.sights if control else ():
        if sight.outcome != "sees":
            yield f"the probe {sight.probe} is broken: with real commits on plain connections it {sight.outcome}."


def _disagreements(facts: StrategyFacts, fidelity: Fidelity) -> Iterator[str]:
    """Yield what a strategy declares and its tests see all the same, and what they do not see undeclared."""
    for sight in fidelity.sights:
        if sight.outcome == "sees" and sight.probe in facts.hides:
            yield f"{facts.name} declares to hide {sight.probe}, but its tests see it: take it out of `hides`."
        elif sight.outcome != "sees" and sight.probe not in facts.hides:
            yield f"{facts.name} {sight.outcome} {sight.probe} without declaring it: add it to `hides`."


def declaration(fidelity: Fidelity) -> str:
    """Return the line of a strategy's file that declares what the probes found."""
    probes = (f"Probe.{sight.probe.upper()}" for sight in fidelity.sights if sight.outcome != "sees")
    return f"hides={{{', '.join(probes)}}},"


def columns_of(outcomes: Mapping[str, Fidelity], names: Iterable[str]) -> list[Fidelity]:
    """Return the outcomes of those strategies that were probed, in the order of the names."""
    return [outcomes[name] for name in names if name in outcomes]


def family_table(columns: Sequence[Fidelity]) -> list[tuple[str, ...]]:
    """Return how many probes of each family the tests of each strategy see; the first row is the header."""
    header = ("strategy", *(family.replace("_", " ") for family in Family), f"all {len(Probe)}")
    return [header, *((fidelity.strategy, *_counts(fidelity)) for fidelity in columns)]


def _counts(fidelity: Fidelity) -> list[str]:
    groups = [[probe for probe in Probe if probe.family == family] for family in Family]
    counts = [f"{len(seen(fidelity, group))}/{len(group)}" for group in groups]
    return [*counts, str(len(seen(fidelity)))]


def probe_table(columns: Sequence[Fidelity]) -> list[tuple[str, ...]]:
    """Return a row for each probe, a column for each strategy; the first row is the header."""
    rows = [("probe", *(fidelity.strategy for fidelity in columns))]
    for probe in Probe:
        sights = (sight_of(fidelity, probe) for fidelity in columns)
        rows.append((probe.value, *(sight.outcome if sight else "-" for sight in sights)))
    return rows
