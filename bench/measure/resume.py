"""
Checks that an interrupted run can be resumed: machine, workload, strategies and servers must not have changed.

Otherwise the cells from before and after the interruption would not be comparable.
"""

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

from bench.measure.description import Servers, describe_condition, machine_of, sweeps_servers
from bench.measure.schedule import Plan
from bench.results.endpoints import ServerSource
from bench.results.errors import UserError
from bench.results.paths import typed
from bench.results.records import SCHEMA, Condition, Machine, Run, ServerFacts, StrategyFacts, Workload
from bench.server import DSN_VARIABLE
from bench.strategy.loaded import LoadedStrategy
from bench.workload import describe

_Facts = TypeVar("_Facts", Condition, Machine, ServerFacts, StrategyFacts, Workload)


def check_same_run(folder: Path, run: Run, strategies: Sequence[LoadedStrategy], plan: Plan) -> None:
    """
    Check that machine, workload, strategies and conditions are those of the run.

    :raises UserError: one has changed, or the run has an older schema.
    """
    if run.schema != SCHEMA:
        raise UserError(
            f"{typed(folder)} cannot be resumed: it has schema {run.schema}, and this looptrap writes schema {SCHEMA}. "
            f"Start again: {run.command}"
        )
    # After a reboot a kernel may report a few kB of memory more or less.
    now = replace(machine_of(plan.conditions[0].client), memory_bytes=run.machine.memory_bytes)
    _refuse_differences(folder, run, "machine", run.machine, now)
    _refuse_differences(folder, run, "workload", run.workload, describe(plan.sizes[0], plan.sizes[1:]))
    for then, strategy in zip(run.strategies, strategies, strict=True):
        # No cell runs the fixture to copy, and it is made from files that are compared here.
        same = replace(strategy.facts(run.client), fixture=then.fixture, no_fixture=then.no_fixture)
        _refuse_differences(folder, run, f"strategy {then.name}", then, same)
    for condition, asked in zip(run.conditions, plan.conditions[1:], strict=True):
        _refuse_differences(
            folder, run, f"condition {condition.name}", condition, describe_condition(asked, condition.server)
        )


def check_same_servers(folder: Path, run: Run, servers: Servers) -> None:
    """
    Check that the servers have the same properties as when the run began; why they were chosen may differ.

    :param servers: by condition name.
    :raises UserError: one is different.
    """
    then = {"": run.server, **{condition.name: condition.server for condition in run.conditions}}
    for name, server in servers.items():
        what = f"server of {name}" if name else "server"
        _refuse_differences(folder, run, what, replace(then[name], why=""), replace(server.facts, why=""))


def source_to_resume(folder: Path, run: Run, given: ServerSource) -> ServerSource:
    """
    Return where the server of a resumed run comes from.

    :param given: the source on the command line beside `--resume`.
    :raises UserError: the run used a DSN, which it does not record, and none is given.
    """
    recorded, kind = run.configuration.source, run.server.kind
    if kind != "dsn":
        return recorded if sweeps_servers(run.configuration.sweep) else replace(recorded, choice=kind)
    if given.choice == "auto" and not os.environ.get(DSN_VARIABLE):
        raise UserError(
            f"{typed(folder)} used a server given by DSN, which a run does not record: add --server DSN to "
            f"--resume, or set {DSN_VARIABLE}."
        )
    return replace(recorded, choice=given.choice, allow_remote=given.allow_remote or recorded.allow_remote)


def _refuse_differences(folder: Path, run: Run, what: str, then: _Facts, now: _Facts) -> None:
    differing = [field.name for field in fields(then) if getattr(then, field.name) != getattr(now, field.name)]
    if differing:
        name = differing[0]
        raise UserError(
            f"{typed(folder)} cannot be resumed: the {what} has changed ({name} was "
            f"{str(getattr(then, name))[:80]}, now it is {str(getattr(now, name))[:80]}). Start again: {run.command}"
        )
