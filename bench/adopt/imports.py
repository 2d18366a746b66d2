"""Import statements as text, in the default order of isort and ruff."""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

WIDTH = 120


@dataclass(frozen=True)
class Import:
    """A name bound by an import: `import module` if `name` is empty, else `from module import name`."""

    module: str
    name: str
    bound: str
    """The name in the importing module."""

    @property
    def package(self) -> str:
        """The top-level package, such as `sqlalchemy`."""
        return self.module.partition(".")[0]


def import_lines(imports: Iterable[Import]) -> str:
    """Return statements that bind these names: the standard library, a blank line, then other packages."""
    ordered = sorted(set(imports), key=_sort_key)
    return "\n\n".join("\n".join(_statements(group)) for _, group in groupby(ordered, _section))


def _sort_key(one: Import) -> tuple[object, ...]:
    return _section(one), bool(one.name), _natural(one.module), *_member(one)


def _section(one: Import) -> int:
    if one.module == "__future__":
        return 0
    return 1 if one.package in sys.stdlib_module_names else 2


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Return a sort key that compares numbers by value: `a9` before `a10`."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def _member(one: Import) -> tuple[object, ...]:
    """Return a sort key: constants, classes, then the rest; renamed imports come last."""
    kind = 0 if one.name.isupper() and len(one.name) > 1 else 1 if one.name[:1].isupper() else 2
    return one.bound != one.name, kind, _natural(one.name), one.bound


def _statements(imports: Iterable[Import]) -> Iterator[str]:
    for (module, own_line), group in groupby(imports, lambda one: (one.module, _own_line(one))):
        names = [one.name for one in group]
        line = own_line or f"from {module} import {', '.join(names)}"
        yield (
            line
            if len(line) <= WIDTH
            else "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
        )


def _own_line(one: Import) -> str:
    """Return the statement of an import that needs a line of its own; empty if it can share one."""
    if one.name:
        return f"from {one.module} import {one.name} as {one.bound}" if one.bound != one.name else ""
    renamed = one.bound not in {one.module, one.package}
    return f"import {one.module} as {one.bound}" if renamed else f"import {one.module}"
