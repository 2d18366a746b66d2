"""
Calibration: delays that are known are added to tests, and what was measured is set against them.

The machine's speed wanders from process to process by more than the delays, so what is compared ran in one process:
tests of one shape, close to each other, with and without the delay. docs/internals/calibration.md says what this shows.
"""

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
from bench.calibration.cell_rounds import Contender, TrialOptions, run_trials
from bench.results.errors import UserError
from bench.results.records import Cell
from bench.strategy.discovery import load
from bench.workload import SHAPES

Phase = Literal["setup", "call", "teardown"]

PHASES: tuple[Phase, ...] = ("setup", "call", "teardown")
SESSION = "session"
TESTS = 8 * GROUP
"""Of a cell, unless asked for otherwise."""
FOUND = "found"
TOLERANCE, RELATIVE_TOLERANCE = 0.0003, 0.05
"""A delay is found if it was measured within so many seconds, or this share of it, whichever is more."""


@dataclass(frozen=True)
class Finding:
    """What was measured of one delay: medians over rounds, with their 95 % intervals, in seconds."""

    where: str
    """What was delayed."""
    added: float
    measured: statistics.Interval
    leaks: Mapping[Phase, statistics.Interval]
    """
    What it added where nothing had been added, by phase; should be 0.

    Of a session fixture: to the first test's setup, or the last test's teardown, to which pytest bills it.
    """

    @property
    def error(self) -> float:
        """What was measured, less what was added."""
        return float(self.measured.value) - self.added

    @property
    def verdict(self) -> str:
        """
        `found`; `missed`, where it was measured too long or too short; or `leaked into` where it does not belong.

        A leak is one that noise does not explain: its interval leaves out 0. Without an interval the figure decides.
        """
        tolerance = max(TOLERANCE, RELATIVE_TOLERANCE * self.added)
        if abs(self.error) > tolerance:
            return "missed"
        places = [
            place
            for place, leak in self.leaks.items()
            if abs(leak.value) > tolerance and not leak.low <= 0 <= leak.high
        ]
        return f"leaked into {' and '.join(places)}" if places else FOUND


def calibrate(options: TrialOptions, console: Console) -> bool:
    """
    Measure delays that are known, show what was found of them, and return whether all were found.

    :raises UserError: the tests are no whole number of groups, there is no server, or a cell did not run.
    """
    if options.tests < GROUP or options.tests % GROUP:
        raise UserError(f"{options.tests} tests do not fit: give a multiple of {GROUP}, such as {TESTS}.")
    delayed = (*PHASES, SESSION)
    contenders = [Contender(load(f"bench.calibration.delayed_{where}")) for where in delayed]
    rounds = [
        dict(zip(delayed, (trial.cell for trial in trials), strict=True))
        for trials in run_trials(options, contenders, console)
    ]
    found = findings(rounds)
    _show(found, options.tests, rounds, console)
    return all(finding.verdict == FOUND for finding in found)


def findings(rounds: Sequence[Mapping[str, Cell]]) -> list[Finding]:
    """
    Say what was measured of each delay.

    :param rounds: of each, the cell that was delayed in `setup`, in `call`, in `teardown` and in `session`.
    """
    return [*(finding for where in PHASES for finding in _of_phase(where, rounds)), *_of_session(rounds)]


def _of_phase(where: Phase, rounds: Sequence[Mapping[str, Cell]]) -> Iterator[Finding]:
    differences = {phase: np.array([_by_delay(cells[where], phase) for cells in rounds]) for phase in PHASES}
    for number, delay in enumerate(DELAYS[1:]):
        measured = {phase: _interval(differences[phase][:, number]) for phase in PHASES}
        elsewhere = {phase: interval for phase, interval in measured.items() if phase != where}
        yield Finding(where, delay, measured[where], elsewhere)


def _by_delay(cell: Cell, phase: Phase) -> Floats:
    """Return for each delay but the first the median over tests of what a phase took longer than without."""
    samples = np.array(getattr(cell.samples, phase))
    delays = np.array([delay_of(n) for n in range(len(samples))])
    shape = (-1, len(DELAYS), len(SHAPES))
    by_delay = np.take_along_axis(samples.reshape(shape), delays.reshape(shape).argsort(axis=1), axis=1)
    differences: Floats = np.median(by_delay[:, 1:] - by_delay[:, :1], axis=(0, 2))
    return differences


def _of_session(rounds: Sequence[Mapping[str, Cell]]) -> Iterator[Finding]:
    """Compare with the cell of the round to whose setups and teardowns nothing was added."""
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
    """Median over rounds of differences: `cost` takes logarithms, so that is what they are given as."""
    return statistics.Interval(*(np.log(end) for end in statistics.cost(np.exp(differences))))


def _show(found: Sequence[Finding], tests: int, rounds: Sequence[Mapping[str, Cell]], console: Console) -> None:
    console.print()
    console.print(_table_of_delays(found))
    console.print()
    console.print("What it added elsewhere, which should be nothing:")
    console.print(_table_of_leaks(found))
    console.print()
    per_test = sum(float(leak.value) for finding in found[-2:] for leak in finding.leaks.values()) / tests
    load = [cell.load for cells in rounds for cell in cells.values()]
    for sentence in (
        f"Milliseconds; medians over {len(rounds)} round{'' if len(rounds) == 1 else 's'} of {tests} tests.",
        f"Found: to {TOLERANCE * 1000:g} ms or {RELATIVE_TOLERANCE:.0%}, whichever is more.",
        f"The session fixture adds {per_test * 1000:+.3f} ms per test.",
        f"Load of the machine: {min(load):.1f} to {max(load):.1f}. What else runs on it adds delays of its own.",
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
            Text(finding.verdict, style="" if finding.verdict == FOUND else "bold red"),
        )
    return table


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
