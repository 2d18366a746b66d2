"""`nox -s new -- NAME`: write a strategy file that runs as it is, to be changed."""

import re
from pathlib import Path

import click

from bench.results.errors import UserError
from bench.strategy.discovery import STRATEGIES, names_in_tree

TEMPLATE = STRATEGIES / "savepoint_rollback.py"

DOCSTRING = """
{name}: say in one line what it does to each test.

Say in one to four lines how it works, and what to know before one takes it.

Take it when (say in one or two sentences for whom it is the right one; of a trap: Take it never, and what instead).
Prior art: [name](https://example.org).
"""


def new_strategy(name: str) -> Path:
    """
    Copy the strategy that most people start from, with a docstring that asks for what it has to say.

    :raises UserError: the name cannot be one, or is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"'{name}' cannot name a strategy: lower case, digits and _, such as schema_per_test.")
    if name in names_in_tree():
        raise UserError(f"strategies/{name}.py exists already: choose another name, or edit that file.")
    path = STRATEGIES / f"{name}.py"
    before, _, code = TEMPLATE.read_text().split('"""', 2)
    path.write_text(f'{before}"""{DOCSTRING.format(name=name)}"""{code}')
    return path


@click.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a strategy file that runs as it is."""
    path = new_strategy(name)
    click.echo(f"wrote {path}; try it: nox -s bench -- --quick --strategies {name}")
