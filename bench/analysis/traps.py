"""Whether traps failed as they declare. If one did not, a library has changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bench.analysis.cell_figures import CellFigures
from bench.analysis.fidelity import lacking
from bench.analysis.findings import Deviation, ErrorKind, TrapFinding
from bench.results.endpoints import Client
from bench.results.records import ERROR, FAILED, Fidelity, StrategyFacts

_SHOULD_FAIL: dict[str, Callable[[int], bool]] = {
    "all fail": lambda _: True,
    "first passes": lambda number: number > 0,
    "alternates": lambda number: number % 2 == 1,
}
"""For each declared pattern of failures: whether the test with a number, from 0, should fail."""


@dataclass(frozen=True)
class TrapResult:
    """The result of one trap."""

    facts: StrategyFacts
    tests: int
    passed: int
    failures: tuple[tuple[ErrorKind, int], ...]
    """Distinct errors and how many tests had each, most frequent first."""
    deviations: tuple[TrapFinding, ...] = ()
    """What the trap declares but did not do; none if it failed as declared."""
    leaked: int = 0
    """Tests whose work passed, but which found rows of an earlier test."""
    probed: bool = False
    """Whether the probes ran: only they can catch a trap without errors."""
    declares_for_client: bool = True
    """Whether traps declare errors for the client that the tests used; other clients may fail in another way."""

    @property
    def is_finding(self) -> bool:
        """Whether it needs attention: under the client that it declares for, or because it did not finish."""
        return any(
            self.declares_for_client or found.deviation in {Deviation.NOT_RUN, Deviation.STOPPED}
            for found in self.deviations
        )

    @property
    def too_few_tests(self) -> bool:
        """Whether there are too few tests for all declared errors to come."""
        errors = self.facts.expected_errors
        return bool(errors) and sum(map(_SHOULD_FAIL[self.facts.expected_failures], range(self.tests))) < len(errors)


def judge_trap(
    facts: StrategyFacts, cell: CellFigures | None, outcomes: Mapping[str, Fidelity], client: Client
) -> TrapResult:
    """
    Check whether a trap failed as it declares.

    :param cell: its only cell; None if it did not run.
    :param outcomes: the outcomes of the probes by strategy.
    :param client: the client that its tests used.
    """
    if cell is None:
        return TrapResult(facts, 0, 0, (), (TrapFinding(Deviation.NOT_RUN),))
    fidelity = outcomes.get(facts.name)
    if cell.stopped:
        stop = TrapFinding(Deviation.STOPPED, cell=cell.stopped)
        return TrapResult(facts, 0, 0, (), (stop,), probed=fidelity is not None)
    return TrapResult(
        facts=facts,
        tests=cell.tests,
        passed=cell.passed,
        failures=tuple(cell.failures.most_common()),
        deviations=tuple(_deviations(facts, cell, fidelity)),
        leaked=cell.leaked,
        probed=fidelity is not None,
        declares_for_client=client.is_declared_for,
    )


def _deviations(facts: StrategyFacts, cell: CellFigures, fidelity: Fidelity | None) -> Iterator[TrapFinding]:
    if not facts.expected_errors:
        if passed := tuple(probe for probe in facts.caught_by if fidelity and not lacking(fidelity, [probe])):
            yield TrapFinding(Deviation.NOT_CAUGHT, probes=passed)
        return
    for exception, words in facts.expected_errors:
        if not any(error.type == exception and words in error.message for error in cell.failures):
            yield TrapFinding(Deviation.ERROR_ABSENT, error=ErrorKind(exception, words))
    # A test that found rows of an earlier one did not fail: the declared error spared it.
    failed = [outcome in (FAILED, ERROR) for outcome in cell.outcomes]
    expected = list(map(_SHOULD_FAIL[facts.expected_failures], range(len(failed))))
    if failed != expected:
        yield TrapFinding(
            Deviation.OTHER_TESTS_FAILED,
            expected=facts.expected_failures,
            outcomes=cell.outcomes,
            same_number=sum(failed) == sum(expected),
        )
