"""Shows a command's progress: on a terminal, a bar with N of M and the time left; elsewhere, a line for each item."""

import time
from types import TracebackType
from typing import Self

import rich.progress
from rich.console import Console


class ProgressDisplay:
    """
    The display of one command's progress.

    :param text: the text beside the bar until `update` changes it.
    :param total: how many items there are at most.
    """

    def __init__(self, console: Console, text: str, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[left]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(text, total=total, left="")

    def __enter__(self) -> Self:
        """Start to show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._bar.stop()

    def update(self, text: str, done: int, left: str | None = None) -> None:
        """
        Show what is being done now.

        :param done: how many items are done.
        :param left: how long the rest takes, if the caller can estimate it better than from the pace so far.
        """
        self._done = done
        left = self._left() if left is None else left
        self._bar.update(self._task, description=text, completed=done, left=left)

    def advance(self) -> None:
        """Count one more item as done."""
        self._done += 1
        self._bar.update(self._task, advance=1, left=self._left())

    def line(self, text: str) -> None:
        """Print a line where there is no bar."""
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, markup=False)

    def _left(self) -> str:
        if not self._done:
            return ""
        pace = (time.monotonic() - self._started) / self._done
        return f"{duration(pace * (self._total - self._done))} left"


def duration(seconds: float) -> str:
    """Return seconds as text, such as `2 min 03 s`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
