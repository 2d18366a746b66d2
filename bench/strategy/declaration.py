"""
What a strategy file declares.

A strategy is a pytest plugin module with a module-level `strategy`, an instance of `Strategy` or `Trap`, and a fixture
`session_factory`. `bench/strategy/discovery.py` checks the declaration; `bench/worker/fixtures.py` checks the fixtures
while tests run.
"""

import importlib.metadata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.strategy.probe_catalogue import Probe

FLOOR = "none"
"""The strategy without isolation, with which the others are compared."""
TWIN = "none_twin"
"""A hidden copy of the floor: any difference between the two is noise (an A/A test)."""

LoopScope = Literal["function", "class", "module", "package", "session"]
ExpectedFailures = Literal["all fail", "first passes", "alternates"]


@dataclass(frozen=True)
class Peer:
    """
    The published package that a strategy adapts.

    :param distribution: its name on PyPI.
    :param unable: why it cannot run here; empty if it can.
    """

    distribution: str
    unable: str = ""

    @property
    def version(self) -> str:
        """The installed version; empty if the package is not installed."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return ""


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """
    What a strategy declares about itself.

    The two loop scopes set pytest-asyncio's `asyncio_default_test_loop_scope` and
    `asyncio_default_fixture_loop_scope`. A fixture of a wider scope passes `loop_scope=` itself.

    :param test_loop_scope: lifetime of the event loop that tests run in.
    :param fixture_loop_scope: the same for async fixtures that do not set it themselves.
    :param hides: behaviours of a real Postgres that tests cannot see under this strategy.
    :param core: whether it is in the set `core`, which runs by default.
    :param peer: the package that it adapts; only for strategies in `strategies/peers/`.
    :param cannot: drivers, event loops and runners that it does not support, such as `anyio`, each with the reason.
    :param forkable: whether it works in a process forked from one that has imported pytest, SQLAlchemy and FastAPI;
        else its cells start new interpreters.
    """

    test_loop_scope: LoopScope = "function"
    fixture_loop_scope: LoopScope = "function"
    hides: Collection[Probe] = ()
    core: bool = True
    peer: Peer | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    forkable: bool = True


@dataclass(frozen=True)
class ExpectedError:
    """
    An error that a trap must produce.

    :param exception: name of the class, such as `RuntimeError`; for an error that SQLAlchemy wraps, the wrapper's.
    :param words: part of its message.
    """

    exception: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Trap(Strategy):
    """
    A strategy that is known to fail, kept because people write it. It fails with errors or, worse, silently.

    :param errors: errors that must all occur; a missing one is reported as a finding.
    :param failures: which tests fail: `all fail`, `first passes` (all others fail), or `alternates` (every other test
        passes, beginning with the first).
    :param caught_by: for a silent trap: those hidden behaviours that show its defect.
    """

    errors: Sequence[ExpectedError] = ()
    failures: ExpectedFailures = "all fail"
    caught_by: Collection[Probe] = ()
