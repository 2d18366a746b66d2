"""Shows how far a run has come and how long it may still take: a bar on a terminal, a line per round elsewhere."""

from types import TracebackType
from typing import Self

import rich.progress
from rich.console import Console

from bench.cell import CellOrder
from bench.results import WARM_UP, Cell
from bench.schedule import Plan


class Progress:
    """Watches a run; see `bench.schedule.Watcher`."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._console = console
        self._total = len(plan.orders)
        self._rounds = plan.orders[-1].round
        self._done = 0
        self._round: int | None = None
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.fields[round]}"),
            rich.progress.BarColumn(bar_width=24),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[eta]}"),
            rich.progress.TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=self._total, round="", eta="")

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
        eta = "" if remaining is None else f"about {_duration(remaining)} left"
        name = "warm-up" if order.round == WARM_UP else f"round {order.round} of {self._rounds}"
        self._bar.update(self._task, description=order.strategy.name, round=name, eta=eta)
        if order.round != self._round:
            self._round = order.round
            if not self._console.is_terminal:
                self._console.print(f"{name}, {self._done} of {self._total} cells done{', ' if eta else ''}{eta}")

    def finished(self, cell: Cell) -> None:
        """Count the cell, and tell at once when it did not run to its end."""
        self._done += 1
        self._bar.advance(self._task)
        if cell.status != "finished":
            self._console.print(f"{cell.strategy}, round {cell.round}: {cell.status}: {cell.detail}", markup=False)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
