"""
What a process that runs probes tells `bench/measure/probing.py`: a line of `TOLD_FILE` for each phase of a test.

`KEPT_FILE` is the probes' own; `REFUSED_FILE` is there when the strategy breaks the contract, and says how.
"""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.results.paths import ROOT

FIRST, SECOND = "first", "second"
BOTH = (FIRST, SECOND)
"""The turns of a probe."""

TOLD_FILE, KEPT_FILE, REFUSED_FILE = "told.jsonl", "kept.json", "refused.txt"

Phase = Literal["start", "setup", "call", "teardown"]
Outcome = Literal["sees", "hides", "breaks"]

LONGEST_DETAIL = 1500

_SHOWN = {ROOT / "bench" / "probes", ROOT / "bench" / "probes" / "apart", ROOT / "strategies"}
"""Whose lines stand in a detail."""


@dataclass(frozen=True)
class Told:
    """One phase of one turn of a probe is over; `start`, which does nothing, is the first of them."""

    probe: str
    turn: str
    phase: Phase
    outcome: Outcome
    detail: str
    """Where it failed and with what; empty for `sees`."""


def describe(error: BaseException) -> str:
    """Return where in our files an error came up, one line each, and the chain of its causes."""
    return "\n".join(_lines(error))[:LONGEST_DETAIL]


def _lines(error: BaseException) -> Iterator[str]:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and cause not in causes:
        causes.append(cause)
    # Of an error that is raised in place of another, it is the other that came up in our files.
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
