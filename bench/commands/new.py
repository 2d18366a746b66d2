"""`nox -s new -- NAME`: write a strategy file that runs at once, as a starting point."""

import re
from pathlib import Path

import click

from bench.results.errors import UserError
from bench.strategy.discovery import STRATEGIES, names_in_tree

TEMPLATE = STRATEGIES / "savepoint_rollback.py"

DOCSTRING = """
{name}: one line that says what it does to each test.

One to four short sentences: how it works, and its caveats.

Use it when (one or two sentences; for a trap write: Do not use it: why, and what to use instead).
Prior art: [name](https://example.org).
"""


def new_strategy(name: str) -> Path:
    """
    Copy the strategy that most people start from, with a docstring to fill in.

    :raises UserError: the name is invalid or taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"'{name}' is not a valid name: use lower case, digits and _, such as schema_per_test.")
    if name in names_in_tree():
        raise UserError(f"strategies/{name}.py exists already: choose another name, or edit that file.")
    path = STRATEGIES / f"{name}.py"
    before, _, code = TEMPLATE.read_text().split('"""', 2)
    path.write_text(f'{before}"""{DOCSTRING.format(name=name)}"""{code}')
    return path


@click.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a new strategy file: a copy of savepoint_rollback that runs at once, for you to change."""
    path = new_strategy(name)
    click.echo(f"wrote {path}; try it: nox -s bench -- --quick --strategies {name}")
