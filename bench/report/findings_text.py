"""The English for what analyses conclude: each finding is worded only here."""

import textwrap
from collections import Counter
from collections.abc import Sequence

from bench.analysis.findings import (
    Deviation,
    ErrorKind,
    NoiseFinding,
    NoiseKind,
    NotRanked,
    ProbeContradiction,
    Reason,
    StoppedCell,
    TrapFinding,
)
from bench.analysis.noise import RESIDUAL_SHARE, Noise
from bench.analysis.ranking import StrategyResult
from bench.analysis.statistics import EXACT_ROUNDS, LEAST_ROUNDS
from bench.analysis.traps import TrapResult
from bench.report.formatting import listed
from bench.results.printable import printable
from bench.results.records import ERROR, FAILED, WARM_UP, Run, StrategyFacts
from bench.strategy.declaration import FLOOR, TWIN
from bench.strategy.probe_catalogue import CONTROL

KINDS_OF_ERROR, LONGEST_ERROR = 3, 160
FIRST_OUTCOMES = 12
"""Tests whose outcomes show in which order a trap failed."""
_STOPPED = {"crashed": "crashed", "timeout": "ran out of time", "server died": "lost its server"}
_SHOULD_FAIL = {
    "all fail": "every test to fail",
    "first passes": "the first test to pass and all others to fail",
    "alternates": "every other test to pass, starting with the first",
}
_REASONS = {
    Reason.CANNOT_RUN: "cannot run here: {0.cause}",
    Reason.FLOOR: "it is the floor, which isolates nothing",
    Reason.FAILURES: "{0.tests} of {0.of} tests{where} failed{example}",
    Reason.LEAKS: "{0.tests} of {0.of} tests{where} found rows of an earlier test, {declared}",
    Reason.MISSING_TESTS: "{0.tests} of {0.of} tests{where} did not run",
    Reason.NOT_PROBED: "it was not probed, so it is not known whether its tests see what is needed",
    Reason.NO_ROUND: "no timed round finished",
}
_TWIN_RATIO = f"{TWIN} / {FLOOR} = {{0.twin.value:.3f}} ({{0.twin.low:.3f}} to {{0.twin.high:.3f}})"
_NOISE = {
    NoiseKind.NO_INTERVAL: f"Finished timed rounds: {{0.rounds}}; an interval needs {LEAST_ROUNDS}.",
    NoiseKind.FEW_ROUNDS: (
        f"Finished timed rounds: {{0.rounds}}; with fewer than {EXACT_ROUNDS}, intervals assume a normal distribution."
    ),
    NoiseKind.NO_TWIN: f"{FLOOR} and {TWIN} did not both finish two timed rounds, so there is no A/A check.",
    NoiseKind.WIDE_TWIN: f"{_TWIN_RATIO}: the same code, measured twice; ignore differences up to {{0.share:.0%}}.",
    NoiseKind.TWIN_DIFFERS: f"{_TWIN_RATIO}: the same code is significantly different, which is more than chance.",
    NoiseKind.DRIFT: "The cost per test drifted by {0.share:+.0%} from the first cell to the last.",
    NoiseKind.CORRELATED: (
        "Consecutive cells vary together (correlation {0.correlation:.2f}, spread {0.share:.0%}): the machine's speed "
        "changes; trust ratios more than costs."
    ),
    NoiseKind.LOAD: (
        "Other processes used the machine: its load was {0.load:.1f} on {0.cores} cores; a run causes about 1."
    ),
    NoiseKind.STEAL: "The hypervisor gave {0.share:.0%} of the processor time to others.",
    NoiseKind.UNEXPLAINED: (
        f"{{0.cells}} of {{0.of}} cells have more than {RESIDUAL_SHARE:.0%} of their time unexplained; the most, "
        "{0.share:.0%}, is in {0.strategy} in round {0.round}."
    ),
}


def not_ranked_text(result: StrategyResult) -> str:
    """Return why a strategy is not ranked, without a full stop; empty where it is ranked."""
    return "; ".join(map(reason_text, result.not_ranked))


def trouble_text(cell: StoppedCell) -> str:
    """Return how a cell stopped, such as `crashed in round 2: exit code -9`, without a full stop."""
    where = "the warm-up round" if cell.round == WARM_UP else f"round {cell.round}"
    return f"{_STOPPED[cell.status]} in {where}" + (f": {cell.detail.rstrip('.')}" if cell.detail else "")


def unfinished_text(cell: StoppedCell, run: Run) -> str:
    """Return which cell did not finish and why, as a sentence; of a sweep's cell with its size."""
    base, swept = run.workload.size, cell.size in run.workload.sweep
    sizes = {"tests": cell.size.tests, "tables": cell.size.tables, "rows": cell.size.rows}
    other = [f"{value} {name}" for name, value in sizes.items() if swept and value != getattr(base, name)]
    where = f" with {' and '.join(other)}" if other else ""
    return f"{cell.strategy}{where} {trouble_text(cell)}."


def trap_text(trap: TrapResult) -> str:
    """Return whether a trap failed as it declares, and how many tests failed or which probes caught it."""
    failed = f"{sum(count for _, count in trap.failures)} of {trap.tests} tests"
    if trap.is_finding:
        seen = f" ({failed} failed)" if trap.tests else ""
        return f"DID NOT FAIL AS DECLARED: {printable(deviation_text(trap))}{seen}"
    workload = f"{trap.passed} of {trap.tests} tests pass, {trap.leaked} find rows of an earlier one"
    if trap.deviations:
        return f"fails here in another way: {failed}" if trap.failures else f"works here: {workload}"
    if trap.facts.expected_errors:
        return f"fails as declared: {failed}"
    if not trap.probed:
        return f"fails silently: {workload}; not probed"
    return f"fails silently, caught as declared by {listed(trap.facts.caught_by)}; {workload}"


def deviation_text(trap: TrapResult) -> str:
    """Return how a trap deviated from its declaration, without a full stop; empty if it failed as declared."""
    found = "; ".join(map(_deviation_text, trap.deviations))
    if {one.deviation for one in trap.deviations} <= {Deviation.NOT_RUN, Deviation.STOPPED}:
        return found
    return f"{found}: {'the run has too few tests for it' if trap.too_few_tests else 'a library has changed'}"


def noise_text(noise: Noise) -> str:
    """Return how far the clock can be trusted, and why, in a few sentences."""
    return printable(f"Noise: {noise.verdict}. {' '.join(noise_texts(noise))}")


def noise_texts(noise: Noise) -> list[str]:
    """Return a sentence for each reason why a run is not quiet; for a quiet run, one with the A/A ratio."""
    if noise.findings:
        return [printable(_NOISE[found.kind].format(found)) for found in noise.findings]
    quiet = NoiseFinding(NoiseKind.WIDE_TWIN, twin=noise.twin_ratio)
    return [f"{_TWIN_RATIO.format(quiet)}; no drift, no other load, little unexplained time."]


def contradiction_text(found: ProbeContradiction) -> str:
    """Return how a probe's outcome contradicts a declaration, as a sentence."""
    if found.strategy == CONTROL:
        return f"the probe {found.probe} is broken: with real commits on plain connections it {found.outcome}."
    if found.outcome == "sees":
        return f"{found.strategy} declares to hide {found.probe}, but its tests see it: remove it from `hides`."
    return f"{found.strategy} {found.outcome} {found.probe} without declaring it: add it to `hides`."


def frequent_errors(facts: StrategyFacts, failures: Sequence[tuple[ErrorKind, int]]) -> list[tuple[str, int]]:
    """
    Return the errors of a strategy and how many tests had each, the most frequent first.

    Only the declared words of a declared error are shown, so messages that differ elsewhere count as one.
    """
    counts: Counter[str] = Counter()
    for error, count in failures:
        counts[_declared_words(facts, error)] += count
    errors = counts.most_common(KINDS_OF_ERROR)
    rest = counts.total() - sum(count for _, count in errors)
    return [*errors, (f"{len(counts) - KINDS_OF_ERROR} other kinds", rest)] if rest else errors


def error_text(error: ErrorKind) -> str:
    """Return an error as a traceback ends with it, such as `RuntimeError: attached to a different loop`."""
    return f"{error.type}: {error.message}"


def reason_text(found: NotRanked) -> str:
    """Return one reason why a strategy is not ranked or has no figure, without a full stop."""
    match found.reason:
        case Reason.STOPPED if found.cell:
            return f"it {trouble_text(found.cell)}"
        case Reason.LACKS_PROBES:
            return f"its tests do not see {listed(found.probes)}"
    example = textwrap.shorten(error_text(found.error), LONGEST_ERROR, placeholder="...") if found.error else ""
    return _REASONS[found.reason].format(
        found,
        where=" of the warm-up round" if found.in_warm_up else "",
        declared="as it declares" if found.declared else "which it does not declare",
        example=f": {example}" if example else "",
    )


def _deviation_text(found: TrapFinding) -> str:
    match found.deviation:
        case Deviation.STOPPED if found.cell:
            return f"it {trouble_text(found.cell)}"
        case Deviation.ERROR_ABSENT if found.error:
            return f"expected {found.error.type} with the words '{found.error.message}', which did not occur"
        case Deviation.OTHER_TESTS_FAILED:
            tests = len(found.outcomes)
            passed = sum(outcome not in (FAILED, ERROR) for outcome in found.outcomes)
            order = f", in the order {found.outcomes[:FIRST_OUTCOMES]}" if found.same_number else ""
            return f"expected {_SHOULD_FAIL[found.expected]}, but {passed} of {tests} passed{order}"
        case Deviation.NOT_CAUGHT:
            return f"expected {listed(found.probes)} to catch it, but they passed"
        case _:
            return "it did not run"


def _declared_words(facts: StrategyFacts, error: ErrorKind) -> str:
    message = printable(error.message)
    for exception, words in facts.expected_errors:
        if error.type == exception and words in message:
            before, _, after = message.partition(words)
            return f"{error.type}: {'... ' if before else ''}{words}{' ...' if after else ''}"
    text = printable(error_text(error))
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]} ..."
