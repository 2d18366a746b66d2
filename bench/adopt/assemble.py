"""
Take a strategy home: from its file to a conftest.py that needs nothing of the harness.

What was measured is what is pasted: the strategy's own code stays as it is written, and its declaration goes. What it
takes from other files of strategies/ and from the harness (bench/adopt/given.py) is put before it, `db_session` and
`client` come after it, and of all this only what it needs.
"""

import ast
import json
import re
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from bench.adopt.imports import WIDTH, import_lines
from bench.adopt.module_source import Block, Source, read_source
from bench.results.errors import UserError
from bench.results.paths import ROOT
from bench.results.printable import printable
from bench.results.version import VERSION
from bench.strategy.declaration import FLOOR, TWIN, LoadedStrategy, Trap, loop_scope_options
from bench.strategy.discovery import load, peers_in_tree
from bench.strategy.docstrings import read_docstring
from bench.worker.protocol import ADMIN_DSN

GIVEN = Path(__file__).parent
AFTER = frozenset({"db_session", "client"})
"""The fixtures that tests ask for, made from the strategy's `session_factory`."""

DECLARATION = frozenset({"strategy", "__all__", "pytest_plugins"})
APPLICATION = "# EDIT: these are where your project has them."
TO_DO = "To use it, "


def adopted(reference: str) -> str:
    """
    Return the text of a conftest.py made of a strategy, given by its name, dotted name or path.

    :raises UserError: there is no such strategy, it is not to be used or cannot run, or it needs what stays behind.
    """
    return conftest_of(load(reference))


def conftest_of(strategy: LoadedStrategy) -> str:
    """
    Return the text of a conftest.py made of a strategy.

    :raises UserError: it is not to be used or cannot run, or it needs what stays behind.
    """
    _refuse(strategy)
    chosen = _Choice(strategy)
    docstring = _docstring(strategy, chosen)
    imports = import_lines(chosen.imports).replace("from your_app", f"\n{APPLICATION}\nfrom your_app", 1)
    return f'"""\n{docstring}\n"""\n\n{imports}{_laid_out(chosen.blocks())}\n'


def write_new(path: Path, conftest: str) -> None:
    """
    Write the file.

    :raises UserError: it is there already, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(conftest)
    except FileExistsError as error:
        raise UserError(f"{path} is there already: give another file to --out, or move that one away.") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; give another file to --out.") from error


def to_do(conftest: str) -> str:
    """Return what the docstring of an adopted conftest.py tells its reader to do."""
    _, begins, rest = (ast.get_docstring(ast.parse(conftest)) or "").rpartition(TO_DO)
    return begins + rest


def _refuse(strategy: LoadedStrategy) -> None:
    """Refuse a strategy that nobody is to take, or that nobody can run."""
    name = printable(strategy.name)
    if isinstance(strategy.declared, Trap) or name in {FLOOR, TWIN}:
        raise UserError(
            f"{name} is there to be measured, not to be taken home. {printable(read_docstring(strategy.path).take_it)}"
        )
    if strategy.unable:
        raise UserError(f"{name} cannot run: {printable(strategy.unable)}")


class _Choice:
    """What goes into the file: the strategy's own code, and what that needs by name or by fixture."""

    def __init__(self, strategy: LoadedStrategy) -> None:
        self._name = printable(strategy.name)
        self._modules: dict[str, Source] = {}
        self._taken: dict[Block, Source] = {}

        own = self.own = _without_declaration(read_source(strategy.path), strategy)
        # These are used without being named.
        self.imports = {one for one in own.imports if one.module == "__future__" or one.name == "*"}
        plugins = [self._module(name) for name in strategy.plugins if _in_tree(name)]
        asked = {fixture for source in (own, *plugins) for block in source.blocks for fixture in block.asks}
        names = ("given_by_alembic.py", "given.py") if "alembic_config" in asked else ("given.py",)
        self._given = [read_source(GIVEN / name) for name in names]
        imported = [one.bound for one in own.imports if _in_tree(one.module) and one.bound not in DECLARATION]
        # Of several fixtures of one name the strategy's wins, as it does under the harness.
        self._fixtures = {
            name: source
            for source in reversed([own, *plugins, *self._given])
            for block in source.blocks
            for name in block.names
            if block.is_fixture
        } | dict.fromkeys(imported, own)

        for block in own.blocks:
            self._take(block, own)
        for name in imported:
            self._take_name(name, own)
        for name in sorted(AFTER):
            self._take_name(name, self._fixtures[name])
        self._check_names()

    def blocks(self) -> list[Block]:
        """Return the statements in their order: what was given, the strategy's own, and what tests ask for."""
        given, shared = (
            [block for source in sources for block in source.blocks if self._taken.get(block) is source]
            for sources in (reversed(self._given), self._modules.values())
        )
        before = [block for block in given if not block.names & AFTER]
        return [*before, *shared, *self.own.blocks, *(block for block in given if block.names & AFTER)]

    def packages(self) -> set[str]:
        """Return the names of all packages that are imported, modules of the standard library among them."""
        return {one.package for one in self.imports}.union(*(block.imports for block in self._taken))

    def _take(self, block: Block, source: Source) -> None:
        """Take a statement, and what it needs."""
        if block in self._taken:
            return
        self._taken[block] = source
        if block.imports & {"bench", "strategies"}:
            raise self._cannot("it imports from the harness, and not at its top")
        if "__file__" in block.uses:
            raise self._cannot('of files only Path(__file__).with_name("...").read_text() comes along')
        if "strategy" in block.uses or "LOOPTRAP_" in block.text:
            raise self._cannot("it uses its declaration, or what the harness puts into the environment")
        for name in sorted(block.uses):
            self._take_name(name, source)
        for name in block.asks:
            if name in block.names:
                raise self._cannot(f"its fixture {name} builds on another one of that name; give it a name of its own")
            if name in self._fixtures:
                self._take_name(name, self._fixtures[name])

    def _take_name(self, name: str, source: Source) -> None:
        """Take what a module means by a name; what it does not know is of the builtins."""
        for block in source.blocks:
            if name in block.names:
                self._take(block, source)
        for one in source.imports:
            if one.bound != name:
                continue
            if _in_tree(one.module) and one.bound == one.name:
                self._take_name(name, self._module(one.module))
            elif one.module.startswith("bench.app."):
                self.imports.add(replace(one, module=one.module.replace("bench.app", "your_app", 1)))
            elif one.package in {"bench", "strategies", ""}:
                raise self._cannot(f"it uses {name} of {one.module}, which stays behind")
            else:
                self.imports.add(one)

    def _module(self, name: str) -> Source:
        """Read another module of strategies/, once."""
        if name not in self._modules:
            self._modules[name] = read_source(ROOT.joinpath(*name.split(".")).with_suffix(".py"))
        return self._modules[name]

    def _check_names(self) -> None:
        """Refuse two things of one name: they were apart in their modules."""
        meant: dict[str, object] = {}
        named: list[tuple[str, object]] = [
            (name, source.path) for block, source in self._taken.items() for name in block.names
        ]
        named += [(one.bound, one if one.name else one.package) for one in self.imports]
        for name, what in named:
            if meant.setdefault(name, what) != what:
                raise self._cannot(f"{name} means one thing in it, and another in what it needs; rename it there")

    def _cannot(self, why: str) -> UserError:
        return UserError(f"{self._name} cannot be taken home: {printable(why)}.")


def _in_tree(module: str) -> bool:
    return module.startswith("strategies.")


def _without_declaration(own: Source, strategy: LoadedStrategy) -> Source:
    """Return a strategy without what only the harness looks at."""
    blocks = []
    plugins = [name for name in strategy.plugins if not _in_tree(name) and not _found_by_pytest(name, strategy)]
    for block in own.blocks:
        if "pytest_plugins" in block.names and plugins:
            blocks.append(replace(block, text=f"pytest_plugins = {json.dumps(plugins)}"))
        elif not block.names & DECLARATION:
            blocks.append(replace(block, text=block.text.replace(f'os.environ["{ADMIN_DSN}"]', "DSN")))
    return replace(own, blocks=tuple(blocks))


def _found_by_pytest(plugin: str, strategy: LoadedStrategy) -> bool:
    """Tell whether pytest loads a plugin by its entry point, as it does not under the harness; twice is an error."""
    if strategy.declared.peer:
        # Not to be asked of a package that may be missing here; one that is named as its package has an entry point.
        return plugin.partition(".")[0] == strategy.declared.peer.distribution.replace("-", "_")
    return plugin in {entry_point.module for entry_point in entry_points(group="pytest11")}


def _docstring(strategy: LoadedStrategy, chosen: _Choice) -> str:
    """Return the strategy's own docstring, and after it where it is from and what to do."""
    facts = strategy.facts()
    origin = f"{strategy.module.replace('.', '/')}.py (source_sha256 {facts.source_sha256[:12]} in its runs)"
    hides = f" What its tests do not see, as its probes are named: {', '.join(facts.hides)}." if facts.hides else ""
    needs = ", ".join(_requirements(strategy, chosen.packages()))
    scopes = "".join(f'\n    {option} = "{scope}"' for option, scope in loop_scope_options(strategy.declared).items())
    text = "\n\n".join(
        [
            chosen.own.docstring,
            _filled(f"Made by looptrap {VERSION} from {origin}.{hides}"),
            _filled(f"{TO_DO}change what is marked EDIT, install {needs}, and put into pyproject.toml"),
            f'    [tool.pytest.ini_options]\n    asyncio_mode = "auto"{scopes}',
        ]
    )
    return text.replace("\\", "\\\\").replace('"""', '\\"""')


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _requirements(strategy: LoadedStrategy, packages: set[str]) -> list[str]:
    """Return those requirements of pyproject.toml that the file has; asyncpg is named in a URL alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {*(package.replace("_", "-") for package in packages), "asyncpg"}
    required = [one for one in project["project"]["dependencies"] if _distribution(one) in needed]
    if peer := strategy.declared.peer:
        others = {name.replace("_", "-") for name in peers_in_tree()} - {peer.distribution}
        # Beside the peers there is what they connect by.
        required += [one for one in project["dependency-groups"]["peers"] if _distribution(one) not in others]
    return required


def _distribution(requirement: str) -> str:
    return re.split(r"[\[=<>~!;\s]", requirement)[0]


def _laid_out(blocks: Iterable[Block]) -> str:
    """Return statements after one another, with two blank lines around each definition."""
    text, after_definition = "", False
    for block in blocks:
        apart = 2 if block.is_definition or after_definition else max(1, block.blank_lines)
        text += "\n" * (apart + 1) + block.text
        after_definition = block.is_definition
    return text
