"""A strategy that was found: its facts for `run.json`, and the arguments with which pytest runs tests under it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.results.endpoints import Client
from bench.results.records import StrategyDocs, StrategyFacts
from bench.strategy.declaration import Strategy, Trap
from bench.strategy.docstrings import read_docstring
from bench.strategy.probe_catalogue import Probe


@dataclass(frozen=True)
class LoadedStrategy:
    """A strategy that was found, imported and checked."""

    name: str
    module: str
    """Dotted name, for pytest's `-p`."""
    plugins: tuple[str, ...]
    """The module's `pytest_plugins`."""
    path: Path
    summary: str
    """First line of the module's docstring."""
    declared: Strategy
    import_from: Path | None = None
    """Folder that must be on the import path; only for a strategy that was given by its path."""

    def facts(self, client: Client | None = None) -> StrategyFacts:
        """
        Return what `run.json` records of it, except the fixture to copy.

        :param client: driver, event loop and runner that the run uses.
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
            forkable=declared.forkable,
            docs=StrategyDocs(docstring.how, docstring.when_to_use, docstring.prior_art),
        )

    @property
    def unable(self) -> str:
        """Why it cannot run here; empty if it can."""
        return self.declared.peer.unable if self.declared.peer else ""

    def why_not(self, client: Client) -> str:
        """Return why it cannot run with a client, or not here at all; empty if it can."""
        cannot = self.declared.cannot
        reasons = (f"{part}: {cannot[part]}" for part in (client.driver, client.loop, client.runner) if part in cannot)
        return self.unable or "; ".join(reasons)

    def _sources(self) -> list[Path]:
        """Return its file, and the private files beside it, such as `_databases.py`, that it uses in any depth."""
        found = [self.path]
        private_files = sorted(path for path in self.path.parent.glob("_[!_]*") if path.is_file())
        for source in found:
            text = source.read_text()
            found += [path for path in private_files if path not in found and re.search(rf"\b{path.stem}\b", text)]
        return found


def loop_scope_options(declared: Strategy) -> dict[str, str]:
    """Return the ini options of pytest-asyncio that a strategy declares."""
    return {
        "asyncio_default_test_loop_scope": declared.test_loop_scope,
        "asyncio_default_fixture_loop_scope": declared.fixture_loop_scope,
    }


def arguments_for_pytest(module: str, plugins: Sequence[str], declared: Strategy) -> list[str]:
    """
    Return the arguments with which pytest runs tests under a strategy; the caller adds which tests.

    :param plugins: the module's `pytest_plugins`.
    """
    scopes = [f"-o{option}={value}" for option, value in loop_scope_options(declared).items()]
    # Where two plugins have a fixture of the same name the later plugin wins, and a strategy may override fixtures of
    # the harness and of its own plugins. Pytest by itself would load `pytest_plugins` after the strategy.
    loaded = [argument for name in ("bench.worker.fixtures", *plugins, module) for argument in ("-p", name)]
    return [*loaded, *scopes]
