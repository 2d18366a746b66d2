"""
From a trace to what it says: which loop ran what, on which connection, and where a connection met a second loop.

From one record to others; runs nothing. `bench/explain.py` prints them, `bench/report/charts/timeline.py` draws them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from string import ascii_lowercase
from typing import Literal

from bench.analysis.trace_view import BEFORE, Connection, Line, Loop, Meeting, Story
from bench.report.trace_text import named, sentence, several, shown_error
from bench.results.traces import NO_LOOP, Event, Trace

MOST_LINES, FIRST_STATEMENTS, LAST_STATEMENTS = 30, 14, 8
"""Of one loop in one column, and which of its statements stay when it has more."""
FEWEST_FOLDED = 3
"""So many statements in a row that control no transaction are told as a number."""

THE_TEST = "test"
_END_OF_TRANSACTION = ("COMMIT", "ROLLBACK", "END", "ABORT")


@dataclass(frozen=True)
class _Placed:
    """An event, the column that it belongs to, and whose doing it was."""

    event: Event
    column: int
    who: str


def read(trace: Trace) -> Story:
    """Return what a trace says."""
    placed = list(_placed(trace))
    opened = {one.event.pid: one.event.loop for one in placed if one.event.kind == "opened"}
    apart = _apart(placed, opened)
    drawn = [one for one in placed if one.event.loop not in apart]
    errors: dict[int, str] = {}
    for one in drawn:
        if one.event.kind == "error":
            errors.setdefault(one.event.test, shown_error(one.event.text))
    made = _Lines(drawn, opened)
    lines = made.readable()
    loops = _loops(drawn, lines, len(trace.tests))
    connections = _connections(drawn, opened)
    story = Story(
        heads=_heads(trace, lines, errors),
        errors=errors,
        loops=loops,
        connections=connections,
        lines=tuple(lines),
        meetings=tuple(_meetings(lines, opened, errors)),
        aside=(*_aside(placed, apart), *made.left_aside()),
        sentence="",
    )
    return replace(story, sentence=sentence(story, made.all(), len(trace.tests)))


def _placed(trace: Trace) -> Iterator[_Placed]:
    """Yield each event with its column and with whose doing it was."""
    setting_up: list[Event] = []
    for number, event in enumerate(trace.events):
        who, scope = THE_TEST, "function"
        if event.kind == "fixture ready":
            setting_up.pop()
        elif event.kind == "fixture begins":
            setting_up.append(event)
        elif event.phase == "setup" and setting_up:
            who, scope = setting_up[-1].text, setting_up[-1].scope
        elif event.phase == "teardown" and event.kind != "error":
            over = next((later for later in trace.events[number:] if later.kind == "fixture over"), None)
            if over is not None and over.test == event.test:
                who, scope = f"{over.text} ends", over.scope
        wide = scope != "function"
        before, after = wide and event.phase == "setup", wide and event.phase == "teardown"
        column = event.test + (after and event.test == len(trace.tests)) - (before and event.test == 1)
        yield _Placed(event, column, who)


def _apart(placed: Sequence[_Placed], opened: dict[int, int]) -> set[int]:
    """Return the loops that code made for itself, and whose connections no other loop touches."""
    found = {one.event.loop for one in placed if one.event.loop < NO_LOOP}
    shared = {
        loop
        for one in placed
        for loop in (opened.get(one.event.pid, NO_LOOP), one.event.loop)
        if one.event.loop != NO_LOOP and one.event.pid in opened and one.event.loop != opened[one.event.pid]
    }
    return found - shared


def _aside(placed: Sequence[_Placed], apart: set[int]) -> Iterator[str]:
    for who, group in groupby((one for one in placed if one.event.loop in apart), key=lambda one: one.who):
        events = [one.event for one in group]
        pids = list(dict.fromkeys(event.pid for event in events if event.pid))
        count = sum(event.kind == "statement" for event in events)
        yield f"{who} ran an event loop of its own, for {several(count, 'statement')} on {named(pids)}"


class _Lines:
    """Makes the lines out of the events."""

    def __init__(self, placed: Sequence[_Placed], opened: dict[int, int]) -> None:
        self._opened = opened
        self._pooled = {one.event.pid for one in placed if one.event.kind == "taken"}
        self._settling: set[int] = set()
        self._settled = 0
        self._open: dict[int, list[str]] = {pid: [] for pid in opened}
        self._mentioned: set[tuple[int, int, int]] = set()
        self._who: dict[tuple[int, int], str] = {}
        self._last_made = NO_LOOP
        self._lines: list[Line] = []
        for one in placed:
            self._take(one)

    def all(self) -> list[Line]:
        """Return every line."""
        return self._lines

    def readable(self) -> list[Line]:
        """Return them cell by cell, short enough to be read."""
        cells: dict[tuple[int, int], list[Line]] = {}
        for line in self._lines:
            cells.setdefault((line.column, line.loop), []).append(line)
        return [line for cell in cells.values() for line in _cut(_folded(cell))]

    def left_aside(self) -> Iterator[str]:
        """Yield what is not among the lines, a sentence each."""
        if self._settled:
            said = several(self._settled, "statement")
            yield f"SQLAlchemy got to know the server by {said} on new connections, before anybody could take them"

    def _take(self, one: _Placed) -> None:
        event = one.event
        if event.kind == "opened":
            self._add(one, "connection", f"opens {event.pid}")
            if event.pid in self._pooled:
                self._settling.add(event.pid)
        elif event.kind == "taken":
            self._settling.discard(event.pid)
            self._mention(one, "takes")
        elif event.kind == "statement" and event.pid in self._settling:
            self._settled += 1
        elif event.kind == "statement":
            self._mention(one, "uses")
            self._statement(one)
        elif event.kind == "refused" and self._lines and event.pid not in self._settling:
            self._refuse(event.pid)
        elif event.kind == "closed" and event.loop != NO_LOOP:
            self._add(one, "connection", f"closes {event.pid}")
        elif event.kind == "error":
            here = [line.loop for line in self._lines if line.column == one.column]
            loop = here[-1] if here else self._last_made
            self._lines.append(Line("error", one.column, loop, shown_error(event.text)))
        elif event.kind == "loop made":
            self._last_made = event.loop

    def _add(self, one: _Placed, kind: Literal["connection", "statement"], text: str, depth: int = 0) -> None:
        event = one.event
        if self._who.get((one.column, event.loop)) != one.who:
            self._who[one.column, event.loop] = one.who
            self._lines.append(Line("who", one.column, event.loop, one.who))
        self._mentioned.add((one.column, event.loop, event.pid))
        strange = event.loop != self._opened.get(event.pid, event.loop)
        control = kind == "statement" and _controls(text)
        self._lines.append(Line(kind, one.column, event.loop, text, event.pid, depth, control, strange=strange))

    def _mention(self, one: _Placed, verb: str) -> None:
        """Say once in a cell that a connection comes into it."""
        if (one.column, one.event.loop, one.event.pid) not in self._mentioned:
            self._add(one, "connection", f"{verb} {one.event.pid}")

    def _statement(self, one: _Placed) -> None:
        text, savepoints = one.event.text, self._open.setdefault(one.event.pid, [])
        words = text.upper().split()
        if words[0] in {"BEGIN", "START", "SAVEPOINT"}:
            self._add(one, "statement", text, len(savepoints))
            savepoints.append(words[-1])
            return
        if words[0] == "RELEASE" or words[:2] == ["ROLLBACK", "TO"]:
            if words[-1] in savepoints:
                del savepoints[savepoints.index(words[-1]) :]
        elif words[0] in _END_OF_TRANSACTION:
            savepoints.clear()
        self._add(one, "statement", text, len(savepoints))

    def _refuse(self, pid: int) -> None:
        last = max(number for number, line in enumerate(self._lines) if line.pid == pid)
        self._lines[last] = replace(self._lines[last], refused=True)


def _controls(statement: str) -> bool:
    return statement.partition(" ")[0].upper() in {"BEGIN", "START", "SAVEPOINT", "RELEASE", *_END_OF_TRANSACTION}


def _folded(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield lines, of which those that are statements of no account in a row become one."""

    def alike(line: Line) -> object:
        plain = line.kind == "statement" and not (line.control or line.refused)
        return (line.pid, line.depth) if plain else id(line)

    for _, group in groupby(lines, alike):
        same = list(group)
        kinds = Counter(line.text for line in same)
        if len(same) > 1 and len(kinds) == 1:
            yield replace(same[0], text=f"{same[0].text} x {len(same)}")
        elif len(same) >= FEWEST_FOLDED:
            yield replace(same[0], text=f"{len(same)} statements")
        else:
            yield from same


def _cut(lines: Iterable[Line]) -> list[Line]:
    """Return so many lines as can be read: where there are more, statements in their middle are left out."""
    every = list(lines)
    statements = [number for number, line in enumerate(every) if line.kind == "statement"]
    left_out = statements[FIRST_STATEMENTS:-LAST_STATEMENTS] if len(every) > MOST_LINES else []
    if not left_out:
        return every
    words = f"... {len(left_out)} statements more ..."
    every[left_out[0]] = replace(every[left_out[0]], kind="left out", text=words, control=False, refused=False)
    return [line for number, line in enumerate(every) if number not in left_out[1:]]


def _loops(placed: Sequence[_Placed], lines: Sequence[Line], tests: int) -> tuple[Loop, ...]:
    used: dict[int, list[int]] = {}
    for line in lines:
        used.setdefault(line.loop, []).append(line.column)
    scopes = {one.event.loop: one.event.scope for one in placed if one.event.kind == "loop made"}
    letters = iter(ascii_lowercase)
    found = []
    for number, columns in used.items():
        name = f"loop {number if number > NO_LOOP else next(letters)}" if number else "no loop"
        scope = scopes.get(number, "")
        last = max(columns) if scope in {"", "function"} else max(tests, *columns)
        found.append(Loop(number, name, scope, min(columns), last))
    return tuple(found)


def _connections(placed: Sequence[_Placed], opened: dict[int, int]) -> tuple[Connection, ...]:
    columns: dict[int, list[int]] = {}
    for one in placed:
        if one.event.pid:
            columns.setdefault(one.event.pid, []).append(one.column)
    closed = {one.event.pid for one in placed if one.event.kind == "closed"}
    return tuple(
        Connection(pid, opened[pid], min(columns[pid]), max(columns[pid]), pid in closed)
        for pid in columns
        if pid in opened
    )


def _heads(trace: Trace, lines: Sequence[Line], errors: dict[int, str]) -> dict[int, tuple[str, str]]:
    used = {line.column for line in lines}
    heads = {BEFORE: ("before", "wider fixtures")} if BEFORE in used else {}
    for number, name in enumerate(trace.tests, start=1):
        failed = f": {errors[number].partition(':')[0]}" if number in errors else ": passes"
        heads[number] = (f"test {number}{failed}", name)
    after = len(trace.tests) + 1
    return heads | ({after: ("after", "wider fixtures")} if after in used else {})


def _meetings(lines: Sequence[Line], opened: dict[int, int], errors: dict[int, str]) -> Iterator[Meeting]:
    met = dict.fromkeys(
        (line.column, line.pid, line.loop) for line in lines if line.strange and line.kind != "left out"
    )
    for column, pid, loop in met:
        yield Meeting(column, pid, loop, opened[pid], errors.get(column, ""))
