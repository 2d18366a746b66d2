"""The English of what analyses conclude, in one place for each finding."""

import textwrap
from collections import Counter
from collections.abc import Sequence

from bench.analysis.findings import Deviation, ErrorKind, NotRanked, Reason, StoppedCell, TrapFinding
from bench.analysis.ranking import StrategyResult
from bench.analysis.traps import TrapResult
from bench.report.formatting import listed
from bench.results.printable import printable
from bench.results.records import ERROR, FAILED, WARM_UP, Run, StrategyFacts

KINDS_OF_ERROR, LONGEST_ERROR = 3, 160
FIRST_OUTCOMES = 12
"""Tests whose outcomes show in which order a trap failed."""
_STOPPED = {"crashed": "crashed", "timeout": "ran out of time", "server died": "lost its server"}
_SHOULD_FAIL = {
    "all fail": "every test to fail",
    "first passes": "the first test to pass and all others to fail",
    "alternates": "every other test to pass, starting with the first",
}


def not_ranked_text(result: StrategyResult) -> str:
    """Return why a strategy is not ranked, without a full stop; empty where it is ranked."""
    return "; ".join(map(_reason_text, result.not_ranked))


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
    """Return whether a trap failed as it declares, and in how many tests, or which probes caught it."""
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
    """Return what a trap declares that did not happen, without a full stop; empty where it failed as declared."""
    found = "; ".join(map(_deviation_text, trap.deviations))
    if not any(one.deviation not in {Deviation.NOT_RUN, Deviation.STOPPED} for one in trap.deviations):
        return found
    return f"{found}: {'the run has too few tests for it' if trap.too_few_tests else 'a library has changed'}"


def frequent_errors(facts: StrategyFacts, failures: Sequence[tuple[ErrorKind, int]]) -> list[tuple[str, int]]:
    """
    Return the errors of a strategy and in how many tests each came, the most frequent first.

    Of a declared error only the declared words are kept, so messages that differ in the rest count as one.
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


def _reason_text(found: NotRanked) -> str:  # noqa: PLR0911 - one sentence for each reason
    where = " of the warm-up round" if found.in_warm_up else ""
    share = f"{found.tests} of {found.of} tests{where}"
    match found.reason:
        case Reason.CANNOT_RUN:
            return f"cannot run here: {found.cause}"
        case Reason.FLOOR:
            return "the floor: no isolation, rows leak"
        case Reason.STOPPED if found.cell:
            return f"it {trouble_text(found.cell)}"
        case Reason.FAILURES:
            example = textwrap.shorten(error_text(found.error), LONGEST_ERROR, placeholder="...") if found.error else ""
            return f"{share} failed" + (f": {example}" if example else "")
        case Reason.LEAKS:
            declared = "as it declares" if found.declared else "which it does not declare"
            return f"{share} found rows of an earlier test, {declared}"
        case Reason.MISSING_TESTS:
            return f"{share} did not run"
        case Reason.NOT_PROBED:
            return "it was not probed, so whether its tests see what is needed is not known"
        case Reason.LACKS_PROBES:
            return f"its tests do not see {listed(found.probes)}"
        case _:
            return "no timed round finished"


def _deviation_text(found: TrapFinding) -> str:
    match found.deviation:
        case Deviation.STOPPED if found.cell:
            return f"it {trouble_text(found.cell)}"
        case Deviation.ERROR_ABSENT if found.error:
            return f"expected {found.error.type} with the words '{found.error.message}', which did not come"
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
