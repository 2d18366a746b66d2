"""
Describes a run before its first cell: the content of `run.json`, with all that is needed to repeat the run.

It contains no password: of a DSN it records only that there was one.
"""

import platform
import secrets
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import schedule
from bench.measure.interpreters import look
from bench.measure.sweep import ConditionSpec
from bench.measure.templates import START
from bench.results.endpoints import Client, ServerSource
from bench.results.errors import UserError
from bench.results.records import (
    SCHEMA,
    Condition,
    Configuration,
    Machine,
    RoundLimits,
    Run,
    ServerFacts,
    StrategyFacts,
    SweptAxis,
)
from bench.results.version import VERSION, commit
from bench.server import Server
from bench.server.machine import describe_machine
from bench.strategy.discovery import CORE
from bench.strategy.loaded import LoadedStrategy
from bench.workload import describe

Adopt = Callable[[LoadedStrategy], str]
"""Returns the text of a conftest.py made from a strategy; raises UserError with the reason if there is none."""

Servers = dict[str, Server]
"""Servers by condition name; the name of the first condition is empty."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of the command line."""

    names: str
    tests: int
    sweep: Sequence[SweptAxis]
    rounds: int | None
    quick: bool
    budget: float
    source: ServerSource
    client: Client
    seed: int | None
    out: Path | None
    cell_timeout: float
    check: bool
    need: str | None


def describe_run(  # noqa: PLR0917 - called in one place
    options: RunOptions,
    references: Sequence[str],
    strategies: Sequence[LoadedStrategy],
    plan: schedule.Plan,
    need: tuple[str, ...],
    servers: Servers,
    adopt: Adopt,
) -> Run:
    """
    Return the record of a run before its first cell.

    :param references: of all strategies of the run, the floor and its twin included.
    :param need: probes that a strategy must pass to be ranked.
    :param adopt: makes each strategy's fixture, which the run keeps for its reports.
    """
    first = plan.conditions[0]
    return Run(
        schema=SCHEMA,
        looptrap=VERSION,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        database_prefix=f"looptrap_{secrets.token_hex(4)}_",
        commit=commit(),
        command=_command(options, plan, servers[""]),
        configuration=Configuration(
            strategies=tuple(references),
            cell_timeout=options.cell_timeout,
            source=_recorded_source(options, servers[""]),
            client=options.client,
            sweep=tuple(options.sweep),
            check=options.check,
            need=need,
        ),
        seed=plan.seed,
        limits=RoundLimits(plan.limits.fewest, plan.limits.most, None if plan.limits.fixed else options.budget),
        decisions=(),
        strategies=tuple(_facts(one, first.client, adopt) for one in strategies),
        workload=describe(plan.sizes[0], plan.sizes[1:]),
        server=servers[""].facts,
        machine=machine_of(first.client),
        start=START,
        client=first.client,
        conditions=tuple(describe_condition(one, servers[one.name].facts) for one in plan.conditions[1:]),
    )


def _facts(strategy: LoadedStrategy, client: Client, adopt: Adopt) -> StrategyFacts:
    facts = strategy.facts(client)
    try:
        return replace(facts, fixture=adopt(strategy))
    except UserError as error:
        return replace(facts, no_fixture=str(error))


def _recorded_source(options: RunOptions, server: Server) -> ServerSource:
    """Return where the server comes from, without a DSN, because it may hold a password."""
    kind = server.facts.kind
    return options.source if sweeps_servers(options.sweep) else replace(options.source, choice=kind)


def sweeps_servers(sweep: Sequence[SweptAxis]) -> bool:
    """Whether a sweep has several kinds of server."""
    return any(axis.name == "server" for axis in sweep)


def machine_of(client: Client) -> Machine:
    """Describe the machine, with the Python and the packages that tests use."""
    machine = describe_machine()
    if not client.interpreter:
        return machine
    found = look(client.interpreter)
    return replace(machine, python=found.python, packages=found.packages)


def describe_condition(spec: ConditionSpec, server: ServerFacts) -> Condition:
    """Describe a condition, with the Python and the packages that its tests use."""
    path = spec.client.interpreter
    return Condition(
        name=spec.name,
        server=server,
        client=spec.client,
        python=look(path).python if path else platform.python_version(),
        packages=look(path).packages if path else {},
    )


def _command(options: RunOptions, plan: schedule.Plan, server: Server) -> str:
    """Return the command that repeats the run, without a DSN, because it may hold a password."""
    parts = ["nox", "-s", "bench", "--"]
    if options.names != CORE:
        parts += ["--strategies", options.names]
    parts += ["--tests", str(options.tests)]
    for axis in options.sweep:
        parts += ["--sweep", str(axis)]
    if options.need:
        parts += ["--need", options.need]
    if not options.check:
        parts.append("--no-check")
    parts += ["--rounds", str(plan.limits.most)] if plan.limits.fixed else ["--budget", f"{options.budget:g}"]
    parts += ["--seed", str(plan.seed), *_client_options(options.client), *_source_options(options, server)]
    return shlex.join(parts)


def _client_options(client: Client) -> Iterator[str]:
    for name in ("driver", "loop", "runner"):
        if getattr(client, name) != getattr(Client, name):
            yield from (f"--{name}", getattr(client, name))


def _source_options(options: RunOptions, server: Server) -> Iterator[str]:
    recorded = _recorded_source(options, server)
    if recorded.choice != "auto":
        yield from ("--server", "DSN" if recorded.choice == "dsn" else recorded.choice)
    for name in ("image", "pg", "transport"):
        if value := getattr(recorded, name):
            yield from (f"--{name}", str(value))
    for name, value in recorded.settings.items():
        yield from ("--setting", f"{name}={value}")
    if recorded.tmpfs:
        yield "--tmpfs"
