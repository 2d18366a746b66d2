"""Whether traps failed as they declare, and how that reads. The cells are synthetic."""

from dataclasses import replace

import pytest

from bench.analysis.findings import ErrorKind
from bench.analysis.ranking import analyse
from bench.analysis.traps import TrapResult
from bench.report.findings_text import deviation_text, trap_text
from bench.report.report_tables import alarms
from bench.results.endpoints import Client
from bench.results.records import (
    Failure,
    Fidelity,
    ProbeResult,
)
from tests.made_runs import BOOM, a_cell, a_run, crashed, facts

SEES = Fidelity("fast", "", "", (ProbeResult("notify", "sees", ""), ProbeResult("same_key", "sees", "")))

HIDES = replace(
    SEES, strategy="slow", sights=(ProbeResult("notify", "hides", "why"), ProbeResult("same_key", "sees", ""))
)

BOTH = [a_cell(name, number, cost) for number in range(1, 8) for name, cost in (("fast", 0.01), ("slow", 0.001))]


def trap_of(failures: str, outcomes: str, messages: tuple[str, ...] = (BOOM.message,)) -> TrapResult:
    """Analyse a trap that declares the error of a different loop, with its one cell in the warm-up round."""
    trap = facts("trap", errors=(("RuntimeError", "different loop"),), failures=failures)
    came = tuple(Failure("call", "RuntimeError", message) for message in messages)
    return analyse(a_run(trap), [a_cell("trap", 0, outcomes=outcomes, failures=came)]).traps[0]


@pytest.mark.parametrize(
    ("failures", "outcomes"),
    [
        ("all fail", "FFFFEFFF"),
        ("first passes", ".FFFEFFF"),
        ("alternates", ".F.E.F.F"),
        ("alternates", ".FLFLFLF"),
    ],
)
def test_a_trap_that_fails_as_declared_has_no_finding(failures: str, outcomes: str) -> None:
    """Each declared pattern is recognised; a test that only found leaked rows did not fail."""
    trap = trap_of(failures, outcomes)
    assert trap.deviations == ()
    failed = outcomes.count("F") + outcomes.count("E")
    assert trap.failures == ((ErrorKind("RuntimeError", "attached to a different loop"), failed),)
    assert (trap.tests, trap.passed, trap.leaked) == (8, outcomes.count("."), outcomes.count("L"))


@pytest.mark.parametrize(
    ("failures", "outcomes", "finding"),
    [
        ("all fail", "FFF.FFFF", "expected every test to fail, but 1 of 8 passed"),
        ("first passes", ".FF.FFFF", "expected the first test to pass and all others to fail, but 2 of 8 passed"),
        (
            "first passes",
            "F.FFFFFF",
            "expected the first test to pass and all others to fail, but 1 of 8 passed, in the order F.FFFFFF",
        ),
        ("alternates", ".......F", "expected every other test to pass, starting with the first, but 7 of 8 passed"),
    ],
)
def test_a_trap_that_fails_differently_is_a_finding(failures: str, outcomes: str, finding: str) -> None:
    """The finding says which tests should have failed, and how many did not."""
    assert deviation_text(trap_of(failures, outcomes)) == f"{finding}: a library has changed"


def test_a_trap_whose_error_does_not_come_is_a_finding() -> None:
    """The right number of failures with a different message is a finding."""
    finding = deviation_text(trap_of("all fail", "F" * 8, ("connection refused",)))
    expected = "expected RuntimeError with the words 'different loop', which did not occur: a library has changed"
    assert finding == expected


def test_a_trap_that_passes_every_test_says_both() -> None:
    """If neither the error nor the failures come, the finding names both."""
    finding = deviation_text(trap_of("all fail", "." * 8))
    assert finding.startswith("expected RuntimeError with the words 'different loop', which did not occur; expected")
    assert finding.endswith("8 of 8 passed: a library has changed")


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (".LLL", "works here: 1 of 4 tests pass, 3 find rows of an earlier one"),
        (".FFF", "fails here in another way: 3 of 4 tests"),
        ("FFFF", "fails as declared: 4 of 4 tests"),
    ],
)
def test_a_trap_under_another_client_is_no_finding(outcomes: str, verdict: str) -> None:
    """Traps declare errors for asyncpg, asyncio and pytest-asyncio; results under other clients are not findings."""
    trap = facts("trap", hides=("notify",), errors=(("RuntimeError", "different loop"),), failures="all fail")
    cells, seen = [a_cell("trap", 0, outcomes=outcomes, failures=(BOOM,))], {"trap": replace(SEES, strategy="trap")}
    analysis = analyse(replace(a_run(trap), client=Client(driver="psycopg")), cells, seen)
    assert alarms(analysis) == []
    assert trap_text(analysis.traps[0]) == verdict
    assert alarms(analyse(a_run(trap), cells, seen))[-1].startswith("FINDING: trap ")


def test_one_test_is_too_few_for_a_trap_whose_first_test_passes() -> None:
    """A run with a single test cannot show the error, and the finding does not blame a library."""
    assert deviation_text(trap_of("first passes", ".")).endswith("the run has too few tests for it")


def test_a_trap_that_crashed_or_never_ran_says_so() -> None:
    """Without a finished cell the declared error is not reported as missing."""
    run = a_run(facts("trap", errors=(("RuntimeError", "different loop"),), failures="all fail"))
    assert deviation_text(analyse(run, []).traps[0]) == "it did not run"
    died = analyse(run, [crashed("trap", 0)])
    assert deviation_text(died.traps[0]) == "it crashed in the warm-up round: exit code -9"
    assert [cell.strategy for cell in died.unfinished] == ["trap"]


@pytest.mark.parametrize(
    ("outcomes", "finding", "words"),
    [
        ({}, "", "not probed"),
        ({"slow": HIDES}, "", "fails silently, caught as declared by notify; 2 of 4 tests pass, 2 find rows"),
        (
            {"slow": replace(SEES, strategy="slow")},
            "expected notify to catch it, but they passed: a library has changed",
            "DID NOT FAIL AS DECLARED",
        ),
    ],
)
def test_silent_trap_is_judged_by_its_probes(outcomes: dict[str, Fidelity], finding: str, words: str) -> None:
    """A trap without errors fails as declared if its probes catch it, whatever its tests did in the workload."""
    silent = replace(facts("slow", hides=("notify",)), is_trap=True, caught_by=("notify",))
    (trap,) = analyse(a_run(silent), [a_cell("slow", 0, outcomes="..LL")], outcomes).traps
    assert deviation_text(trap) == finding
    assert words in trap_text(trap)
