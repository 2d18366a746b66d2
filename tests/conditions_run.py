"""Synthetic runs with several conditions, whose true costs are known."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from bench.analysis.conditions import Conditions, analyse_conditions
from bench.measure.sweep import parse_sweep
from bench.results.endpoints import Client
from bench.results.records import Cell, Condition, Run, ServerFacts
from tests.made_runs import a_cell, a_run, facts

TRAP = facts("trap", errors=(("RuntimeError", "loop"),), failures="all fail")
FLOOR = {"none": 0.010, "none_twin": 0.010}
Costs = Mapping[str, Mapping[str, float]]
"""Seconds per test of each strategy, by the name of the condition; that of the first is empty."""

USUAL: Costs = {
    "": {"dear": 0.040, "middle": 0.020, "cheap": 0.010, **FLOOR},
    "fsync=off": {"dear": 0.010, "middle": 0.016, "cheap": 0.0098, **FLOOR},
    "tmpfs=yes": {"dear": 0.012, "middle": 0.020, "cheap": 0.005, **FLOOR},
    "fsync=off, tmpfs=yes": {"dear": 0.011, "middle": 0.020, "cheap": 0.010, **FLOOR},
}
SWEEP = ("setting:fsync=on,off", "tmpfs=no,yes")


@dataclass(frozen=True)
class Made:
    """A run and its cells."""

    run: Run
    cells: tuple[Cell, ...]

    @cached_property
    def conditions(self) -> Conditions:
        """The analysis."""
        found = analyse_conditions(self.run, self.cells)
        assert found is not None
        return found


def made(
    costs: Costs, *, sweep: tuple[str, ...] = SWEEP, rounds: int = 8, noise: float = 0.01, differ: float = 0.2
) -> Made:
    """
    Make complete rounds.

    :param noise: by how much cells vary, as a share.
    :param differ: by how much whole rounds vary, as a share.
    """
    names = list(costs[""])
    run = a_run(*map(facts, names), TRAP)
    run = replace(
        run,
        configuration=replace(run.configuration, sweep=parse_sweep(sweep)),
        conditions=tuple(Condition(name, _server(run.server, name), _client(name)) for name in costs if name),
    )
    random = np.random.default_rng(1)
    cells = [replace(a_cell("trap", 0, outcomes="F" * 20), condition=condition) for condition in costs]
    for number in range(1, rounds + 1):
        block = random.normal(0, differ)
        for condition, of_condition in costs.items():
            for name, cost in of_condition.items():
                seconds = cost * float(np.exp(block + random.normal(0, noise)))
                cells.append(replace(a_cell(name, number, seconds), condition=condition))
    return Made(run, tuple(cells))


def _client(name: str) -> Client:
    """Return the client that the name of a condition describes."""
    return Client(loop="uvloop") if name == "loop=uvloop" else Client()


def _server(server: ServerFacts, name: str) -> ServerFacts:
    """Return the server that the name of a condition describes."""
    set_so = dict(part.split("=", 1) for part in name.split(", ") if "=" in part)
    filesystem = "tmpfs" if set_so.pop("tmpfs", "no") == "yes" else server.filesystem
    return replace(server, settings={**server.settings, **set_so}, filesystem=filesystem)


@cache
def usual() -> Made:
    """Return a run in which tuning, another strategy and both gain, and the order of two strategies reverses."""
    return made(USUAL)


@cache
def large() -> Made:
    """Return 25 strategies with long names under 16 conditions with long names."""
    random = np.random.default_rng(3)
    strategies = [f"number_{number:02}_{'a_long_name_' * 3}"[:36] for number in range(23)]
    names = ["", *(f"server=container:16, max_wal_size={number}GB, tmpfs=yes" for number in range(15))]
    costs = {
        name: {one: 0.004 * 1.1**place * float(np.exp(random.normal(0, 0.6))) for place, one in enumerate(strategies)}
        | FLOOR
        for name in names
    }
    return made(costs, rounds=6, sweep=("server=embedded,container:16", "setting:max_wal_size=1GB,2GB", "tmpfs=no,yes"))
