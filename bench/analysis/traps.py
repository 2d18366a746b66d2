"""
Whether traps failed as they declare. One that did not is a finding: a library has changed.

Reads records, returns records. What a trap may declare stands in `bench/strategy/declaration.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.analysis.fidelity import lacking, listed
from bench.results.endpoints import Client
from bench.results.records import ERROR, FAILED, LEAKED, PASSED, Cell, Fidelity, StrategyFacts

_EXPECTED: dict[str, tuple[str, Callable[[int], bool]]] = {
    "all fail": ("every test to fail", lambda _: True),
    "first passes": ("the first test to pass and all others to fail", lambda number: number > 0),
    "alternates": ("every other test to pass, the first among them", lambda number: number % 2 == 1),
}
"""Of each way in which a trap may fail: its wording, and whether the test of a number, from 0, is to fail."""


@dataclass(frozen=True)
class TrapResult:
    """What a run says of one trap."""

    facts: StrategyFacts
    tests: int
    passed: int
    failures: tuple[tuple[str, int], ...]
    """Distinct failures (`RuntimeError: ...`) and how many tests had each, most frequent first."""
    finding: str
    """Empty when the trap failed as declared; else what did not happen. Such a run is a finding."""
    leaked: int = 0
    """Tests whose work passed, but which found rows of an earlier test."""
    probed: bool = False
    """Whether the probes ran, which alone catch a trap without errors."""
    otherwise: str = ""
    """As `finding`, where tests ran under another client than traps declare for: there it is none."""


def judge_trap(facts: StrategyFacts, cell: Cell | None, outcomes: Mapping[str, Fidelity], client: Client) -> TrapResult:
    """
    Say whether a trap failed as it declares.

    :param cell: its only one; None where it did not run.
    :param outcomes: what the probes saw, by the strategies' names.
    :param client: that its tests were to the server.
    """
    if cell is None:
        return TrapResult(facts, 0, 0, (), "it did not run")
    letters, fidelity = cell.samples.outcomes, outcomes.get(facts.name)
    trouble, unlike = cell.trouble, _unlike_declared(facts, cell, fidelity)
    return TrapResult(
        facts=facts,
        tests=len(letters),
        passed=letters.count(PASSED),
        failures=tuple(cell.failure_counts.most_common()),
        finding=f"it {trouble}" if trouble else unlike if client.is_declared_for else "",
        leaked=letters.count(LEAKED),
        probed=fidelity is not None,
        otherwise="" if trouble or client.is_declared_for else unlike,
    )


def _unlike_declared(facts: StrategyFacts, cell: Cell, fidelity: Fidelity | None) -> str:
    """Say what a trap declares that did not happen; empty when all of it did."""
    if not facts.expected_errors:
        passed = [probe for probe in facts.caught_by if fidelity and not lacking(fidelity, [probe])]
        return (
            f"expected {listed(passed)} to catch it, which saw nothing wrong: a library has changed" if passed else ""
        )
    missing = [
        f"expected {exception} with the words '{words}', which did not come"
        for exception, words in facts.expected_errors
        if not any(failure.type == exception and words in failure.message for failure in cell.failures)
    ]
    wording, fails = _EXPECTED[facts.expected_failures]
    # A test that found rows of an earlier one counts as passed here: the declared error spared it.
    failed = [outcome in (FAILED, ERROR) for outcome in cell.samples.outcomes]
    expected = [fails(number) for number in range(len(failed))]
    if failed != expected:
        order = f", in the order {cell.samples.outcomes[:12]}" if sum(failed) == sum(expected) else ""
        missing.append(f"expected {wording}, but {failed.count(False)} of {len(failed)} passed{order}")
    too_few = sum(expected) < len(facts.expected_errors)
    cause = f"the number of tests, {len(failed)}, is too small for it" if too_few else "a library has changed"
    return f"{'; '.join(missing)}: {cause}" if missing else ""
