"""
`nox -s explain -- NAME`: three tests under a strategy on a real Postgres, and what happened to loops and connections.

Shown in the terminal and as a picture in `results/explain/`. A run makes the same traces of all its strategies.
"""

import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import rich.progress
from pydantic import TypeAdapter
from rich.console import Console
from rich.text import Text

from bench.analysis import loops
from bench.analysis.trace_view import Line, Story
from bench.measure.cell import TESTS_RAN, environment, kill_group, pytest_options
from bench.measure.child import run_pytest
from bench.measure.probing import PROCESSES, StoppedError
from bench.results.endpoints import Client, Source
from bench.results.errors import UserError, unwritable
from bench.results.paths import ROOT
from bench.results.printable import printable
from bench.results.traces import TRACES, Event, Trace
from bench.server import Server, open_server
from bench.strategy.declaration import LoadedStrategy, arguments_for_pytest
from bench.strategy.discovery import able, load

FOLDER = ROOT / "results" / "explain"

TESTS = ("create_and_list", "conflict_then_carry_on", "read_own_commits")
"""Of the workload: one whose handler commits, one whose handler rolls back, and one that reads what it committed."""

PATIENCE = 30.0
"""Seconds after which the process is killed; it takes about one, and a peer may start a server of its own first."""

AT_A_TIME = 3
POLL = 0.02

CLIENT = Client()
"""What the traced tests are to the server: what is looked at is asyncpg's wire and pytest-asyncio's loops."""

_EVENT = TypeAdapter(Event)


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """What the user asked for, as the command line gives it."""

    name: str
    source: Source
    """Of the server."""


def explain(options: ExplainOptions, console: Console) -> None:
    """
    Run the tests under a strategy, show what happened, and draw it.

    :raises UserError: the strategy, the server or the folder is not usable.
    """
    strategies = able([load(options.name)])
    if not strategies:
        raise UserError(f"{options.name} cannot run here: {load(options.name).unable}")
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(FOLDER, error) from error
    made: list[Trace] = []
    with open_server(options.source) as server:
        console.print(server.introduction(), markup=False, soft_wrap=True)
        trace_all(strategies, server, f"looptrap_{secrets.token_hex(4)}_", made.append, console)
    if not made:
        raise UserError(
            f"no test began under {options.name}; for more, type nox -s bench -- --quick --strategies {options.name}"
        )
    # Not at the top: matplotlib is not to be waited for by a process that only traces.
    from bench.report.charts.timeline import picture  # noqa: PLC0415

    TRACES.keep(FOLDER, made[0])
    _, png = picture(made[0]).write(FOLDER)
    show(made[0], console)
    console.print(Text(f"Picture: {png}"), soft_wrap=True)


def trace_all(
    strategies: Sequence[LoadedStrategy],
    server: Server,
    prefix: str,
    keep: Callable[[Trace], None],
    console: Console,
) -> None:
    """
    Trace the tests under each strategy, a few strategies at a time, and show how far it is.

    :param prefix: what the names of its databases begin with, `looptrap_*_`.
    :param keep: called with the trace of each strategy as soon as it is there; not where no test began.
    :raises UserError: a strategy breaks the contract; those that were ready are kept.
    :raises KeyboardInterrupt: the same.
    """
    stopped = threading.Event()
    columns = (rich.progress.TextColumn("tracing"), rich.progress.BarColumn(), rich.progress.MofNCompleteColumn())
    with (
        rich.progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
        ThreadPoolExecutor(AT_A_TIME) as pool,
    ):
        task = bar.add_task("", total=len(strategies))
        try:
            jobs = [
                pool.submit(_trace, strategy, server, f"{prefix}{number}_", stopped)
                for number, strategy in enumerate(strategies)
            ]
            for job in as_completed(jobs):
                trace = job.result()
                bar.advance(task)
                if not trace.tests:
                    console.print(Text(f"{trace.strategy} was not traced: {printable(trace.ended)}"), soft_wrap=True)
                    continue
                keep(trace)
                if not console.is_terminal:
                    console.print(Text(f"traced {trace.strategy}"))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _trace(strategy: LoadedStrategy, server: Server, database: str, stopped: threading.Event) -> Trace:
    with tempfile.TemporaryDirectory(prefix="looptrap-trace-") as folder:
        file, output = Path(folder) / "events.jsonl", Path(folder) / "output.txt"
        try:
            url = server.create_database(database)
            exit_code = _run(_command(strategy, file), environment(strategy, server, url, CLIENT), output, stopped)
        finally:
            # With what a strategy may have made beside it.
            server.drop_databases(database)
        # A process that was killed may have left half a line.
        told = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
        ended = _ended(exit_code, output)
    events = [_EVENT.validate_json(line) for line in told.splitlines()]
    for event in events:
        if event.kind == "contract broken":
            raise UserError(f"strategy {strategy.name}: {event.text}")
    tests = tuple(event.text for event in events if event.kind == "test")
    described = f"{server.facts.kind}, Postgres {server.facts.version}"
    return Trace(strategy.name, strategy.facts().source_sha256, described, tests, tuple(events), ended)


def _command(strategy: LoadedStrategy, file: Path) -> list[str]:
    return [
        *(*pytest_options(CLIENT), "-p", "bench.worker.tracer", f"--trace-loops={file}"),
        *arguments_for_pytest(strategy.module, strategy.plugins, strategy.declared),
        *(f"bench/workload/test_workload.py::test_{test}" for test in TESTS),
        *("-q", "--no-header", "--tb=no", "-ofilterwarnings=default"),
    ]


def _run(command: Sequence[str], environment: dict[str, str], output: Path, stopped: threading.Event) -> int | None:
    """Run pytest, and return its exit code; None where it was killed, since it hung."""
    process = PROCESSES.Process(target=run_pytest, args=(command, environment, output))
    process.start()
    deadline = time.monotonic() + PATIENCE
    try:
        while process.exitcode is None and time.monotonic() < deadline:
            if stopped.is_set():
                raise StoppedError
            process.join(POLL)
        exit_code = process.exitcode
    finally:
        if process.pid is not None and hasattr(os, "killpg"):
            kill_group(process.pid)
        process.kill()  # in the instant before it leads a group
        process.join()
    return exit_code


def _ended(exit_code: int | None, output: Path) -> str:
    """Say how a process ended that did not run all tests to their ends."""
    if exit_code in TESTS_RAN:
        return ""
    if exit_code is None:
        return f"killed after {PATIENCE:g} s"
    last = output.read_text(errors="replace").strip().splitlines()[-1:] if output.exists() else []
    return f"exit code {exit_code}: {''.join(last)}"


# --- in the terminal


def show(trace: Trace, console: Console) -> None:
    """Print a trace: test by test and loop by loop, which connection did what."""
    story = loops.read(trace)
    console.print()
    console.print(Text(trace.strategy, style="bold"))
    console.print(Text(printable(story.sentence)))
    for column, (title, below) in story.heads.items():
        console.print()
        failed = "red" if column in story.errors else ""
        console.print(Text.assemble((title, f"bold {failed}"), f"  {below}"))
        here = (line for line in story.lines if line.column == column)
        for number, lines in groupby(here, key=lambda line: line.loop):
            loop = story.loop(number)
            console.print(Text.assemble("  ", (loop.name, "bold"), f", {loop.life}"))
            for line in lines:
                console.print(_shown(line, story))
    console.print()
    for sentence in story.aside:
        console.print(Text(f"Not shown: {printable(sentence)}.", style="dim"))
    if trace.ended:
        console.print(Text(f"How the process ended: {printable(trace.ended)}.", style="bold red"))


def _shown(line: Line, story: Story) -> Text:
    words = printable(line.text)
    if line.kind == "who":
        return Text(f"    {words}", style="italic")
    if line.kind == "error":
        return Text.assemble("    ", (f"\u2717 {words}", "bold red"))
    text = Text.assemble(f"    {line.pid:>7} \u2502 ", "  " * line.depth, (words, "bold" if line.control else ""))
    if line.refused:
        text.append("  \u2717 refused", "red")
    if line.strange and line.kind == "connection":
        opened = next(one.loop for one in story.connections if one.pid == line.pid)
        text.append(f", which was opened in {story.loop(opened).name}", "bold red")
    return text
