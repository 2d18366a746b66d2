"""Shows how far a run has come and how long it may still take: a bar on a terminal, a line per round elsewhere."""

from types import TracebackType
from typing import Self

import rich.progress
from rich.console import Console

from bench.measure.cell import CellOrder
from bench.measure.schedule import Plan
from bench.results.records import WARM_UP, Cell


class Progress:
    """Watches a run; see `bench.measure.schedule.Watcher`."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._console = console
        self._limits = plan.limits
        self._round: int | None = None
        self._done = 0
        self._bar = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting the server")

    def __enter__(self) -> Self:
        """Begin to show."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()

    def started(self, order: CellOrder, remaining: float | None) -> None:
        """Show the cell that runs now."""
        where = "warm-up round" if order.round == WARM_UP else f"round {order.round} of {self._rounds()}"
        eta = "" if remaining is None else f", {'' if self._limits.fixed else 'at most '}{_duration(remaining)} left"
        under = f" ({order.condition})" if order.condition else ""
        self._bar.update(self._task, description=f"{where}{eta}, {self._done} cells done: {order.strategy.name}{under}")
        if order.round != self._round and not self._console.is_terminal:
            self._console.print(f"{where}{eta}", highlight=False)
        self._round = order.round

    def finished(self, cell: Cell) -> None:
        """Count the cell, and tell at once when it did not run to its end."""
        self._done += 1
        if cell.status != "finished":
            under = f" ({cell.condition})" if cell.condition else ""
            self._console.print(
                f"{cell.strategy}{under}, round {cell.round}: {cell.status}: {cell.detail}", markup=False
            )

    def _rounds(self) -> str:
        fewest, most = self._limits.fewest, self._limits.most
        return str(most) if fewest == most else f"{fewest} to {most}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
