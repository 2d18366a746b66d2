"""Writes a new strategy file that runs as it is: the one that `python -m bench new NAME` leaves to be changed."""

import re
from pathlib import Path

from bench.errors import UserError
from bench.strategy import STRATEGIES, names_in_tree

TEMPLATE = STRATEGIES / "savepoint_rollback.py"


def new_strategy(name: str) -> Path:
    """
    Copy the strategy that most people start from.

    :raises UserError: the name cannot be one, or is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"'{name}' cannot name a strategy: lower case, digits and _, such as schema_per_test.")
    if name in names_in_tree():
        raise UserError(f"strategies/{name}.py exists already: choose another name, or edit that file.")
    path = STRATEGIES / f"{name}.py"
    path.write_text(TEMPLATE.read_text().replace(_summary(), f"{name}: say in one line what it does to each test.", 1))
    return path


def _summary() -> str:
    return TEMPLATE.read_text().splitlines()[1]
