"""
The words of a trace: the sentence that says what is to be seen in it, derived from what happened alone.

Terminal, picture and page say it. Change how something is said here, and the pictures of the reference run change.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.analysis.trace_view import Line, Story

LONGEST_ERROR = 160


@dataclass
class _Use:
    """What one test used."""

    loops: list[int] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)


def sentence(story: Story, lines: Sequence[Line], tests: int) -> str:
    """Say what is to be seen, from all lines, and never from a strategy's name."""
    if story.meetings:
        return _of_the_trap(story)
    if not any(line.pid for line in lines):
        return "Nothing of these tests reaches a server by asyncpg."
    uses = [_use(lines, number) for number in range(1, tests + 1)]
    failed = "".join(f" Test {number} fails: {error}." for number, error in sorted(story.errors.items())[:1])
    return f"{_of_loops(story, uses)}: {_of_transactions(uses)}.{failed}"


def _of_the_trap(story: Story) -> str:
    first = next((met for met in story.meetings if met.error), story.meetings[0])
    here, home = story.loop(first.loop), story.loop(first.opened_in)
    from_pool = any(line.text == f"takes {first.pid}" for line in story.cell(first.loop, first.column))
    verb, source = ("takes", " from the pool") if from_pool else ("uses", "")
    return (
        f"Test {first.column} runs in {here.name}, but {verb} connection {first.pid}{source}, which was opened in "
        f"{home.name}: only that loop watches its socket, and it {home.state(first.column)}. {first.error}"
    ).rstrip()


def _use(lines: Sequence[Line], column: int) -> _Use:
    use = _Use()
    for line in lines:
        if line.column == column and line.kind in {"statement", "connection"}:
            use.loops += [line.loop] if line.loop not in use.loops else []
            use.pids += [line.pid] if line.pid not in use.pids else []
            use.statements += [line.text] if line.kind == "statement" else []
    return use


def _of_loops(story: Story, uses: Sequence[_Use]) -> str:
    loops = {loop for use in uses for loop in use.loops}
    pids = list(dict.fromkeys(pid for use in uses for pid in use.pids))
    own = len(pids) == sum(len(use.pids) for use in uses)
    if len(loops) == 1:
        where = f"All {len(uses)} tests run in {story.loop(loops.pop()).name}"
        if len(pids) == 1:
            return f"{where} on connection {pids[0]}"
        return (
            f"{where}, each on {'a connection' if len(pids) == len(uses) else 'connections'} of its own"
            if own
            else (f"{where} on {several(len(pids), 'connection')}")
        )
    if len(loops) == len(uses) and own:
        connections = "a connection" if len(pids) == len(uses) else "connections"
        return f"Each test has a loop and {connections} of its own"
    return f"{several(len(uses), 'test')} in {several(len(loops), 'loop')} on {several(len(pids), 'connection')}"


def _of_transactions(uses: Sequence[_Use]) -> str:
    first_words = Counter(text.split()[0] for use in uses for text in use.statements)
    released = first_words["RELEASE"]
    if commits := first_words["COMMIT"]:
        arrive = "reaches" if commits == 1 else "reach"
        return f"no connection meets a second loop, and {several(commits, 'COMMIT')} {arrive} the server"
    if released and all(use.statements and use.statements[-1] == "ROLLBACK" for use in uses):
        return (
            "in each, BEGIN opens an outer transaction, a commit of the application is a RELEASE SAVEPOINT, and "
            "ROLLBACK ends it; no COMMIT reaches the server"
        )
    return "no connection meets a second loop"


def shown_error(error: str) -> str:
    """Return an error without what says nothing: the name by which SQLAlchemy repeats it, tasks and futures."""
    shown = re.sub(r"^(\w+: )(?:\([\w.]+\)|Task <Task> got Future <Future>) ", _kept, error)
    return shown if len(shown) <= LONGEST_ERROR else f"{shown[:LONGEST_ERROR]} ..."


def _kept(found: re.Match[str]) -> str:
    return found[1] if "(" in found[0] else f"{found[1]}... "


def named(pids: Sequence[int]) -> str:
    """Name connections by their pids."""
    return f"connection{'s' if len(pids) > 1 else ''} {', '.join(map(str, pids))}"


def several(count: int, what: str) -> str:
    """Return a number of things."""
    return f"{count} {what}{'s' if count != 1 else ''}"
