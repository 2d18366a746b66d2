"""
What a process that runs probes reports to `bench/measure/probing.py`: one line of `EVENTS_FILE` per test phase.

`FIRST_TURN_FILE` is for the probes themselves. `REFUSED_FILE` exists if the strategy breaks the contract, and says how.
"""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.results.paths import ROOT

FIRST, SECOND = "first", "second"
BOTH = (FIRST, SECOND)
"""The turns of a probe: it runs as two tests, one after the other."""

EVENTS_FILE, FIRST_TURN_FILE, REFUSED_FILE = "events.jsonl", "first-turn.json", "refused.txt"

Phase = Literal["start", "setup", "call", "teardown"]
Outcome = Literal["sees", "hides", "breaks"]

LONGEST_DETAIL = 1500

_SHOWN = {ROOT / "bench" / "probes", ROOT / "bench" / "probes" / "apart", ROOT / "strategies"}
"""Only lines of files in these folders appear in a detail."""


@dataclass(frozen=True)
class PhaseEvent:
    """The end of one phase of a probe's turn. The phase `start` comes first and does nothing."""

    probe: str
    turn: str
    phase: Phase
    outcome: Outcome
    detail: str
    """The error and its location; empty for `sees`."""


def describe(error: BaseException) -> str:
    """Return the lines of our files that an error passed through, and the chain of its causes."""
    return "\n".join(_lines(error))[:LONGEST_DETAIL]


def _lines(error: BaseException) -> Iterator[str]:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and cause not in causes:
        causes.append(cause)
    # Where one error replaced another, often only the original passed through our files.
    yield from next(filter(None, map(_places, causes)), [])
    for cause in causes:
        yield f"{type(cause).__name__}: {cause}".rstrip(": ")


def _places(error: BaseException) -> list[str]:
    frames = ((Path(frame.filename), frame) for frame in traceback.extract_tb(error.__traceback__))
    return [
        f"{path.relative_to(ROOT).as_posix()}, line {frame.lineno}: {frame.line}"
        for path, frame in frames
        if path.parent in _SHOWN and path.name != "conftest.py"
    ]
