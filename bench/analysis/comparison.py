"""
Compare two runs: what differs between their environments, and the ratio of each strategy's costs.

Rounds of different runs are not paired. `docs/internals/comparison.md` gives the reason for each rule: change both
together.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from bench.analysis import statistics
from bench.analysis.estimates import Estimate, bounds, estimate
from bench.analysis.ranking import Analysis, StrategyResult, analyse
from bench.results.errors import UserError
from bench.results.files import read_cells, read_run
from bench.results.records import Run
from bench.strategy.declaration import FLOOR


@dataclass(frozen=True)
class ComparedRun:
    """One of the two runs."""

    folder: Path
    analysis: Analysis

    @property
    def run(self) -> Run:
        """Everything about the run except its cells."""
        return self.analysis.run

    def result(self, name: str) -> StrategyResult | None:
        """Return the result of a strategy; None if it is not in the run."""
        return next((result for result in self.analysis.strategies if result.facts.name == name), None)


class Section(StrEnum):
    """The part of a run that a fact belongs to."""

    WORKLOAD = "workload"
    SOURCE = "source"
    """Hashes of the strategies' files."""
    HARNESS = "looptrap"
    SERVER = "server"
    SETTING = "setting"
    """Settings of the server."""
    PYTHON = "Python"
    MACHINE = "machine"
    PACKAGE = "package"


Value = str | float | None
"""None: the run does not have this fact. Empty: it is not known. A number: GiB of memory."""


@dataclass(frozen=True)
class Difference:
    """One fact that differs between the two runs."""

    section: Section
    name: str
    """Such as `fsync` or `asyncpg`; empty where the section has only one fact."""
    a: Value
    b: Value


class Change(StrEnum):
    """How the cost of a strategy in B differs from that in A."""

    SLOWER = "slower"
    FASTER = "faster"
    TIED = "tied"


@dataclass(frozen=True)
class Pair:
    """One strategy in both runs."""

    a: StrategyResult
    b: StrategyResult
    ratio: Estimate | None
    """Cost per test in B divided by that in A; None where either has no timed round."""
    to_floor: Estimate | None
    """The same ratio of costs relative to the floor, within rounds: a slowdown of the whole run cancels."""

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self.a.facts.name

    @property
    def change(self) -> Change | None:
        """Whether B is significantly slower or faster than A, or tied; None without a confidence interval."""
        low, high = bounds(self.ratio)
        if np.isnan(low):
            return None
        if not statistics.significantly_different(low, high):
            return Change.TIED
        return Change.SLOWER if low > 1 else Change.FASTER


@dataclass(frozen=True)
class Comparison:
    """Two runs, their differences and the strategies that both have."""

    a: ComparedRun
    b: ComparedRun
    differences: tuple[Difference, ...]
    pairs: tuple[Pair, ...]
    """In the order of B."""

    @property
    def same_workload(self) -> bool:
        """Whether both runs ran the same tests; otherwise their figures are not comparable."""
        return self.a.run.workload.fingerprint == self.b.run.workload.fingerprint


def read_compared_run(folder: Path) -> ComparedRun:
    """
    Read and analyse one run.

    :raises UserError: the folder holds no run.
    """
    run = read_run(folder)
    return ComparedRun(folder, analyse(run, read_cells(folder)))


def compare(a: ComparedRun, b: ComparedRun) -> Comparison:
    """
    Compare two runs.

    :raises UserError: both are the same run, or no strategy has a timed round in both.
    """
    if a.run == b.run:
        raise UserError(f"{a.folder} and {b.folder} hold the same run: pass two different runs.")
    pairs = [
        Pair(
            a=of_a,
            b=of_b,
            ratio=_ratio([*_costs(a, name).values()], [*_costs(b, name).values()]),
            to_floor=None if name == FLOOR else _ratio(_relative_to_floor(a, name), _relative_to_floor(b, name)),
        )
        for of_b in b.analysis.strategies
        if (of_a := a.result(name := of_b.facts.name)) is not None
    ]
    if not any(pair.ratio for pair in pairs):
        raise UserError(
            f"{a.folder} and {b.folder} have no strategy in common that finished a timed round in both. To measure "
            f"the second like the first: {a.run.command}"
        )
    return Comparison(a, b, tuple(differences(a.run, b.run)), tuple(pairs))


def differences(a: Run, b: Run) -> Iterator[Difference]:
    """Yield each fact about workload, strategies, harness, server, machine and packages that differs."""
    of_a, of_b = _facts(a), _facts(b)
    for section, name in {**of_a, **of_b}:
        values = [facts.get((section, name)) for facts in (of_a, of_b)]
        if values[0] != values[1]:
            yield Difference(section, name, *values)


def _costs(run: ComparedRun, name: str) -> Mapping[int, float]:
    result = run.result(name)
    return result.costs if result else {}


def _relative_to_floor(run: ComparedRun, name: str) -> list[float]:
    """Return the strategy's cost divided by the floor's, for each round that has both."""
    floor = _costs(run, FLOOR)
    return [seconds / floor[number] for number, seconds in _costs(run, name).items() if number in floor]


def _ratio(a: Sequence[float], b: Sequence[float]) -> Estimate | None:
    if not a or not b:
        return None
    return estimate(statistics.unpaired_ratio(np.array(b), np.array(a)))


def _facts(run: Run) -> dict[tuple[Section, str], Value]:
    machine, server = dataclasses.asdict(run.machine), dataclasses.asdict(run.server)
    # The reason for choosing a server does not change the server.
    del server["why"]
    # Three digits, because kernels report a few kB more or less after each boot.
    machine["memory"] = float(f"{machine.pop('memory_bytes') / 2**30:.2e}")
    sections = {
        Section.WORKLOAD: {"fingerprint": run.workload.fingerprint, **dataclasses.asdict(run.workload.size)},
        Section.SOURCE: {facts.name: facts.source_sha256[:12] for facts in run.strategies},
        Section.HARNESS: {"version": run.looptrap, "commit": run.commit, "schema": run.schema},
        Section.SETTING: server.pop("settings"),
        Section.SERVER: server,
        Section.PACKAGE: machine.pop("packages"),
        Section.PYTHON: {"": machine.pop("python")},
        Section.MACHINE: machine,
    }
    return {
        (section, name): value if isinstance(value, float) else str(value)
        for section in Section
        for name, value in sections[section].items()
    }
