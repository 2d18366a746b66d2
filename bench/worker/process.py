"""
The body of a pytest process that was forked, with an output file, an environment and a process group of its own.

`bench/measure/child.py` forks such processes from one that has imported `LIBRARIES`, because imports would take most of
the time of a probe. Most of the harness's own modules are imported by each process anew.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from bench.results.paths import ROOT

LIBRARIES = (
    "alembic.command",
    "alembic.config",
    "asyncpg",
    "bench.app.main",
    "click",
    "fastapi",
    "httpx",
    "pytest_asyncio.plugin",
    "rich.console",
    "rich.table",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
)
"""What to import before the fork, besides this module."""


def run_pytest(arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> NoReturn:
    """
    Run pytest, and end the process with its exit code.

    :param environment: replaces the environment of this process.
    :param output: the file that gets stdout and stderr.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # so that Ctrl-C reaches only the harness, and what pytest starts can be killed with it
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(pytest.main(list(arguments)))
