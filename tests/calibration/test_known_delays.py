"""
Calibration finds known delays where they were added, and detects a faulty recorder.

Most tests use synthetic samples, so they control exactly what was measured. The strategies and the command run on a
real Postgres; their assertions hold at any speed.
"""

import dataclasses
import io
import itertools
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench.analysis import statistics
from bench.analysis.statistics import Floats
from bench.calibration import DELAYS, GROUP, PAUSE, SESSION_DELAY, delay_of, spin
from bench.calibration.cell_rounds import RoundOptions
from bench.calibration.known_delays import PHASES, TESTS, Finding, Phase, Verdict, calibrate, findings
from bench.measure.cell import CellOrder, run_cell
from bench.measure.child import Spawn
from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.records import Cell, Samples, Size
from bench.server import Server
from bench.strategy.discovery import load
from bench.workload import SHAPES

ROUNDS = 6
BASE = {"setup": 0.003, "call": 0.008, "teardown": 0.001}
ADDED = np.array([delay_of(n) for n in range(TESTS)])

Rounds = list[dict[str, Cell]]


def a_cell(strategy: str = "delayed_setup", **figures: object) -> Cell:
    """Make a finished cell without samples."""
    cell = Cell(
        strategy=strategy,
        size=Size(TESTS, 5, 0),
        round=1,
        position=0,
        started="2025-01-01T00:00:00+00:00",
        status="finished",
        detail="",
        wall=4.0,
        cpu=3.0,
        startup=1.5,
        collection=0.1,
        session_setup=0.1,
        session_teardown=0.005,
        shutdown=0.1,
        residual=0.05,
        wal_bytes_per_test=None,
        load=0.5,
        steal=0.0,
        failures=(),
        samples=Samples(),
    )
    return dataclasses.replace(cell, **figures)  # type: ignore[arg-type] # by name


def rounds_of(change: Callable[[str, dict[str, Floats]], None] | None = None) -> Rounds:
    """
    Make rounds in which every delay is measured exactly.

    Shapes differ by a factor of 2, processes by a fifth in speed, tests by a tenth; one test in twenty takes 30 ms
    longer.

    :param change: distorts a cell's phases like a faulty recorder.
    """
    random = np.random.default_rng(1)

    def cell(where: str) -> Cell:
        speed = random.uniform(0.9, 1.1)
        shapes = np.resize(np.linspace(1, 2, len(SHAPES)), TESTS)
        phases = {}
        for phase, base in BASE.items():
            noise = random.normal(1, 0.1, TESTS)
            disturbed = 0.030 * (random.random(TESTS) < 0.05)
            phases[phase] = base * shapes * noise * speed + disturbed + (ADDED if where == phase else 0)
        # The first test of a process is slow, and the last may be, delayed or not.
        phases["setup"][0], phases["teardown"][-1] = 0.040 * speed, 0.003 * speed
        if change is not None:
            change(where, phases)
        session = SESSION_DELAY if where == "session" else 0
        samples = Samples(**{phase: tuple(values) for phase, values in phases.items()})  # type: ignore[arg-type] # floats
        return a_cell(samples=samples, session_setup=0.1 * speed + session, session_teardown=0.005 * speed + session)

    return [{where: cell(where) for where in (*PHASES, "session")} for _ in range(ROUNDS)]


Result = tuple[Verdict, tuple[Phase, ...]]
FOUND: Result = (Verdict.FOUND, ())
MISSED: Result = (Verdict.MISSED, ())


def verdicts(rounds: Rounds) -> dict[tuple[str, float], Result]:
    """Return the verdict on each delay, and the phases that it leaked into."""
    return {(finding.where, finding.added): (finding.verdict, finding.leaked_into) for finding in findings(rounds)}


def test_every_shape_meets_every_delay_once_in_a_group() -> None:
    """In every group of tests each shape runs once with each delay."""
    for group in range(20):
        met = Counter((n % len(SHAPES), delay_of(n)) for n in range(group * GROUP, (group + 1) * GROUP))
        assert met == {(shape, delay): 1 for shape in range(len(SHAPES)) for delay in DELAYS}


def test_delays_correlate_with_neither_position_nor_predecessor() -> None:
    """Every delay occurs at every position of a group, and after every other delay."""
    delays = [delay_of(n) for n in range(20 * GROUP)]
    places = {(n % GROUP // len(SHAPES), delay) for n, delay in enumerate(delays)}
    assert len(places) == len(DELAYS) ** 2
    assert len(set(itertools.pairwise(delays))) == len(DELAYS) ** 2


def test_spin_is_never_too_short() -> None:
    """A delay takes at least as long as requested."""
    started = time.perf_counter()
    spin(0.005)
    assert time.perf_counter() - started >= 0.005


def test_delays_are_found_although_processes_differ_in_speed() -> None:
    """Correctly measured delays are found within 0.3 ms or 5 %, although processes differ by far more."""
    found = findings(rounds_of())
    assert [(finding.where, finding.added) for finding in found] == [
        *((phase, delay) for phase in PHASES for delay in DELAYS[1:]),
        ("session setup", SESSION_DELAY),
        ("session teardown", SESSION_DELAY),
    ]
    assert {finding.verdict for finding in found} == {Verdict.FOUND}
    for finding in found:
        assert finding.measured.low <= finding.measured.value <= finding.measured.high


def test_delay_measured_short_is_missed() -> None:
    """A recorder that loses a tenth of the setup misses the delays in setup, and no others."""

    def lose(where: str, phases: dict[str, Floats]) -> None:
        phases["setup"] -= 0.1 * ADDED if where == "setup" else 0

    results = verdicts(rounds_of(lose))
    # A tenth of 2 ms is within 0.3 ms.
    assert {key for key, verdict in results.items() if verdict == MISSED} == {("setup", 0.005), ("setup", 0.020)}
    assert set(results.values()) == {FOUND, MISSED}


def test_delay_measured_elsewhere_too_is_a_leak() -> None:
    """A recorder that also bills the delay of the call to teardown is detected, with the phase named."""

    def bill_twice(where: str, phases: dict[str, Floats]) -> None:
        phases["teardown"] += ADDED if where == "call" else 0

    results = verdicts(rounds_of(bill_twice))
    assert {results["call", delay] for delay in DELAYS[1:]} == {(Verdict.LEAKED, ("teardown",))}
    assert {verdict for (where, _), verdict in results.items() if where != "call"} == {FOUND}


def test_leak_must_be_more_than_noise() -> None:
    """A difference in another phase is a leak only if its interval excludes 0."""
    measured, by_chance, every_time = (
        statistics.Interval(*map(np.array, ends))
        for ends in ((0.002, 0.0019, 0.0021), (0.0005, -0.0005, 0.0015), (0.0005, 0.0004, 0.0015))
    )
    assert Finding("setup", 0.002, measured, {"call": by_chance}).verdict is Verdict.FOUND
    assert Finding("setup", 0.002, measured, {"call": every_time}).leaked_into == ("call",)


def test_session_fixture_billed_to_tests_is_a_leak() -> None:
    """Billing a session fixture to the first setup and the last teardown, as pytest does, is detected."""

    def as_pytest_does(where: str, phases: dict[str, Floats]) -> None:
        if where == "session":
            phases["setup"][0] += SESSION_DELAY
            phases["teardown"][-1] += SESSION_DELAY

    results = verdicts(rounds_of(as_pytest_does))
    assert results["session setup", SESSION_DELAY] == (Verdict.LEAKED, ("setup",))
    assert results["session teardown", SESSION_DELAY] == (Verdict.LEAKED, ("teardown",))


def test_session_fixture_not_measured_is_missed() -> None:
    """A session fixture that is not recorded at all is missed."""
    rounds = [
        {**cells, "session": dataclasses.replace(cells["session"], session_setup=0.1, session_teardown=0.005)}
        for cells in rounds_of()
    ]
    results = verdicts(rounds)
    assert [results[where, SESSION_DELAY] for where in ("session setup", "session teardown")] == [MISSED, MISSED]


def test_one_round_has_no_interval() -> None:
    """Without replication there is no interval."""
    for finding in findings(rounds_of()[:1]):
        assert np.isnan([finding.measured.low, finding.measured.high]).all()


@pytest.mark.parametrize("tests", [0, 27, 100])
def test_tests_that_fill_no_group_are_refused(tests: int) -> None:
    """A number of tests that is not a multiple of the group is refused before a server starts."""
    options = RoundOptions(rounds=1, tests=tests, source=ServerSource("no server"))
    with pytest.raises(UserError, match=rf"^{tests} tests .* multiple of 28, such as 224\.$"):
        calibrate(options, Console(file=io.StringIO()))


@pytest.mark.parametrize("where", [*PHASES, "session"])
def test_delays_are_added_where_they_say(where: str, server: Server, tmp_path: Path) -> None:
    """On a real Postgres no sample is shorter than its delay, and the session's delay is in no test."""
    strategy = load(f"bench.calibration.delayed_{where}")
    order = CellOrder(strategy, Size(GROUP, 5, 0), 1, 0)
    with server.temporary_database(f"looptrap_calibrate_{where}") as url:
        cell = run_cell(order, server, url, 300, tmp_path, Spawn())
    assert cell.samples.outcomes == "." * GROUP
    for phase in PHASES:
        samples = getattr(cell.samples, phase)
        assert len(samples) == GROUP
        assert all(sample > (PAUSE + delay_of(n) if phase == where else 0) for n, sample in enumerate(samples))
    assert (cell.session_setup > SESSION_DELAY) == (where == "session")
    assert (cell.session_teardown > SESSION_DELAY) == (where == "session")


def test_calibration_shows_every_delay() -> None:
    """The command prints a row for each delay, and returns whether all are found."""
    shown = io.StringIO()
    options = RoundOptions(rounds=1, tests=GROUP, source=ServerSource("embedded"))
    all_found = calibrate(options, Console(file=shown, width=200))
    words = [line.split() for line in shown.getvalue().splitlines()]
    rows = [row for row in words if row and row[0] in {*PHASES, "session"}]
    table, leaks = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    delays = [f"{delay * 1000:g}" for delay in DELAYS[1:]]
    assert [row[:2] for row in table[:9]] == [[phase, delay] for phase in PHASES for delay in delays]
    assert [row[:3] for row in table[9:]] == [["session", "setup", "500"], ["session", "teardown", "500"]]
    # A generous bound: the delay is 500 ms, and the baseline about 5 ms.
    assert float(table[10][3]) > 250
    assert [row[:2] for row in leaks] == [row[:2] for row in table]
    assert [len(row) for row in leaks] == 11 * [4]
    assert all_found == all(row[-1] == "found" for row in table)
