"""
Calibration: adds known delays to tests, and compares them with what was measured.

A machine's speed varies between processes by more than the delays. So each comparison stays within one process: tests
of one shape, close to each other, with and without the delay. See docs/internals/calibration.md.
"""

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis import statistics
from bench.analysis.statistics import Floats
from bench.calibration import DELAYS, GROUP, SESSION_DELAY, delay_of
from bench.calibration.cell_rounds import CellVariant, RoundOptions, run_rounds
from bench.results.errors import UserError
from bench.results.records import Cell
from bench.strategy.discovery import load
from bench.workload import SHAPES

Phase = Literal["setup", "call", "teardown"]

PHASES: tuple[Phase, ...] = ("setup", "call", "teardown")
SESSION = "session"
TESTS = 8 * GROUP
"""Tests per cell, by default."""
TOLERANCE, RELATIVE_TOLERANCE = 0.0003, 0.05
"""A delay is found if the error is at most this many seconds, or this share of the delay, whichever is more."""


class Verdict(enum.Enum):
    """Whether a known delay was measured correctly."""

    FOUND = "found"
    MISSED = "missed"
    """It was measured too long or too short."""
    LEAKED = "leaked"
    """It was also measured where nothing had been added."""


@dataclass(frozen=True)
class Finding:
    """How one delay was measured: medians over rounds with 95 % intervals, in seconds."""

    where: str
    """What was delayed: a phase, or the session's setup or teardown."""
    added: float
    measured: statistics.Interval
    leaks: Mapping[Phase, statistics.Interval]
    """
    What it added to phases that were not delayed, which should be 0.

    For a session fixture: to the first test's setup or the last test's teardown, where pytest would bill it.
    """

    @property
    def error(self) -> float:
        """The measured delay minus the added one."""
        return float(self.measured.value) - self.added

    @property
    def leaked_into(self) -> tuple[Phase, ...]:
        """
        Phases that were not delayed and yet measured longer.

        Noise does not explain these: their intervals exclude 0. Without an interval the median decides.
        """
        return tuple(
            phase
            for phase, leak in self.leaks.items()
            if abs(leak.value) > self._tolerance and not leak.low <= 0 <= leak.high
        )

    @property
    def verdict(self) -> Verdict:
        """Whether the delay was measured correctly."""
        if abs(self.error) > self._tolerance:
            return Verdict.MISSED
        return Verdict.LEAKED if self.leaked_into else Verdict.FOUND

    @property
    def _tolerance(self) -> float:
        return max(TOLERANCE, RELATIVE_TOLERANCE * self.added)


def calibrate(options: RoundOptions, console: Console) -> bool:
    """
    Measure known delays, print the results, and return whether all were found.

    :raises UserError: the tests are not a multiple of `GROUP`, there is no server, or a cell did not finish.
    """
    if options.tests < GROUP or options.tests % GROUP:
        raise UserError(f"{options.tests} tests are not possible: give a multiple of {GROUP}, such as {TESTS}.")
    delayed = (*PHASES, SESSION)
    variants = [CellVariant(load(f"bench.calibration.delayed_{where}")) for where in delayed]
    rounds = [
        dict(zip(delayed, (measured.cell for measured in cells), strict=True))
        for cells in run_rounds(options, variants, console)
    ]
    found = findings(rounds)
    _show(found, options.tests, rounds, console)
    return all(finding.verdict is Verdict.FOUND for finding in found)


def findings(rounds: Sequence[Mapping[str, Cell]]) -> list[Finding]:
    """
    Return how each delay was measured.

    :param rounds: for each round, its cells by what was delayed: `setup`, `call`, `teardown` and `session`.
    """
    return [*(finding for where in PHASES for finding in _of_phase(where, rounds)), *_of_session(rounds)]


def _of_phase(where: Phase, rounds: Sequence[Mapping[str, Cell]]) -> Iterator[Finding]:
    differences = {phase: np.array([_by_delay(cells[where], phase) for cells in rounds]) for phase in PHASES}
    for number, delay in enumerate(DELAYS[1:]):
        measured = {phase: _interval(differences[phase][:, number]) for phase in PHASES}
        elsewhere = {phase: interval for phase, interval in measured.items() if phase != where}
        yield Finding(where, delay, measured[where], elsewhere)


def _by_delay(cell: Cell, phase: Phase) -> Floats:
    """Return for each delay but the first how much longer a phase took than without: the median over tests."""
    samples = np.array(getattr(cell.samples, phase))
    delays = np.array([delay_of(n) for n in range(len(samples))])
    shape = (-1, len(DELAYS), len(SHAPES))
    by_delay = np.take_along_axis(samples.reshape(shape), delays.reshape(shape).argsort(axis=1), axis=1)
    differences: Floats = np.median(by_delay[:, 1:] - by_delay[:, :1], axis=(0, 2))
    return differences


def _of_session(rounds: Sequence[Mapping[str, Cell]]) -> Iterator[Finding]:
    """Compare with the cell of the same round whose setups and teardowns were not delayed."""
    pairs = [(cells[SESSION], cells["call"]) for cells in rounds]

    def difference(sample: Callable[[Cell], float]) -> statistics.Interval:
        return _interval(np.array([sample(delayed) - sample(other) for delayed, other in pairs]))

    yield Finding(
        "session setup",
        SESSION_DELAY,
        difference(lambda cell: cell.session_setup),
        {"setup": difference(lambda cell: cell.samples.setup[0])},
    )
    yield Finding(
        "session teardown",
        SESSION_DELAY,
        difference(lambda cell: cell.session_teardown),
        {"teardown": difference(lambda cell: cell.samples.teardown[-1])},
    )


def _interval(differences: Floats) -> statistics.Interval:
    """Return the median of differences over rounds. `cost` works on logarithms, hence the conversion and back."""
    return statistics.Interval(*(np.log(end) for end in statistics.cost(np.exp(differences))))


def _show(found: Sequence[Finding], tests: int, rounds: Sequence[Mapping[str, Cell]], console: Console) -> None:
    console.print()
    console.print(_table_of_delays(found))
    console.print()
    console.print("Added to phases that were not delayed (should be 0):")
    console.print(_table_of_leaks(found))
    console.print()
    per_test = sum(float(leak.value) for finding in found[-2:] for leak in finding.leaks.values()) / tests
    load = [cell.load for cells in rounds for cell in cells.values()]
    for sentence in (
        f"Milliseconds; medians over {len(rounds)} round{'' if len(rounds) == 1 else 's'} of {tests} tests.",
        f"Found: the error is at most {TOLERANCE * 1000:g} ms or {RELATIVE_TOLERANCE:.0%}, whichever is more.",
        f"The session fixture adds {per_test * 1000:+.3f} ms per test.",
        f"Load of the machine: {min(load):.1f} to {max(load):.1f}. Other programs add delays of their own.",
    ):
        console.print(sentence, highlight=False)


def _table_of_delays(found: Sequence[Finding]) -> Table:
    table = _empty_table("delay in", "added", "measured", "95 % interval", "error")
    table.add_column("verdict")
    for finding in found:
        interval = finding.measured
        table.add_row(
            finding.where,
            f"{finding.added * 1000:g}",
            f"{interval.value * 1000:.2f}",
            "-" if np.isnan(interval.low) else f"{interval.low * 1000:.2f} to {interval.high * 1000:.2f}",
            f"{finding.error * 1000:+.2f}",
            Text(_verdict_text(finding), style="" if finding.verdict is Verdict.FOUND else "bold red"),
        )
    return table


def _verdict_text(finding: Finding) -> str:
    into = f" into {' and '.join(finding.leaked_into)}" if finding.verdict is Verdict.LEAKED else ""
    return f"{finding.verdict.value}{into}"


def _table_of_leaks(found: Sequence[Finding]) -> Table:
    table = _empty_table("delay in", "added", *PHASES)
    for finding in found:
        leaks = {phase: f"{leak.value * 1000:+.2f}" for phase, leak in finding.leaks.items()}
        table.add_row(finding.where, f"{finding.added * 1000:g}", *(leaks.get(phase, "") for phase in PHASES))
    return table


def _empty_table(first: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table
