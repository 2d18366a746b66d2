"""A Python module as parts: its imports, and its top-level statements as written, with their comments."""

import ast
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.adopt.imports import WIDTH, Import

_NAME_BESIDE = re.compile(r"Path\(__file__\)\.with_name\('([^'/\\]+)'\)\.read_text\(.*\)$")

ImportStatement = ast.Import | ast.ImportFrom
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Block:
    """A top-level statement, with the comments above it and, for a constant, the docstring below."""

    text: str
    names: frozenset[str]
    """Names that it binds in the module."""
    uses: frozenset[str]
    """Names of the module, or builtins, that it uses."""
    requests: tuple[str, ...]
    """If it is a fixture: the fixtures that it requests."""
    imports: frozenset[str]
    """Packages that are imported inside it."""
    is_fixture: bool
    is_definition: bool
    """Whether it is a function or a class, which has two blank lines around it."""
    blank_lines: int
    """Number of blank lines above it."""


@dataclass(frozen=True)
class ModuleSource:
    """A module that was read, not imported."""

    path: Path
    docstring: str
    imports: tuple[Import, ...]
    blocks: tuple[Block, ...]


def read_source(path: Path) -> ModuleSource:
    """
    Read a module.

    `Path(__file__).with_name("name").read_text()` is replaced by a string literal with the content of that file.
    """
    text = _with_files_read(path)
    tree = ast.parse(text)
    lines = text.split("\n")
    imports: list[Import] = []
    blocks: list[Block] = []
    begin = 0
    for group in _groups(tree.body):
        statement, end = group[0], group[-1].end_lineno
        written = "\n".join(lines[begin:end])
        begin = end or 0
        if isinstance(statement, ImportStatement):
            imports += _imports(statement)
        elif statement is not tree.body[0] or ast.get_docstring(tree) is None:
            blocks.append(_block(statement, written))
    return ModuleSource(path, ast.get_docstring(tree) or "", tuple(imports), tuple(blocks))


def _groups(statements: list[ast.stmt]) -> list[list[ast.stmt]]:
    """Group each statement with the docstring below it."""
    groups: list[list[ast.stmt]] = []
    for statement in statements:
        text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if text and groups:
            groups[-1].append(statement)
        else:
            groups.append([statement])
    return groups


def _imports(statement: ImportStatement) -> Iterator[Import]:
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            yield Import(alias.name, "", alias.asname or alias.name.partition(".")[0])
        else:
            module = "." * statement.level + (statement.module or "")
            yield Import(module, alias.name, alias.asname or alias.name)


def _block(statement: ast.stmt, written: str) -> Block:
    text = written.lstrip("\n")
    table = symtable.symtable(text, "", "exec")
    is_fixture = isinstance(statement, Function) and any(map(_makes_fixture, statement.decorator_list))
    return Block(
        text=text,
        names=frozenset(
            symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()
        ),
        uses=frozenset(_global_names(table)),
        imports=frozenset(
            one.package for node in ast.walk(statement) if isinstance(node, ImportStatement) for one in _imports(node)
        ),
        requests=_arguments(statement) if is_fixture and isinstance(statement, Function) else (),
        is_fixture=is_fixture,
        is_definition=isinstance(statement, Function | ast.ClassDef),
        blank_lines=len(written) - len(text),
    )


def _global_names(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _global_names(inner)


def _makes_fixture(decorator: ast.expr) -> bool:
    made = decorator.func if isinstance(decorator, ast.Call) else decorator
    return "fixture" in {getattr(made, "attr", ""), getattr(made, "id", "")}


def _arguments(function: Function) -> tuple[str, ...]:
    given = function.args
    return tuple(argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs))


def _with_files_read(path: Path) -> str:
    """Return the text of a module, with the files that it reads inlined."""
    code = text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and (name := _NAME_BESIDE.match(ast.unparse(node))):
            content = path.with_name(name[1]).read_text(encoding="utf-8")
            raw = '"""' not in content and not content.endswith(('"', "\\"))
            literal = f'r"""{content}"""' if raw else repr(content)
            # The file may have long lines. In a multi-line string a noqa comment must come after its end.
            long = "  # noqa: E501" if any(len(line) > WIDTH for line in literal.splitlines()) else ""
            call = ast.get_source_segment(code, node) or ""
            text = text.replace(f"{call}\n", f"{literal}{long}\n").replace(call, literal)
    return text
