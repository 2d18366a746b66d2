"""Makes a readable view of a trace: which loop ran what on which connection, and where a second loop interfered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from string import ascii_lowercase
from typing import Any

from bench.analysis.trace_view import (
    Actor,
    BackgroundLoop,
    LineKind,
    Loop,
    TraceError,
    TraceLine,
    TraceView,
    Usage,
)
from bench.results.traces import NO_LOOP, TRANSACTION_CONTROL, Event, Trace

MOST_LINES, FIRST_STATEMENTS, LAST_STATEMENTS = 30, 14, 8
"""Lines of one loop in one column, and the statements that are kept at both ends if there are more."""
FEWEST_FOLDED = 3
"""This many different statements in a row are shown as a number if none controls a transaction."""


@dataclass(frozen=True)
class _PlacedEvent:
    """An event, its column, and who caused it."""

    event: Event
    column: int
    actor: Actor


def view_trace(trace: Trace) -> TraceView:
    """Return what a trace shows."""
    placed = list(_placed(trace))
    opened_in = {one.event.pid: one.event.loop for one in placed if one.event.kind == "opened"}
    background = _background_loops(placed, opened_in)
    shown = [one for one in placed if one.event.loop not in background]
    builder = _LineBuilder(shown, opened_in)
    lines = builder.readable()
    errors: dict[int, TraceError] = {}
    for line in builder.lines:
        if line.error:
            errors.setdefault(line.column, line.error)
    return TraceView(
        tests=trace.tests,
        errors=errors,
        loops=_loops(shown, lines, len(trace.tests)),
        opened_in={pid: loop for pid, loop in opened_in.items() if any(line.pid == pid for line in lines)},
        lines=tuple(lines),
        usage=tuple(_usage(builder.lines, number) for number in range(1, len(trace.tests) + 1)),
        background=tuple(_background([one for one in placed if one.event.loop in background])),
        handshake_statements=builder.handshake_statements,
    )


def _placed(trace: Trace) -> Iterator[_PlacedEvent]:
    """Yield each event with its column and actor."""
    setting_up: list[Event] = []
    for number, event in enumerate(trace.events):
        actor, scope = Actor(), "function"
        if event.kind == "fixture ready":
            setting_up.pop()
        elif event.kind == "fixture begins":
            setting_up.append(event)
        elif event.phase == "setup" and setting_up:
            actor, scope = Actor(setting_up[-1].text), setting_up[-1].scope
        elif event.phase == "teardown" and event.kind != "error":
            over = next((later for later in trace.events[number:] if later.kind == "fixture over"), None)
            if over is not None and over.test == event.test:
                actor, scope = Actor(over.text, teardown=True), over.scope
        wide = scope != "function"
        before, after = wide and event.phase == "setup", wide and event.phase == "teardown"
        column = event.test + (after and event.test == len(trace.tests)) - (before and event.test == 1)
        yield _PlacedEvent(event, column, actor)


def _background_loops(placed: Sequence[_PlacedEvent], opened_in: dict[int, int]) -> set[int]:
    """Return the loops that code started itself and whose connections no other loop uses."""
    shared = {
        loop
        for one in placed
        for loop in (opened_in.get(one.event.pid, NO_LOOP), one.event.loop)
        if one.event.loop != NO_LOOP and one.event.pid in opened_in and one.event.loop != opened_in[one.event.pid]
    }
    return {one.event.loop for one in placed if one.event.loop < NO_LOOP} - shared


def _background(placed: Sequence[_PlacedEvent]) -> Iterator[BackgroundLoop]:
    for actor, group in groupby(placed, key=lambda one: one.actor):
        events = [one.event for one in group]
        statements = sum(event.kind == "statement" for event in events)
        yield BackgroundLoop(actor, statements, tuple(dict.fromkeys(event.pid for event in events if event.pid)))


class _LineBuilder:
    """Makes lines from events."""

    def __init__(self, placed: Sequence[_PlacedEvent], opened_in: dict[int, int]) -> None:
        self.lines: list[TraceLine] = []
        self.handshake_statements = 0
        self._opened_in = opened_in
        self._pooled = {one.event.pid for one in placed if one.event.kind == "taken"}
        self._in_handshake: set[int] = set()
        self._savepoints: dict[int, list[str]] = {pid: [] for pid in opened_in}
        self._mentioned: set[tuple[int, int, int]] = set()
        self._actors: dict[tuple[int, int], Actor] = {}
        self._last_loop = NO_LOOP
        for one in placed:
            self._read(one)

    def readable(self) -> list[TraceLine]:
        """Return the lines by column and loop, short enough to read."""
        cells: dict[tuple[int, int], list[TraceLine]] = {}
        for line in self.lines:
            cells.setdefault((line.column, line.loop), []).append(line)
        return [line for cell in cells.values() for line in _cut(list(_folded(cell)))]

    def _read(self, one: _PlacedEvent) -> None:
        pid = one.event.pid
        match one.event.kind:
            case "opened":
                self._add(one, LineKind.OPENS)
                if pid in self._pooled:
                    self._in_handshake.add(pid)
            case "taken":
                self._in_handshake.discard(pid)
                self._mention(one, LineKind.TAKES)
            case "statement" if pid in self._in_handshake:
                self.handshake_statements += 1
            case "statement":
                self._mention(one, LineKind.USES)
                self._add_statement(one)
            case "refused" if self.lines and pid not in self._in_handshake:
                last = max(number for number, line in enumerate(self.lines) if line.pid == pid)
                self.lines[last] = replace(self.lines[last], refused=True)
            case "closed" if one.event.loop != NO_LOOP:
                self._add(one, LineKind.CLOSES)
            case "error":
                here = [line.loop for line in self.lines if line.column == one.column]
                error = TraceError(*one.event.text.split(": ", 1))
                loop = here[-1] if here else self._last_loop
                self.lines.append(TraceLine(LineKind.ERROR, one.column, loop, error=error))
            case "loop made":
                self._last_loop = one.event.loop

    def _add(self, one: _PlacedEvent, kind: LineKind, **details: Any) -> None:  # noqa: ANN401 - fields of TraceLine
        column, loop, pid = one.column, one.event.loop, one.event.pid
        if self._actors.get((column, loop)) != one.actor:
            self._actors[column, loop] = one.actor
            self.lines.append(TraceLine(LineKind.ACTOR, column, loop, one.actor))
        self._mentioned.add((column, loop, pid))
        foreign = kind is not LineKind.STATEMENT and loop != self._opened_in.get(pid, loop)
        self.lines.append(TraceLine(kind, column, loop, pid=pid, foreign_loop=foreign, **details))

    def _mention(self, one: _PlacedEvent, kind: LineKind) -> None:
        """Add a line if the connection appears for the first time in this column and loop."""
        if (one.column, one.event.loop, one.event.pid) not in self._mentioned:
            self._add(one, kind)

    def _add_statement(self, one: _PlacedEvent) -> None:
        text, savepoints = one.event.text, self._savepoints.setdefault(one.event.pid, [])
        words = text.upper().split()
        opens = words[0] in {"BEGIN", "START", "SAVEPOINT"}
        if words[0] == "RELEASE" or words[:2] == ["ROLLBACK", "TO"]:
            if words[-1] in savepoints:
                del savepoints[savepoints.index(words[-1]) :]
        elif words[0] in TRANSACTION_CONTROL and not opens:
            savepoints.clear()
        self._add(one, LineKind.STATEMENT, text=text, depth=len(savepoints))
        if opens:
            savepoints.append(words[-1])


def _folded(lines: Sequence[TraceLine]) -> Iterator[TraceLine]:
    """Yield the lines; equal statements in a row become one line with a count, and so do many different ones."""

    def alike(line: TraceLine) -> object:
        foldable = line.kind is LineKind.STATEMENT and not (line.controls_transaction or line.refused)
        return (line.pid, line.depth) if foldable else id(line)

    for _, group in groupby(lines, alike):
        same = list(group)
        if len({line.text for line in same}) == 1:
            yield replace(same[0], count=len(same))
        elif len(same) >= FEWEST_FOLDED:
            yield replace(same[0], text="", count=len(same))
        else:
            yield from same


def _cut(lines: Sequence[TraceLine]) -> Sequence[TraceLine]:
    """Return the lines; if there are too many, statements in the middle are only counted."""
    statements = [number for number, line in enumerate(lines) if line.kind is LineKind.STATEMENT]
    left_out = statements[FIRST_STATEMENTS:-LAST_STATEMENTS] if len(lines) > MOST_LINES else []
    kept = []
    for number, line in enumerate(lines):
        if number in left_out[:1]:
            kept.append(replace(line, kind=LineKind.LEFT_OUT, text="", count=len(left_out), refused=False))
        elif number not in left_out:
            kept.append(line)
    return kept


def _usage(lines: Sequence[TraceLine], column: int) -> Usage:
    used = [line for line in lines if line.column == column and line.pid]
    statements = [line.text for line in used if line.kind is LineKind.STATEMENT]
    verbs = [statement.split()[0] for statement in statements]
    return Usage(
        loops=tuple(dict.fromkeys(line.loop for line in used)),
        pids=tuple(dict.fromkeys(line.pid for line in used)),
        commits=verbs.count("COMMIT"),
        releases=verbs.count("RELEASE"),
        rolled_back=statements[-1:] == ["ROLLBACK"],
    )


def _loops(placed: Sequence[_PlacedEvent], lines: Sequence[TraceLine], tests: int) -> dict[int, Loop]:
    columns: dict[int, list[int]] = {}
    for line in lines:
        columns.setdefault(line.loop, []).append(line.column)
    scopes = {one.event.loop: one.event.scope for one in placed if one.event.kind == "loop made"}
    letters = iter(ascii_lowercase)
    found = {}
    for number, used in columns.items():
        scope = scopes.get(number, "")
        last = max(used) if scope in {"", "function"} else max(tests, *used)
        found[number] = Loop(number, next(letters) if number < NO_LOOP else "", scope, min(used), last)
    return found
