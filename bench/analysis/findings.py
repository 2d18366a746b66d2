"""
What analyses conclude, as enums and frozen records with numbers.

`bench/report/findings_text.py` turns each of them into English; nothing else does.
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from bench.results.records import ERROR, FAILED, Cell, Size


class ErrorKind(NamedTuple):
    """An error of tests, without the phase in which it came."""

    type: str
    """The exception's class name, such as `RuntimeError`."""
    message: str


@dataclass(frozen=True)
class StoppedCell:
    """A cell that did not finish."""

    strategy: str
    size: Size
    round: int
    status: Literal["crashed", "timeout", "server died"]
    detail: str
    """As in `Cell`."""

    @property
    def is_own_fault(self) -> bool:
        """Whether it says something of the strategy; a server that died does not."""
        return self.status != "server died"


def stopped(cell: Cell) -> StoppedCell | None:
    """Return how a cell stopped; None where it finished."""
    if cell.status == "finished":
        return None
    return StoppedCell(cell.strategy, cell.size, cell.round, cell.status, cell.detail)


def failure_counts(cell: Cell) -> Counter[ErrorKind]:
    """Return how many tests of a cell did not pass for each error; a leak is no error."""
    return Counter(
        ErrorKind(cell.failures[index].type, cell.failures[index].message)
        for index, outcome in zip(cell.samples.failure, cell.samples.outcomes, strict=True)
        if index >= 0 and outcome in (FAILED, ERROR)
    )


class Reason(StrEnum):
    """Why a strategy is not ranked."""

    CANNOT_RUN = "cannot run"
    FLOOR = "floor"
    STOPPED = "stopped"
    FAILURES = "failures"
    LEAKS = "leaks"
    MISSING_TESTS = "missing tests"
    NO_ROUND = "no round"
    NOT_PROBED = "not probed"
    LACKS_PROBES = "lacks probes"


@dataclass(frozen=True)
class NotRanked:
    """One reason why a strategy is not ranked. Fields that the reason does not need are empty."""

    reason: Reason
    tests: int = 0
    """How many tests failed, found rows of an earlier test, or did not run."""
    of: int = 0
    """Out of how many."""
    in_warm_up: bool = False
    """Whether these are tests of the warm-up round; else they are of the timed rounds."""
    declared: bool = False
    """Of leaks: whether the strategy declares them."""
    error: ErrorKind | None = None
    """Of failures: the most frequent error."""
    cell: StoppedCell | None = None
    """The cell that stopped."""
    probes: tuple[str, ...] = ()
    """The needed probes that its tests do not pass."""
    cause: str = ""
    """What the strategy itself, or the look for its requirements, says about why it cannot run."""


class Deviation(StrEnum):
    """In what a trap did not do what it declares."""

    NOT_RUN = "not run"
    STOPPED = "stopped"
    ERROR_ABSENT = "error absent"
    OTHER_TESTS_FAILED = "other tests failed"
    NOT_CAUGHT = "not caught"


@dataclass(frozen=True)
class TrapFinding:
    """One thing that a trap declares and that did not happen. Fields that the deviation does not need are empty."""

    deviation: Deviation
    cell: StoppedCell | None = None
    """The cell that stopped."""
    error: ErrorKind | None = None
    """The declared error that did not come; `message` is the words that it must contain."""
    probes: tuple[str, ...] = ()
    """The probes that should have caught the trap and saw nothing wrong."""
    expected: str = ""
    """Which tests should have failed: `all fail`, `first passes` or `alternates`."""
    outcomes: str = ""
    """What the tests did instead, as in `Samples.outcomes`."""
    same_number: bool = False
    """Whether as many tests failed as should have, but others."""
