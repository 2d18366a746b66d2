"""
The contract of a strategy: what it declares, and what pytest is told of it.

A strategy is a pytest plugin module with a module-level `strategy`, an instance of `Strategy` or `Trap`, and a fixture
`session_factory`. `bench/strategy/discovery.py` finds and checks it; `bench/worker/fixtures.py` checks the rest of the
contract, inside the process that is measured.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.results.endpoints import Client
from bench.results.records import StrategyDocs, StrategyFacts
from bench.strategy.docstrings import read_docstring
from bench.strategy.probe_catalogue import Probe

FLOOR = "none"
"""The strategy without isolation."""
TWIN = "none_twin"
"""The floor again, hidden: what differs between the two is noise."""

LoopScope = Literal["function", "class", "module", "package", "session"]
ExpectedFailures = Literal["all fail", "first passes", "alternates"]


@dataclass(frozen=True)
class Peer:
    """
    The published package that a strategy adapts.

    :param distribution: its name on PyPI.
    :param unable: why it cannot run here; empty where it can.
    """

    distribution: str
    unable: str = ""

    @property
    def version(self) -> str:
        """The version that is installed; empty where none is."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return ""


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """
    What a strategy declares about itself.

    The loop scopes become pytest-asyncio's two ini options of (almost) the same names; a fixture of a wider scope says
    `loop_scope=` itself.

    :param test_loop_scope: how long the event loop lives in which a test runs.
    :param fixture_loop_scope: the same for async fixtures that do not say it themselves.
    :param hides: behaviours of a real Postgres that tests do not see under this strategy.
    :param core: whether it belongs to the set `core`, which is what runs when nobody says what.
    :param peer: the package that it adapts, of a strategy in `strategies/peers/`.
    :param cannot: drivers, event loops and runners that it does not work with, such as `anyio`, and why.
    """

    test_loop_scope: LoopScope = "function"
    fixture_loop_scope: LoopScope = "function"
    hides: Collection[Probe] = ()
    core: bool = True
    peer: Peer | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExpectedError:
    """
    An error that a trap must produce.

    :param exception: the class name, such as `RuntimeError`; of SQLAlchemy's wrapped errors, the wrapper's.
    :param words: a part of its message.
    """

    exception: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Trap(Strategy):
    """
    A strategy that is known to fail, kept because people write it: with errors, or, which is worse, without one.

    :param errors: every error that must come; a run in which one does not come is a finding.
    :param failures: in how many tests: `all fail`, `first passes` (and all others fail), or `alternates` (every other
        test passes, the first among them).
    :param caught_by: of a trap without errors: those of the probes that it fails which show what is wrong with it.
    """

    errors: Sequence[ExpectedError] = ()
    failures: ExpectedFailures = "all fail"
    caught_by: Collection[Probe] = ()


@dataclass(frozen=True)
class LoadedStrategy:
    """A strategy that was found, imported and checked."""

    name: str
    module: str
    """What `-p` takes."""
    plugins: tuple[str, ...]
    """What the module names in its `pytest_plugins`."""
    path: Path
    summary: str
    """The first line of the module's docstring."""
    declared: Strategy
    import_from: Path | None = None
    """Folder to put on the import path, for a strategy that was given by its path."""

    def facts(self, client: Client | None = None) -> StrategyFacts:
        """
        Return what `run.json` says of it, but for the fixture to copy.

        :param client: that strategies are compared under.
        """
        declared, peer, unable = self.declared, self.declared.peer, self.why_not(client or Client())
        # What cannot run cannot fail as it declares, either.
        trap = declared if isinstance(declared, Trap) and not unable else None
        docstring = read_docstring(self.path)
        return StrategyFacts(
            name=self.name,
            summary=self.summary,
            test_loop_scope=declared.test_loop_scope,
            fixture_loop_scope=declared.fixture_loop_scope,
            hides=tuple(probe.value for probe in Probe if probe in declared.hides),
            expected_errors=tuple((error.exception, error.words) for error in trap.errors) if trap else (),
            expected_failures=trap.failures if trap and trap.errors else "",
            is_trap=trap is not None,
            caught_by=tuple(probe.value for probe in Probe if trap and probe in trap.caught_by),
            source_sha256=hashlib.sha256(b"".join(path.read_bytes() for path in self._sources())).hexdigest(),
            peer=f"{peer.distribution} {peer.version}".rstrip() if peer else "",
            unable=unable,
            cannot=dict(declared.cannot),
            docs=StrategyDocs(docstring.how, docstring.take_it, docstring.prior_art),
        )

    @property
    def unable(self) -> str:
        """Why it cannot run here; empty where it can."""
        return self.declared.peer.unable if self.declared.peer else ""

    def why_not(self, client: Client) -> str:
        """Why it cannot run under a client, or not here at all; empty where it can."""
        cannot = self.declared.cannot
        reasons = (f"{part}: {cannot[part]}" for part in (client.driver, client.loop, client.runner) if part in cannot)
        return self.unable or "; ".join(reasons)

    def _sources(self) -> list[Path]:
        """Return its file, and those files beside it, such as `_databases.py`, that it names or that these name."""
        found = [self.path]
        beside = sorted(path for path in self.path.parent.glob("_[!_]*") if path.is_file())
        for source in found:
            text = source.read_text()
            found += [path for path in beside if path not in found and re.search(rf"\b{path.stem}\b", text)]
        return found


def loop_scope_options(declared: Strategy) -> dict[str, str]:
    """Return the ini options of pytest-asyncio that a strategy declares."""
    return {
        "asyncio_default_test_loop_scope": declared.test_loop_scope,
        "asyncio_default_fixture_loop_scope": declared.fixture_loop_scope,
    }


def arguments_for_pytest(module: str, plugins: Sequence[str], declared: Strategy) -> list[str]:
    """
    Return the arguments of pytest that run tests under a strategy; which tests, is for the caller to add.

    :param plugins: what the module names in its `pytest_plugins`.
    """
    scopes = [f"-o{option}={value}" for option, value in loop_scope_options(declared).items()]
    # Of two plugins' fixtures of one name the later wins, and a strategy may override those of the harness and of the
    # plugins that it builds on. Left to pytest, what it names in `pytest_plugins` would come after it.
    loaded = [argument for name in ("bench.worker.fixtures", *plugins, module) for argument in ("-p", name)]
    return [*loaded, *scopes]
