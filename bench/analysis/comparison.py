"""
Two runs side by side: what differs around them, and the ratio of each strategy's costs.

Takes and returns records; only `measured` reads. Rounds of two runs are not paired; `docs/comparing.md` says what
follows from that. Change a rule only together with that page.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bench.analysis import statistics
from bench.analysis.estimates import Estimate, estimate
from bench.analysis.ranking import Analysis, StrategyResult, analyse
from bench.report.formatting import significant
from bench.results.errors import UserError
from bench.results.files import read_cells, read_run
from bench.results.records import Run
from bench.strategy.declaration import FLOOR

NOTHING = "-"
"""In place of a fact that one of the runs does not have."""
UNKNOWN = "not known"


@dataclass(frozen=True)
class Measured:
    """One of the two runs."""

    folder: Path
    analysis: Analysis

    @property
    def run(self) -> Run:
        """Everything about the run but its cells."""
        return self.analysis.run

    def result(self, name: str) -> StrategyResult | None:
        """Return what the run says of a strategy; None where it was not in it."""
        return next((result for result in self.analysis.strategies if result.facts.name == name), None)


@dataclass(frozen=True)
class Difference:
    """One fact in which the two runs differ."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Pair:
    """One strategy in both runs."""

    a: StrategyResult
    b: StrategyResult
    ratio: Estimate | None
    """Cost per test in B over that in A; None where either has no timed round."""
    to_floor: Estimate | None
    """The same of the costs relative to the floor, within rounds: what slowed a run as a whole is not in it."""

    @property
    def name(self) -> str:
        """The strategy's."""
        return self.a.facts.name

    @property
    def word(self) -> Literal["slower", "faster", "same", ""]:
        """What the interval of the ratio says of B; `same`: no difference was found. Empty without an interval."""
        if self.ratio is None or self.ratio.low is None or self.ratio.high is None:
            return ""
        if not statistics.told_apart(self.ratio.low, self.ratio.high):
            return "same"
        return "slower" if self.ratio.low > 1 else "faster"


@dataclass(frozen=True)
class Comparison:
    """What can be said of two runs together."""

    a: Measured
    b: Measured
    differences: tuple[Difference, ...]
    pairs: tuple[Pair, ...]
    """Of the strategies that both runs have, in the order of B."""

    @property
    def same_work(self) -> bool:
        """Whether the strategies of both runs had the same to do; else their figures say nothing of each other."""
        return self.a.run.workload.fingerprint == self.b.run.workload.fingerprint


def measured(folder: Path) -> Measured:
    """
    Read one run.

    :raises UserError: there is none in the folder.
    """
    run = read_run(folder)
    return Measured(folder, analyse(run, read_cells(folder)))


def compare(a: Measured, b: Measured) -> Comparison:
    """
    Put two runs side by side.

    :raises UserError: both are the same run, or no strategy has a timed round in both.
    """
    if a.run == b.run:
        raise UserError(f"{a.folder} and {b.folder} hold the same run: give two different ones.")
    pairs = [
        Pair(
            a=of_a,
            b=of_b,
            ratio=_ratio(_seconds(a, name), _seconds(b, name)),
            to_floor=None if name == FLOOR else _ratio(_floors(a, name), _floors(b, name)),
        )
        for of_b in b.analysis.strategies
        if (of_a := a.result(name := of_b.facts.name)) is not None
    ]
    if not any(pair.ratio for pair in pairs):
        raise UserError(
            f"{a.folder} and {b.folder} have no strategy of which both finished a timed round; to measure the second "
            f"as the first was: {a.run.command}"
        )
    return Comparison(a, b, tuple(differences(a.run, b.run)), tuple(pairs))


def differences(a: Run, b: Run) -> Iterator[Difference]:
    """Yield what differs around two runs: workload, strategies, harness, server, machine, and each package."""
    packages = a.machine.packages.keys() & b.machine.packages.keys()
    of_a, of_b = _facts(a, packages), _facts(b, packages)
    for what in {**of_a, **of_b}:
        one, other = (facts.get(what, NOTHING) or UNKNOWN for facts in (of_a, of_b))
        if one != other:
            yield Difference(what, one, other)


def _seconds(run: Measured, name: str) -> list[float]:
    return list(_costs(run, name).values())


def _floors(run: Measured, name: str) -> list[float]:
    """Return the strategy's cost in floors, of each round that has both."""
    floor = _costs(run, FLOOR)
    return [seconds / floor[number] for number, seconds in _costs(run, name).items() if number in floor]


def _costs(run: Measured, name: str) -> Mapping[int, float]:
    result = run.result(name)
    return result.costs if result else {}


def _ratio(a: Sequence[float], b: Sequence[float]) -> Estimate | None:
    if not a or not b:
        return None
    return estimate(statistics.unpaired_ratio(np.array(b), np.array(a)))


def _facts(run: Run, shared: Collection[str]) -> dict[str, str]:
    """
    Name all that may differ around a run; empty where it is not known.

    :param shared: the packages that both runs have. An environment for developers has dozens more than one for a job,
        so the others are named together.
    """
    machine, server, size = dataclasses.asdict(run.machine), dataclasses.asdict(run.server), run.workload.size
    packages, settings = machine.pop("packages"), server.pop("settings")
    # Why a server was chosen changes nothing of it.
    server.pop("why")
    # A kernel counts a few kB more or less as it starts.
    machine["memory"] = f"{significant(machine.pop('memory_bytes') / 2**30)} GiB"
    facts = {
        "workload": run.workload.fingerprint,
        **{f"workload's {what}": count for what, count in dataclasses.asdict(size).items()},
        **{f"source of {facts.name}": facts.source_sha256[:12] for facts in run.strategies},
        "looptrap": run.looptrap,
        "looptrap's commit": run.commit,
        "schema": run.schema,
        **{f"server's {what}": value for what, value in server.items()},
        **{f"setting {name}": value for name, value in settings.items()},
        "Python": machine.pop("python"),
        **{f"machine's {what}": value for what, value in machine.items()},
        **{f"package {name}": packages[name] for name in packages if name in shared},
        "packages in one only": ", ".join(f"{name} {packages[name]}" for name in packages if name not in shared)
        or NOTHING,
    }
    return {what: str(value) for what, value in facts.items()}
