"""
Calibration: a known delay is found where it was added, and what a wrong recorder does is seen.

The figures come from synthetic samples, so each test decides exactly what was measured. The strategies and the command
run on a real Postgres, where only what holds at any speed is asserted.
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
from bench.calibration.cell_rounds import TrialOptions
from bench.calibration.known_delays import PHASES, TESTS, Finding, calibrate, findings
from bench.measure.cell import CellOrder, run_cell
from bench.results.endpoints import Source
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
    Make rounds in which every delay is measured as it was added.

    Shapes differ by a factor of 2, processes by a fifth in speed, tests by a tenth, and one in twenty is disturbed by
    30 ms.

    :param change: does to a cell's phases what a wrong recorder would.
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
        # The first test of a process is slow, and so may the last be, delayed or not.
        phases["setup"][0], phases["teardown"][-1] = 0.040 * speed, 0.003 * speed
        if change is not None:
            change(where, phases)
        session = SESSION_DELAY if where == "session" else 0
        samples = Samples(**{phase: tuple(values) for phase, values in phases.items()})  # type: ignore[arg-type] # floats
        return a_cell(samples=samples, session_setup=0.1 * speed + session, session_teardown=0.005 * speed + session)

    return [{where: cell(where) for where in (*PHASES, "session")} for _ in range(ROUNDS)]


def verdicts(rounds: Rounds) -> dict[tuple[str, float], str]:
    """Return the verdict on each delay."""
    return {(finding.where, finding.added): finding.verdict for finding in findings(rounds)}


def test_every_shape_meets_every_delay_once_in_a_group() -> None:
    """What is compared is complete: in every group of tests each shape runs once with each delay."""
    for group in range(20):
        met = Counter((n % len(SHAPES), delay_of(n)) for n in range(group * GROUP, (group + 1) * GROUP))
        assert met == {(shape, delay): 1 for shape in range(len(SHAPES)) for delay in DELAYS}


def test_delays_go_with_neither_place_nor_predecessor() -> None:
    """Every delay comes at every place of a group, and after every delay."""
    delays = [delay_of(n) for n in range(20 * GROUP)]
    places = {(n % GROUP // len(SHAPES), delay) for n, delay in enumerate(delays)}
    assert len(places) == len(DELAYS) ** 2
    assert len(set(itertools.pairwise(delays))) == len(DELAYS) ** 2


def test_spin_lasts_as_long_as_it_says() -> None:
    """A delay is never shorter than what is said to have been added."""
    started = time.perf_counter()
    spin(0.005)
    assert time.perf_counter() - started >= 0.005


def test_delays_are_found_although_processes_differ_in_speed() -> None:
    """What is measured right is found, to 0.3 ms or 5 %, through noise far above that between processes."""
    found = findings(rounds_of())
    assert [(finding.where, finding.added) for finding in found] == [
        *((phase, delay) for phase in PHASES for delay in DELAYS[1:]),
        ("session setup", SESSION_DELAY),
        ("session teardown", SESSION_DELAY),
    ]
    assert {finding.verdict for finding in found} == {"found"}
    for finding in found:
        assert finding.measured.low <= finding.measured.value <= finding.measured.high


def test_delay_measured_short_is_missed() -> None:
    """A recorder that loses a tenth of what setup takes misses the delays in setup, and no other."""

    def lose(where: str, phases: dict[str, Floats]) -> None:
        phases["setup"] -= 0.1 * ADDED if where == "setup" else 0

    said = verdicts(rounds_of(lose))
    # A tenth of 2 ms is within 0.3 ms.
    assert {key for key, verdict in said.items() if verdict == "missed"} == {("setup", 0.005), ("setup", 0.020)}
    assert set(said.values()) == {"found", "missed"}


def test_delay_measured_elsewhere_too_is_a_leak() -> None:
    """A recorder that bills the delay of the call to teardown as well is caught, by the phase's name."""

    def bill_twice(where: str, phases: dict[str, Floats]) -> None:
        phases["teardown"] += ADDED if where == "call" else 0

    said = verdicts(rounds_of(bill_twice))
    assert {said["call", delay] for delay in DELAYS[1:]} == {"leaked into teardown"}
    assert {verdict for (where, _), verdict in said.items() if where != "call"} == {"found"}


def test_leak_must_be_more_than_noise() -> None:
    """What chance alone may have put into another phase, as its interval says, is no leak; the same every time is."""
    measured, by_chance, every_time = (
        statistics.Interval(*map(np.array, ends))
        for ends in ((0.002, 0.0019, 0.0021), (0.0005, -0.0005, 0.0015), (0.0005, 0.0004, 0.0015))
    )
    assert Finding("setup", 0.002, measured, {"call": by_chance}).verdict == "found"
    assert Finding("setup", 0.002, measured, {"call": every_time}).verdict == "leaked into call"


def test_session_fixture_billed_to_tests_is_a_leak() -> None:
    """What pytest itself does, to bill a session fixture to the first setup and the last teardown, is caught."""

    def as_pytest_does(where: str, phases: dict[str, Floats]) -> None:
        if where == "session":
            phases["setup"][0] += SESSION_DELAY
            phases["teardown"][-1] += SESSION_DELAY

    said = verdicts(rounds_of(as_pytest_does))
    assert said["session setup", SESSION_DELAY] == "leaked into setup"
    assert said["session teardown", SESSION_DELAY] == "leaked into teardown"


def test_session_fixture_not_measured_is_missed() -> None:
    """A session fixture that stands nowhere is missed."""
    rounds = [
        {**cells, "session": dataclasses.replace(cells["session"], session_setup=0.1, session_teardown=0.005)}
        for cells in rounds_of()
    ]
    said = verdicts(rounds)
    assert [said[where, SESSION_DELAY] for where in ("session setup", "session teardown")] == ["missed", "missed"]


def test_one_round_has_no_interval() -> None:
    """Without replication the figure stands alone."""
    for finding in findings(rounds_of()[:1]):
        assert np.isnan([finding.measured.low, finding.measured.high]).all()


@pytest.mark.parametrize("tests", [0, 27, 100])
def test_tests_that_fill_no_group_are_refused(tests: int) -> None:
    """A number of tests in which a shape lacks a delay is refused before a server is started."""
    options = TrialOptions(rounds=1, tests=tests, source=Source("no server"))
    with pytest.raises(UserError, match=rf"^{tests} tests .* multiple of 28, such as 224\.$"):
        calibrate(options, Console(file=io.StringIO()))


@pytest.mark.parametrize("where", [*PHASES, "session"])
def test_delays_are_added_where_they_say(where: str, server: Server, tmp_path: Path) -> None:
    """On a real Postgres no sample is shorter than what was added to it, and the session's delay is in no test."""
    strategy = load(f"bench.calibration.delayed_{where}")
    order = CellOrder(strategy, Size(GROUP, 5, 0), 1, 0)
    cell = run_cell(order, server, f"looptrap_calibrate_{where}", 300, tmp_path)
    assert cell.samples.outcomes == "." * GROUP
    for phase in PHASES:
        samples = getattr(cell.samples, phase)
        assert len(samples) == GROUP
        assert all(sample > (PAUSE + delay_of(n) if phase == where else 0) for n, sample in enumerate(samples))
    assert (cell.session_setup > SESSION_DELAY) == (where == "session")
    assert (cell.session_teardown > SESSION_DELAY) == (where == "session")


def test_calibration_shows_every_delay() -> None:
    """The command shows each delay with what was measured of it, and returns what its table says."""
    shown = io.StringIO()
    options = TrialOptions(rounds=1, tests=GROUP, source=Source("embedded"))
    all_found = calibrate(options, Console(file=shown, width=200))
    words = [line.split() for line in shown.getvalue().splitlines()]
    rows = [row for row in words if row and row[0] in {*PHASES, "session"}]
    table, leaks = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    delays = [f"{delay * 1000:g}" for delay in DELAYS[1:]]
    assert [row[:2] for row in table[:9]] == [[phase, delay] for phase in PHASES for delay in delays]
    assert [row[:3] for row in table[9:]] == [["session", "setup", "500"], ["session", "teardown", "500"]]
    # Generous: the delay is 500 ms, and what it is compared with takes 5.
    assert float(table[10][3]) > 250
    assert [row[:2] for row in leaks] == [row[:2] for row in table]
    assert [len(row) for row in leaks] == 11 * [4]
    assert all_found == all(row[-1] == "found" for row in table)
