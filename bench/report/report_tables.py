"""
What console, `summary.md` and page say alike: the tables and the sentences of a report.

Tables are rows of texts, the first row is the header. Data are in seconds, what is shown is in milliseconds, with three
significant digits. Whatever comes from strategies or errors is on one line, and not yet escaped.
"""

from collections.abc import Iterator

from bench.analysis.estimates import Estimate
from bench.analysis.fidelity import columns_of, complaints, family_table, seen
from bench.analysis.ranking import Analysis, StrategyResult
from bench.analysis.scaling import Growth
from bench.analysis.traps import TrapResult
from bench.report.decision_text import decision_text
from bench.report.durability import what_is_given_up
from bench.report.findings_text import frequent_errors, not_ranked_text, trap_text, unfinished_text
from bench.report.formatting import significant, tests_and_rounds
from bench.report.scaling_text import tables
from bench.results.architecture import emulation
from bench.results.printable import printable
from bench.results.records import Machine, StrategyFacts
from bench.strategy.probe_catalogue import Probe

NOTHING = "-"
TIES = "Strategies that share a letter are tied: what differs between them may be noise."
SIGHTS = "What tests see of a real Postgres"
PHASES = "Where the time goes"
WITNESSES = "Beside the clock, per test"
WORDS = {
    SIGHTS: "Behaviours of a real Postgres, by family. More is not better for everyone: docs/probes.md says which kind "
    "of application needs which. Why one is not seen: `nox -s check -- --why STRATEGY PROBE`.",
    PHASES: "Medians per test, so they need not add up. Fixed: start-up, imports, collection, session fixtures, "
    "shutdown of a process. Unexplained: the largest share of a process's wall time that none of these holds.",
    WITNESSES: "What SQLAlchemy sent and opened; the server's write-ahead log; the processor time of the test process, "
    "without Postgres's own; the most memory that the test process ever had.",
}
PROBES = "Probe by probe"
TRAPS = "Traps: people write them, and they fail"


def table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the table of strategies, cheapest first; its first row is the header."""
    tests = analysis.run.workload.size.tests
    header = ("strategy", "ms per test", "95 % interval", "ties", "first", "passed", "leaks", f"{tests} tests", "sees")
    return [header, *(_row(result, tests) for result in analysis.strategies)]


def phase_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return where the time of each strategy goes; its first row is the header."""
    header = ("strategy", "setup ms", "call ms", "teardown ms", "fixed s", "unexplained")
    return [header, *(_phase_row(result) for result in analysis.strategies if result.rounds)]


def witness_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return what was counted beside the clock; its first row is the header."""
    header = ("strategy", "statements", "transactions", "connections", "WAL kB", "CPU ms", "memory MB")
    return [header, *(_witness_row(result) for result in analysis.strategies if result.rounds)]


def trap_table(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the table of traps: what each declared and what happened; its first row is the header."""
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


def figures(analysis: Analysis, growth: Growth) -> dict[str, list[tuple[str, ...]]]:
    """Return the tables of a name and figures in each row by their titles, those without a row left out."""
    sights = family_table(columns_of(analysis.outcomes, [facts.name for facts in in_order(analysis)]))
    found = {SIGHTS: sights, PHASES: phase_table(analysis), WITNESSES: witness_table(analysis), **tables(growth)}
    return {title: rows for title, rows in found.items() if len(rows) > 1}


def in_order(analysis: Analysis) -> list[StrategyFacts]:
    """Return what every table begins with: the strategies, cheapest first, then the traps."""
    return [*(result.facts for result in analysis.strategies), *(trap.facts for trap in analysis.traps)]


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
    """Return a probability in percent, never as a certainty."""
    if probability is None:
        return NOTHING
    percent = round(probability * 100)
    return "<1 %" if percent < 1 else ">99 %" if percent > 99 else f"{percent} %"  # noqa: PLR2004 - percent


def interval(estimate: Estimate | None) -> str:
    """Return the ends of an interval in milliseconds."""
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
    """Say of every strategy that is not ranked why; with the errors of its tests, where the reason has but one."""
    for result in analysis.strategies:
        if not result.ranked:
            seen = f" ({errors_of(result)})" if len(result.failures) > 1 else ""
            yield printable(f"{result.facts.name} is not ranked: {not_ranked_text(result)}{seen}")


def errors_of(result: StrategyResult | TrapResult) -> str:
    """Return the most frequent errors of its tests, and in how many tests each came."""
    return "; ".join(f"{count} x {error}" for error, count in frequent_errors(result.facts, result.failures))


def alarms(analysis: Analysis) -> list[str]:
    """Say what must not be missed: traps and probes that were not as declared, and cells that did not finish."""
    findings = [f"FINDING: {trap.facts.name} {trap_text(trap)}" for trap in analysis.traps if trap.is_finding]
    if analysis.run.client.is_declared_for:
        findings += [f"FINDING: {complaint}" for complaint in complaints(analysis.run.strategies, analysis.outcomes)]
    unfinished = (f"UNFINISHED: {unfinished_text(cell, analysis.run)}" for cell in analysis.unfinished)
    return [printable(text) for text in (*findings, *unfinished)]


def noise_sentence(analysis: Analysis) -> str:
    """Say how far the clock is to be believed, and why."""
    return printable(f"Noise: {analysis.noise.verdict}. {' '.join(analysis.noise.reasons)}")


def caveats(analysis: Analysis) -> Iterator[str]:
    """Say where, on what and how it was measured, and what that means for the figures."""
    run = analysis.run
    machine, server = run.machine, run.server
    yield (
        f"Measured on {machine.cpu}, {machine.cores} cores, {significant(machine.memory_bytes / 2**30, 2)} GiB, "
        f"{machine.system}{_around(machine)}, Python {machine.python}; another machine gives other figures."
    )
    where = f"{server.kind}, {server.transport}" + (f", {server.filesystem}" if server.filesystem else "")
    yield f"Postgres {server.version} ({where}), {', '.join(f'{key}={it}' for key, it in server.settings.items())}."
    if emulated := emulation(server.architecture, machine.architecture):
        yield emulated
    if server.settings.get("fsync") == "off" or server.settings.get("synchronous_commit") == "off":
        yield "A commit did not wait for the disk here; where it does, strategies that commit cost more."
    if not run.conditions:  # else it stands beside what is gained by it
        yield from what_is_given_up([server])
    yield f"{tests_and_rounds(analysis)}, seed {run.seed}, workload {run.workload.fingerprint}."
    yield from map(decision_text, run.decisions)
    marked = max(analysis.strategies, key=lambda result: (result.rounds > 0, result.residual), default=None)
    if marked and marked.rounds:
        share = significant(marked.residual * 100, 2)
        yield f"At most {share} % of a cell's time is unexplained ({marked.facts.name})."
    if not analysis.outcomes:
        yield "Not probed: what the strategies hide is not known; nox -s check finds out."


def _around(machine: Machine) -> str:
    """Say what else decides how fast the machine is, as far as it is known."""
    virtual = f" in {machine.virtualisation}" if machine.virtualisation not in {"", "none"} else ""
    return virtual + (f", governor {machine.governor}" if machine.governor else "")
