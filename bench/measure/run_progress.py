"""Shows the progress of a run's rounds, and the running cell."""

from rich.console import Console

from bench.measure.cell import CellOrder
from bench.measure.progress import ProgressDisplay, duration
from bench.measure.stopping import Limits
from bench.results.records import WARM_UP, Cell


class RunProgress:
    """A `bench.measure.schedule.Watcher` that shows each cell, and reports those that do not finish."""

    def __init__(self, limits: Limits, display: ProgressDisplay, console: Console) -> None:
        self._limits = limits
        self._display = display
        self._console = console
        self._round: int | None = None
        self._done = 0

    def show_in(self, display: ProgressDisplay) -> None:
        """Go on in another display."""
        self._display = display

    def started(self, order: CellOrder, remaining: float | None) -> None:
        """Show the cell that runs now."""
        fewest, most = self._limits.fewest, self._limits.most
        of = f"{most}" if fewest == most else f"{fewest} to {most}"
        where = "warm-up round" if order.round == WARM_UP else f"round {order.round} of {of}"
        at_most = "" if self._limits.fixed else "at most "
        left = "" if remaining is None else f"{at_most}{duration(remaining)} left"
        if order.round != self._round:
            self._display.line(f"{where}, {left}" if left else where)
        self._round = order.round
        now = f"{where}, {self._done} cells done: {_named(order.strategy.name, order.condition)}"
        self._display.update(now, max(0, order.round - 1), left)

    def finished(self, cell: Cell) -> None:
        """Count the cell, and report one that did not finish."""
        self._done += 1
        if cell.status != "finished":
            cell_of = f"{_named(cell.strategy, cell.condition)}, round {cell.round}"
            self._console.print(f"{cell_of}: {cell.status}: {cell.detail}", markup=False)


def _named(strategy: str, condition: str) -> str:
    return f"{strategy} ({condition})" if condition else strategy
