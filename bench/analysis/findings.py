"""
What analyses conclude, as enums and frozen records with numbers.

`bench/report/findings_text.py` turns each of them into English; nothing else does.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from bench.analysis.estimates import Estimate
from bench.results.records import Cell, Size


class ErrorKind(NamedTuple):
    """An error that tests raised, without the phase in which it occurred."""

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
        """Whether it counts against the strategy; a server that died does not."""
        return self.status != "server died"


def stopped(cell: Cell) -> StoppedCell | None:
    """Return how a cell stopped; None if it finished."""
    if cell.status == "finished":
        return None
    return StoppedCell(cell.strategy, cell.size, cell.round, cell.status, cell.detail)


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
    """Whether these are tests of the warm-up round, not of the timed rounds."""
    declared: bool = False
    """Of leaks: whether the strategy declares them."""
    error: ErrorKind | None = None
    """Of failures: the most frequent error."""
    cell: StoppedCell | None = None
    """The cell that stopped."""
    probes: tuple[str, ...] = ()
    """Needed probes that its tests do not pass."""
    cause: str = ""
    """Why it cannot run, as the strategy declares or the check of its requirements found."""


class Deviation(StrEnum):
    """How a trap deviated from its declaration."""

    NOT_RUN = "not run"
    STOPPED = "stopped"
    ERROR_ABSENT = "error absent"
    OTHER_TESTS_FAILED = "other tests failed"
    NOT_CAUGHT = "not caught"


@dataclass(frozen=True)
class TrapFinding:
    """One way in which a trap deviated from its declaration. Fields that the deviation does not need are empty."""

    deviation: Deviation
    cell: StoppedCell | None = None
    """The cell that stopped."""
    error: ErrorKind | None = None
    """The declared error that did not occur; `message` is the part of it that was declared."""
    probes: tuple[str, ...] = ()
    """The probes that should have caught the trap but passed."""
    expected: str = ""
    """Which tests should have failed: `all fail`, `first passes` or `alternates`."""
    outcomes: str = ""
    """What the tests did instead, as in `Samples.outcomes`."""
    same_number: bool = False
    """Whether the right number of tests failed, but the wrong ones."""


class NoiseKind(StrEnum):
    """A kind of reason why the noise verdict on a run is not `quiet`."""

    NO_INTERVAL = "no interval"
    """Fewer than two timed rounds finished."""
    FEW_ROUNDS = "few rounds"
    NO_TWIN = "no twin"
    WIDE_TWIN = "wide twin"
    TWIN_DIFFERS = "twin differs"
    DRIFT = "drift"
    CORRELATED = "correlated"
    LOAD = "load"
    STEAL = "steal"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class NoiseFinding:
    """One reason why the noise verdict on a run is not `quiet`. Fields that the kind does not need are empty."""

    kind: NoiseKind
    rounds: int = 0
    """Timed rounds that finished."""
    twin: Estimate | None = None
    """`none_twin` to `none`: the A/A check."""
    share: float = 0
    """
    Of a wide A/A interval: how far it reaches from 1. Of a drift: by how much the cost changed from the first cell to
    the last. Of correlated neighbours: the spread of cells. Of steal: the processor time given to others. Of
    unexplained time: the largest part of a cell's wall time.
    """
    correlation: float = 0
    """Of neighbouring cells."""
    load: float = 0
    """The machine's load average over one minute."""
    cores: int = 0
    cells: int = 0
    """Cells with much unexplained time."""
    of: int = 0
    """Out of how many cells."""
    strategy: str = ""
    """Of the cell with the most unexplained time."""
    round: int = 0
    """Of that cell."""


@dataclass(frozen=True)
class ProbeContradiction:
    """
    A probe's outcome that contradicts what a strategy declares.

    An outcome of the control contradicts the probe itself: it does not hold for real commits on plain connections.
    """

    strategy: str
    probe: str
    outcome: Literal["sees", "hides", "breaks"]
    """With `sees`, the strategy declares to hide the probe; with any other outcome, it does not."""


class RankingOutcome(StrEnum):
    """What a run can say about which strategy is cheapest."""

    NONE_RANKED = "none ranked"
    ONE_RANKED = "one ranked"
    NO_INTERVAL = "no interval"
    """One round gives no interval, so strategies cannot be compared."""
    TOO_NOISY = "too noisy"
    ALL_TIED = "all tied"
    CHEAPEST = "cheapest"
    """The first strategy is significantly cheaper than at least one other."""
