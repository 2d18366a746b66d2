"""
Turn a strategy's file into a conftest.py that needs nothing of the harness.

The strategy's own code stays as it was measured, without its declaration. The helpers and harness fixtures that it uses
(`bench/adopt/selection.py` finds them) come before it, `db_session` and `client` after it.
"""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.adopt.imports import WIDTH, import_lines
from bench.adopt.module_source import Block
from bench.adopt.requirements import requirements
from bench.adopt.selection import Selection
from bench.results.errors import UserError
from bench.results.printable import printable
from bench.results.version import VERSION
from bench.strategy.declaration import FLOOR, TWIN, Trap
from bench.strategy.discovery import load
from bench.strategy.docstrings import read_docstring
from bench.strategy.loaded import LoadedStrategy, loop_scope_options

APPLICATION = "# EDIT: import these from your own project."


@dataclass(frozen=True)
class AdoptedConftest:
    """A conftest.py made from a strategy."""

    text: str
    """The whole file."""
    instructions: str
    """What the user has to do; also part of the file's docstring."""
    pytest_options: dict[str, str]
    """What `[tool.pytest.ini_options]` in pyproject.toml must contain."""


def adopted(reference: str) -> AdoptedConftest:
    """
    Make a conftest.py from a strategy, given by its name, dotted name or path.

    :raises UserError: there is no such strategy, or one of the reasons of `conftest_of`.
    """
    return conftest_of(load(reference))


def conftest_of(strategy: LoadedStrategy) -> AdoptedConftest:
    """
    Make a conftest.py from a strategy.

    :raises UserError: it is for benchmarking only or cannot run, or needs something that exists only in the harness.
    """
    _refuse(strategy)
    selection = Selection(strategy)
    options = {"asyncio_mode": "auto", **loop_scope_options(strategy.declared)}
    instructions = _instructions(requirements(strategy, selection.packages()), options)
    docstring = "\n\n".join([selection.own.docstring, _origin(strategy), instructions])
    docstring = docstring.replace("\\", "\\\\").replace('"""', '\\"""')
    imports = import_lines(selection.imports).replace("from your_app", f"\n{APPLICATION}\nfrom your_app", 1)
    text = f'"""\n{docstring}\n"""\n\n{imports}{_laid_out(selection.blocks())}\n'
    return AdoptedConftest(text, instructions, options)


def write_new(path: Path, conftest: AdoptedConftest) -> None:
    """
    Write the file.

    :raises UserError: it exists already, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(conftest.text)
    except FileExistsError as error:
        raise UserError(f"{path} exists already: choose another file with --out, or move this one.") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another file with --out.") from error


def _refuse(strategy: LoadedStrategy) -> None:
    """Refuse a strategy that nobody should use, or that nobody can run."""
    name = printable(strategy.name)
    if isinstance(strategy.declared, Trap) or name in {FLOOR, TWIN}:
        raise UserError(f"{name} is for benchmarking only. {printable(read_docstring(strategy.path).when_to_use)}")
    if strategy.unable:
        raise UserError(f"{name} cannot run: {printable(strategy.unable)}")


def _origin(strategy: LoadedStrategy) -> str:
    facts = strategy.facts()
    file = f"{strategy.module.replace('.', '/')}.py"
    hides = f" Its tests cannot see (names of probes): {', '.join(facts.hides)}." if facts.hides else ""
    return _filled(f"Made by looptrap {VERSION} from {file} (source_sha256 {facts.source_sha256[:12]}).{hides}")


def _instructions(required: list[str], options: dict[str, str]) -> str:
    lines = (f'    {option} = "{value}"' for option, value in options.items())
    task = f"To use it, change the lines marked EDIT, install {', '.join(required)}, and add to pyproject.toml:"
    return "\n".join([_filled(task), "", "    [tool.pytest.ini_options]", *lines])


def _filled(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _laid_out(blocks: Iterable[Block]) -> str:
    """Return statements after one another, with two blank lines around each definition."""
    text, after_definition = "", False
    for block in blocks:
        blank_lines = 2 if block.is_definition or after_definition else max(1, block.blank_lines)
        text += "\n" * (blank_lines + 1) + block.text
        after_definition = block.is_definition
    return text
