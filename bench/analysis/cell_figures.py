"""
One cell, reduced to its figures.

All analyses need the same few figures of a cell, and none its samples. So each cell is reduced once, as it is read, and
memory does not grow with the number of tests.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean, median

from bench.analysis.findings import ErrorKind, StoppedCell, stopped
from bench.results.records import ERROR, FAILED, LEAKED, PASSED, WARM_UP, Cell, Samples, Size

NAN = float("nan")


@dataclass(frozen=True)
class CellFigures:
    """
    The figures of one cell.

    Times are seconds. Figures are NaN if there was nothing to measure or the cell did not finish.
    """

    strategy: str
    size: Size
    round: int
    position: int
    condition: str
    stopped: StoppedCell | None
    """How it stopped; None if it finished."""
    tests: int
    """Tests that ran."""
    passed: int
    leaked: int
    """Tests whose work passed, but which found rows of an earlier test."""
    outcomes: str
    """As in `Samples`, but only of the warm-up round, where traps run."""
    failures: Counter[ErrorKind]
    """Tests with each error; leaks are not errors."""
    per_test: float
    """Median over tests of setup + call + teardown."""
    mean_per_test: float
    setup: float
    """Median over tests, like `call` and `teardown`."""
    call: float
    teardown: float
    fixed: float
    """
    Start-up, collection, session fixtures and shutdown.

    A suite starts in a new interpreter, a forked cell does not. So start-up and shutdown of a forked cell are replaced
    by their median over the cells of the warm-up round, the same for all strategies, since imports are the harness's.
    The same holds for `wall`.
    """
    wall: float
    residual: float
    """Share of `wall` that is in no phase."""
    load: float
    steal: float
    wal_bytes: float
    """Per test, like all that follow."""
    statements: float
    """Mean over tests, like `connections` and `transactions`."""
    connections: float
    transactions: float
    cpu: float
    """Median over tests."""
    peak_memory: float
    """The largest of any test, in bytes."""

    @property
    def failed(self) -> int:
        """Tests that failed or had an error."""
        return self.tests - self.passed - self.leaked


def figures_of(cells: Iterable[Cell | CellFigures]) -> Iterator[CellFigures]:
    """
    Yield the figures of cells, in their order, reading one cell at a time.

    :param cells: cells, or their figures where several analyses share them.
    """
    around: list[float] = []  # seconds that start-up and shutdown of new interpreters took
    for cell in cells:
        if isinstance(cell, CellFigures):
            yield cell
            continue
        if cell.round == WARM_UP and not cell.condition and cell.start == "spawned" and cell.status == "finished":
            around.append(cell.startup + cell.shutdown)
        replaced = cell.start == "forked" and around
        yield _reduce(cell, median(around) - cell.startup - cell.shutdown if replaced else 0.0)


def _reduce(cell: Cell, missing: float) -> CellFigures:
    """Reduce a cell; `missing` is what a new interpreter takes longer, in seconds."""
    outcomes, per_test = cell.samples.outcomes, cell.per_test
    # The columns of a cell that did not finish may end at different tests.
    samples = cell.samples if cell.status == "finished" else Samples()
    return CellFigures(
        strategy=cell.strategy,
        size=cell.size,
        round=cell.round,
        position=cell.position,
        condition=cell.condition,
        stopped=stopped(cell),
        tests=len(outcomes),
        passed=outcomes.count(PASSED),
        leaked=outcomes.count(LEAKED),
        outcomes=outcomes if cell.round == WARM_UP else "",
        failures=Counter(
            ErrorKind(cell.failures[index].type, cell.failures[index].message)
            for index, outcome in zip(samples.failure, samples.outcomes, strict=True)
            if index >= 0 and outcome in (FAILED, ERROR)
        ),
        per_test=median(per_test) if per_test else NAN,
        mean_per_test=fmean(per_test) if per_test else NAN,
        setup=median(samples.setup or [NAN]),
        call=median(samples.call or [NAN]),
        teardown=median(samples.teardown or [NAN]),
        fixed=cell.fixed + missing,
        wall=cell.wall + missing,
        residual=abs(cell.residual) / (cell.wall + missing),
        load=cell.load,
        steal=NAN if cell.steal is None else cell.steal,
        wal_bytes=NAN if cell.wal_bytes_per_test is None else cell.wal_bytes_per_test,
        statements=fmean(samples.statements or [NAN]),
        connections=fmean(samples.connections or [NAN]),
        transactions=fmean(samples.transactions or [NAN]),
        cpu=median(samples.cpu or [NAN]),
        peak_memory=max(samples.peak_memory, default=NAN),
    )
