"""Selects what goes into an adopted conftest.py: the strategy's own code, and whatever that uses by name or fixture."""

import json
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from bench.adopt.module_source import Block, ModuleSource, read_source
from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.results.printable import printable
from bench.strategy.loaded import LoadedStrategy
from bench.worker.protocol import ADMIN_DSN

FOLDER = Path(__file__).parent
HARNESS_FIXTURES = FOLDER / "harness_fixtures.py"
ALEMBIC_FIXTURES = FOLDER / "alembic_fixtures.py"
"""Takes precedence over `HARNESS_FIXTURES` for a strategy that uses Alembic itself."""

FOR_TESTS = frozenset({"db_session", "client"})
"""The fixtures that tests use, made from the strategy's `session_factory`; they come last in the file."""

DECLARATION = frozenset({"strategy", "__all__", "pytest_plugins"})


class Selection:
    """
    The imports and statements of an adopted conftest.py.

    :raises UserError: the strategy needs something that exists only in the harness, or a name would have two meanings.
    """

    def __init__(self, strategy: LoadedStrategy) -> None:
        self._name = printable(strategy.name)
        self._modules: dict[str, ModuleSource] = {}
        self._selected: dict[Block, ModuleSource] = {}

        own = self.own = _without_declaration(read_source(strategy.path), strategy)
        # These have an effect although nothing names them.
        self.imports = {one for one in own.imports if one.module == "__future__" or one.name == "*"}
        plugins = [self._module(name) for name in strategy.plugins if _in_tree(name)]
        requested = {fixture for source in (own, *plugins) for block in source.blocks for fixture in block.requests}
        files = (ALEMBIC_FIXTURES, HARNESS_FIXTURES) if "alembic_config" in requested else (HARNESS_FIXTURES,)
        self._harness = [read_source(file) for file in files]
        imported = [one.bound for one in own.imports if _in_tree(one.module) and one.bound not in DECLARATION]
        # Where several fixtures have one name the strategy's own wins, as in the harness.
        self._fixtures = {
            name: source
            for source in reversed([own, *plugins, *self._harness])
            for block in source.blocks
            for name in block.names
            if block.is_fixture
        } | dict.fromkeys(imported, own)

        for block in own.blocks:
            self._select(block, own)
        for name in imported:
            self._select_name(name, own)
        for name in sorted(FOR_TESTS):
            self._select_name(name, self._fixtures[name])
        self._check_names()

    def blocks(self) -> list[Block]:
        """Return the selected statements: harness fixtures, helpers, the strategy's own, fixtures for tests."""
        harness, helpers = (
            [block for source in sources for block in source.blocks if self._selected.get(block) is source]
            for sources in (reversed(self._harness), self._modules.values())
        )
        before = [block for block in harness if not block.names & FOR_TESTS]
        return [*before, *helpers, *self.own.blocks, *(block for block in harness if block.names & FOR_TESTS)]

    def packages(self) -> set[str]:
        """Return the names of all imported top-level packages, those of the standard library included."""
        return {one.package for one in self.imports}.union(*(block.imports for block in self._selected))

    def _select(self, block: Block, source: ModuleSource) -> None:
        """Select a statement and everything that it needs."""
        if block in self._selected:
            return
        self._selected[block] = source
        if block.imports & {"bench", "strategies"}:
            raise self._cannot("it imports from the harness inside a function; only imports at the top are supported")
        if "__file__" in block.uses:
            raise self._cannot('__file__ is supported only in Path(__file__).with_name("...").read_text()')
        if "strategy" in block.uses or "LOOPTRAP_" in block.text:
            raise self._cannot("it uses its own declaration, or environment variables that the harness sets")
        for name in sorted(block.uses):
            self._select_name(name, source)
        for name in block.requests:
            if name in block.names:
                raise self._cannot(f"its fixture {name} overrides and uses one of the same name; rename it")
            if name in self._fixtures:
                self._select_name(name, self._fixtures[name])

    def _select_name(self, name: str, source: ModuleSource) -> None:
        """Select what a name means in a module; an unknown name is a builtin and needs nothing."""
        for block in source.blocks:
            if name in block.names:
                self._select(block, source)
        for one in source.imports:
            if one.bound != name:
                continue
            if _in_tree(one.module) and one.bound == one.name:
                self._select_name(name, self._module(one.module))
            elif one.module.startswith("bench.app."):
                self.imports.add(replace(one, module=one.module.replace("bench.app", "your_app", 1)))
            elif one.package in {"bench", "strategies", ""}:
                raise self._cannot(f"it uses {name} of {one.module}, which exists only in the harness")
            else:
                self.imports.add(one)

    def _module(self, name: str) -> ModuleSource:
        """Read another module of strategies/, once."""
        if name not in self._modules:
            self._modules[name] = read_source(ROOT.joinpath(*name.split(".")).with_suffix(".py"))
        return self._modules[name]

    def _check_names(self) -> None:
        """Refuse a name with two meanings: separate modules become one file."""
        meanings: dict[str, object] = {}
        named: list[tuple[str, object]] = [
            (name, source.path) for block, source in self._selected.items() for name in block.names
        ]
        named += [(one.bound, one if one.name else one.package) for one in self.imports]
        for name, meaning in named:
            if meanings.setdefault(name, meaning) != meaning:
                raise self._cannot(
                    f"{name} means one thing in its file and another in a module that it uses: rename it"
                )

    def _cannot(self, why: str) -> UserError:
        return UserError(f"{self._name} cannot be adopted: {printable(why)}.")


def _in_tree(module: str) -> bool:
    return module.startswith("strategies.")


def _without_declaration(own: ModuleSource, strategy: LoadedStrategy) -> ModuleSource:
    """Return a strategy's source without what only the harness reads."""
    blocks = []
    plugins = [name for name in strategy.plugins if not _in_tree(name) and not _found_by_pytest(name, strategy)]
    for block in own.blocks:
        if "pytest_plugins" in block.names and plugins:
            blocks.append(replace(block, text=f"pytest_plugins = {json.dumps(plugins)}"))
        elif not block.names & DECLARATION:
            blocks.append(replace(block, text=block.text.replace(f'os.environ["{ADMIN_DSN}"]', "DSN")))
    return replace(own, blocks=tuple(blocks))


def _found_by_pytest(plugin: str, strategy: LoadedStrategy) -> bool:
    """Return whether pytest loads a plugin by its entry point, which the harness disables. Loading it twice fails."""
    if strategy.declared.peer:
        # The package may not be installed here. A plugin module inside the peer's own package has an entry point.
        return plugin.partition(".")[0] == strategy.declared.peer.distribution.replace("-", "_")
    return plugin in {entry_point.module for entry_point in entry_points(group="pytest11")}
