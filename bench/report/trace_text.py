"""
What a trace shows, in English: the sentences and labels that terminal, chart and page share.

They follow from what happened, never from the strategy's name. The charts of the reference run contain them.
"""

import re
from collections.abc import Iterator, Sequence

from bench.analysis.trace_view import BEFORE, Actor, LineKind, Loop, TraceError, TraceLine, TraceView, Usage
from bench.results.traces import NO_LOOP, Trace

LONGEST_ERROR = 160


def headline(view: TraceView) -> str:
    """Say in a few sentences what the trace shows."""
    if view.meetings:
        return _trap(view)
    if not view.opened_in:
        return "These tests send nothing to a server through asyncpg."
    failed = [f"Test {number} fails: {error_text(error)}." for number, error in sorted(view.errors.items())[:1]]
    return " ".join([f"{_loops_and_connections(view)}.", _transactions(view.usage), *failed])


def _trap(view: TraceView) -> str:
    met = next((line for line in view.meetings if line.column in view.errors), view.meetings[0])
    who = f"Test {met.column}" if 1 <= met.column <= len(view.tests) else "A fixture"
    verb, source = ("takes", " from the pool") if met.kind is LineKind.TAKES else ("uses", "")
    home = view.loops[view.opened_in[met.pid]]
    error = f" {error_text(view.errors[met.column])}" if met.column in view.errors else ""
    return (
        f"{who} runs in {loop_name(view.loops[met.loop])} but {verb} connection {met.pid}{source}. That connection was "
        f"opened in {loop_name(home)}, which {loop_state(home, met.column)}; only {loop_name(home)} can read its "
        f"socket.{error}"
    )


def _loops_and_connections(view: TraceView) -> str:
    tests = len(view.tests)
    loops = {loop for used in view.usage for loop in used.loops}
    pids = {pid for used in view.usage for pid in used.pids}
    separate = len(pids) == sum(len(used.pids) for used in view.usage)
    own = f"its own connection{'' if len(pids) == tests else 's'}"
    if len(loops) == 1:
        where = f"All {tests} tests run in {loop_name(view.loops[loops.pop()])}"
        if len(pids) == 1:
            return f"{where} on connection {pids.pop()}"
        return f"{where}, each on {own}" if separate else f"{where} on {counted(len(pids), 'connection')}"
    if len(loops) == tests and separate:
        return f"Each test has its own loop and {own}"
    return f"{counted(tests, 'test')} run in {counted(len(loops), 'loop')} on {counted(len(pids), 'connection')}"


def _transactions(usage: Sequence[Usage]) -> str:
    if commits := sum(used.commits for used in usage):
        reach = "reaches" if commits == 1 else "reach"
        return f"No connection is used by a second loop, and {counted(commits, 'COMMIT')} {reach} the server."
    if any(used.releases for used in usage) and all(used.rolled_back for used in usage):
        return (
            "Each test is one outer transaction: BEGIN opens it, a commit of the application is a RELEASE SAVEPOINT, "
            "and ROLLBACK ends it. No COMMIT reaches the server."
        )
    return "No connection is used by a second loop."


def column_title(view: TraceView, column: int) -> tuple[str, str]:
    """Return the title of a column and the line below it."""
    if not BEFORE < column <= len(view.tests):
        return "before" if column == BEFORE else "after", "wider-scope fixtures"
    outcome = view.errors[column].type if column in view.errors else "passes"
    return f"test {column}: {outcome}", view.tests[column - 1]


def loop_name(loop: Loop) -> str:
    """Name a loop: `loop 1`, or `loop a` for one that code started itself."""
    return f"loop {loop.letter or loop.number}" if loop.number else "no loop"


def loop_scope(loop: Loop) -> str:
    """Say how long a loop exists."""
    if loop.number == NO_LOOP:
        return "none exists yet"
    return f"{loop.scope} scope" if loop.scope else "started by code"


def loop_state(loop: Loop, column: int) -> str:
    """Say what the loop does while another one runs."""
    return "is closed" if column > loop.last else "is not running"


def line_text(line: TraceLine, *, savepoint_names: bool = True) -> str:
    """Return a line as it is shown."""
    if line.actor:
        return _actor(line.actor)
    if line.error:
        return f"\u2717 {error_text(line.error)}"
    if line.kind is LineKind.LEFT_OUT:
        return f"... {counted(line.count, 'more statement')} ..."
    if line.kind is not LineKind.STATEMENT:
        return f"{line.kind} {line.pid}"
    text = line.text if savepoint_names else re.sub(r"^(SAVEPOINT|RELEASE|ROLLBACK TO) .*", r"\1", line.text)
    if line.count > 1:
        text = f"{text} x {line.count}" if text else f"{line.count} statements"
    return f"{text} \u2717 refused" if line.refused else text


def error_text(error: TraceError) -> str:
    """Return an error without what SQLAlchemy and asyncio put before the part that explains it."""
    message = re.sub(r"^(\([\w.]+\)(?: <class '[\w.]+'>:)?|Task <Task> got Future <Future>) ", "... ", error.message)
    shown = f"{error.type}: {message}"
    return shown if len(shown) <= LONGEST_ERROR else f"{shown[:LONGEST_ERROR]} ..."


def not_shown(view: TraceView) -> Iterator[str]:
    """Say, in a sentence each, what the lines leave out."""
    for loop in view.background:
        connections = f"connection{'s' if len(loop.pids) > 1 else ''} {', '.join(map(str, loop.pids))}"
        statements = counted(loop.statements, "statement")
        yield f"Not shown: {_actor(loop.actor)} ran {statements} on {connections} in an event loop that it started."
    if view.handshake_statements:
        statements = counted(view.handshake_statements, "statement")
        yield f"Not shown: {statements} by which SQLAlchemy inspects the server on each new connection."


def how_it_ended(trace: Trace) -> str:
    """Say how the process ended; empty if it exited normally."""
    return f"How the process ended: {trace.ended}." if trace.ended else ""


def _actor(actor: Actor) -> str:
    return f"{actor.fixture or 'test'}{' (teardown)' if actor.teardown else ''}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where needed."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
