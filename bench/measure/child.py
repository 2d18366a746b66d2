"""
The body of a process that runs probes: pytest, with output, environment and process group of its own.

`bench/measure/probing.py` forks such processes from one that has imported the libraries already, since imports would be
most of the time that a check takes. Of the harness's own modules each process imports most anew.
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
"""What is imported before the fork, besides this module."""


def run_pytest(arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> NoReturn:
    """
    Run pytest and end the process with its exit code.

    :param environment: the whole of it; what this process has besides is removed.
    :param output: the file that stdout and stderr go to.
    """
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C reaches the harness alone, and what pytest starts can be killed along with it
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(pytest.main(list(arguments)))
