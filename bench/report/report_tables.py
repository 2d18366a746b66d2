"""
The tables and sentences that console, `summary.md` and page share.

A table is a list of rows of text; the first row is the header. Data are in seconds; tables show milliseconds with three
significant digits. Text from strategies and errors is on one line and not yet escaped.
"""

from collections.abc import Iterator, Sequence

from bench.analysis.estimates import Estimate
from bench.analysis.fidelity import columns_of, contradictions, probe_result, seen
from bench.analysis.ranking import Analysis, StrategyResult
from bench.analysis.scaling import Scaling
from bench.analysis.traps import TrapResult
from bench.report.decision_text import decision_text
from bench.report.durability import what_is_given_up
from bench.report.findings_text import contradiction_text, frequent_errors, not_ranked_text, trap_text, unfinished_text
from bench.report.formatting import significant, tests_and_rounds
from bench.report.scaling_text import tables
from bench.results.architecture import emulation
from bench.results.printable import printable
from bench.results.records import Fidelity, Machine, StrategyFacts
from bench.strategy.probe_catalogue import Family, Probe

NOTHING = "-"
TIES = "Strategies that share a letter are tied: they are not significantly different."
FIDELITY = "What tests see of a real Postgres"
PHASES = "Where the time goes"
WITNESSES = "Other measurements per test"
WORDS = {
    FIDELITY: "How many behaviours of a real Postgres tests see, by family. Not every application needs all: "
    "docs/probes.md says which need which. To see why a probe fails: `nox -s check -- --why STRATEGY PROBE`.",
    PHASES: "Medians per test, so the phases need not add up to the total. Fixed: start-up, imports, collection, "
    "session fixtures and shutdown of the process. Unexplained: the largest share of a process's wall time that is in "
    "no phase.",
    WITNESSES: "Statements, transactions and connections of SQLAlchemy; the server's write-ahead log; processor time "
    "of the test process, without Postgres; peak memory of the test process.",
}
PROBES = "Probe by probe"
TRAPS = "Traps: strategies known to fail"


def table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the table of strategies, cheapest first."""
    tests = analysis.run.workload.size.tests
    header = ("strategy", "ms per test", "95 % interval", "ties", "first", "passed", "leaks", f"{tests} tests", "sees")
    return [header, *(_row(result, tests) for result in analysis.strategies)]


def phase_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the time of each strategy by phase."""
    header = ("strategy", "setup ms", "call ms", "teardown ms", "fixed s", "unexplained")
    return [header, *(_phase_row(result) for result in analysis.strategies if result.rounds)]


def witness_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return what was counted for each strategy beside the clock."""
    header = ("strategy", "statements", "transactions", "connections", "WAL kB", "CPU ms", "memory MB")
    return [header, *(_witness_row(result) for result in analysis.strategies if result.rounds)]


def trap_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return what each trap declared and what happened."""
    return [("trap", "declared", "happened", "errors"), *(_trap_row(trap) for trap in analysis.traps)]


def _row(result: StrategyResult, tests: int) -> tuple[str, ...]:
    suite = result.suite_seconds(tests)
    return (
        printable(result.facts.peer or result.facts.name),
        NOTHING if result.per_test is None else significant(result.per_test.value * 1000),
        interval(result.per_test),
        result.letters or NOTHING,
        _share(result.probability_first),
        f"{result.passed}/{result.tests}",
        str(result.leaked),
        NOTHING if suite is None else f"{significant(suite)} s",
        NOTHING if result.fidelity is None else f"{len(seen(result.fidelity))}/{len(Probe)}",
    )


def figures(analysis: Analysis, growth: Scaling) -> dict[str, list[tuple[str, ...]]]:
    """Return by title the tables whose rows are a name and figures; empty tables are left out."""
    found = {
        FIDELITY: family_table(probed(analysis)),
        PHASES: phase_table(analysis),
        WITNESSES: witness_table(analysis),
        **tables(growth),
    }
    return {title: rows for title, rows in found.items() if len(rows) > 1}


def in_order(analysis: Analysis) -> list[StrategyFacts]:
    """Return the strategies, cheapest first, then the traps."""
    return [*(result.facts for result in analysis.strategies), *(trap.facts for trap in analysis.traps)]


def probed(analysis: Analysis) -> list[Fidelity]:
    """Return the outcomes of all strategies and traps that were probed, in the order of the tables."""
    return columns_of(analysis.outcomes, [facts.name for facts in in_order(analysis)])


def family_table(columns: Sequence[Fidelity]) -> list[tuple[str, ...]]:
    """Return how many probes of each family the tests of each strategy pass."""
    header = ("strategy", *(family.replace("_", " ") for family in Family), f"all {len(Probe)}")
    return [header, *((fidelity.strategy, *_family_counts(fidelity)) for fidelity in columns)]


def _family_counts(fidelity: Fidelity) -> list[str]:
    groups = [[probe for probe in Probe if probe.family == family] for family in Family]
    counts = [f"{len(seen(fidelity, group))}/{len(group)}" for group in groups]
    return [*counts, str(len(seen(fidelity)))]


def probe_table(columns: Sequence[Fidelity]) -> list[tuple[str, ...]]:
    """Return the outcome of each probe under each strategy: a row for each probe, a column for each strategy."""
    rows = [("probe", *(fidelity.strategy for fidelity in columns))]
    for probe in Probe:
        results = (probe_result(fidelity, probe) for fidelity in columns)
        rows.append((probe.value, *(result.outcome if result else NOTHING for result in results)))
    return rows


def _phase_row(result: StrategyResult) -> tuple[str, ...]:
    phases = (significant(seconds * 1000) for seconds in result.phases.values())
    return (
        printable(result.facts.name),
        *phases,
        significant(result.fixed),
        f"{significant(result.residual * 100, 2)} %",
    )


def _witness_row(result: StrategyResult) -> tuple[str, ...]:
    counts = (result.statements, result.transactions, result.connections)
    return (
        printable(result.facts.name),
        *(NOTHING if count is None else f"{count:.2f}" for count in counts),
        NOTHING if result.wal_bytes is None else significant(result.wal_bytes / 1000),
        NOTHING if result.cpu is None else significant(result.cpu * 1000),
        NOTHING if result.peak_memory is None else significant(result.peak_memory / 1e6),
    )


def _share(probability: float | None) -> str:
    """Return a probability in percent, but never 0 % or 100 %: it is an estimate."""
    if probability is None:
        return NOTHING
    percent = round(probability * 100)
    return "<1 %" if percent < 1 else ">99 %" if percent > 99 else f"{percent} %"  # noqa: PLR2004 - percent


def interval(estimate: Estimate | None) -> str:
    """Return the ends of a 95 % interval in milliseconds."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{significant(estimate.low * 1000)} to {significant(estimate.high * 1000)}"


def _trap_row(trap: TrapResult) -> tuple[str, ...]:
    facts = trap.facts
    errors = " and ".join(f"{exception}: {words}" for exception, words in facts.expected_errors)
    declared = (
        f"{facts.expected_failures}, with {errors}" if errors else f"no error; caught by {', '.join(facts.caught_by)}"
    )
    return (
        printable(facts.peer or facts.name),
        printable(declared),
        trap_text(trap),
        errors_of(trap) or "none",
    )


def not_ranked(analysis: Analysis) -> Iterator[str]:
    """Return why each unranked strategy is not ranked, with all of its errors if there are several."""
    for result in analysis.strategies:
        if not result.ranked:
            seen = f" ({errors_of(result)})" if len(result.failures) > 1 else ""
            yield printable(f"{result.facts.name} is not ranked: {not_ranked_text(result)}{seen}")


def errors_of(result: StrategyResult | TrapResult) -> str:
    """Return the most frequent errors of its tests, each with the number of tests that had it."""
    return "; ".join(f"{count} x {error}" for error, count in frequent_errors(result.facts, result.failures))


def alarms(analysis: Analysis) -> list[str]:
    """Return what needs attention: traps and probes that deviate from declarations, and cells that did not finish."""
    findings = [f"FINDING: {trap.facts.name} {trap_text(trap)}" for trap in analysis.traps if trap.is_finding]
    if analysis.run.client.is_declared_for:
        found = contradictions(analysis.run.strategies, analysis.outcomes)
        findings += [f"FINDING: {contradiction_text(one)}" for one in found]
    unfinished = (f"UNFINISHED: {unfinished_text(cell, analysis.run)}" for cell in analysis.unfinished)
    return [printable(text) for text in (*findings, *unfinished)]


def caveats(analysis: Analysis) -> Iterator[str]:
    """Return where and how the figures were measured, and what that means for them."""
    run = analysis.run
    machine, server = run.machine, run.server
    yield (
        f"Measured on {machine.cpu}, {machine.cores} cores, {significant(machine.memory_bytes / 2**30, 2)} GiB, "
        f"{machine.system}{_around(machine)}, Python {machine.python}; other machines give other figures."
    )
    where = f"{server.kind}, {server.transport}" + (f", {server.filesystem}" if server.filesystem else "")
    yield f"Postgres {server.version} ({where}), {', '.join(f'{key}={it}' for key, it in server.settings.items())}."
    if emulated := emulation(server.architecture, machine.architecture):
        yield emulated
    if server.settings.get("fsync") == "off" or server.settings.get("synchronous_commit") == "off":
        yield "A commit did not wait for the disk here; if it does, strategies that commit cost more."
    if not run.conditions:  # else the section on conditions says it
        yield from what_is_given_up([server])
    yield f"{tests_and_rounds(analysis)}, seed {run.seed}, workload {run.workload.fingerprint}."
    yield from map(decision_text, run.decisions)
    marked = max(analysis.strategies, key=lambda result: (result.rounds > 0, result.residual), default=None)
    if marked and marked.rounds:
        share = significant(marked.residual * 100, 2)
        yield f"At most {share} % of a cell's time is unexplained (strategy {marked.facts.name})."
    if not analysis.outcomes:
        yield "Not probed: run nox -s check to see what the strategies hide."


def _around(machine: Machine) -> str:
    """Return what else affects the machine's speed, if it is known."""
    virtual = f" in {machine.virtualisation}" if machine.virtualisation not in {"", "none"} else ""
    return virtual + (f", governor {machine.governor}" if machine.governor else "")
