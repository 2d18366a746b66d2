"""Inspects another Python in which tests can run: its version and its packages."""

import functools
import json
import subprocess
from dataclasses import dataclass

from bench.results.errors import UserError

PATIENCE = 30.0
"""Seconds."""

NEEDED = ("asyncpg", "fastapi", "pytest", "pytest-asyncio", "sqlalchemy")
"""Without these no test runs. An environment that has them has the other dependencies, too."""

_LOOK = """
import importlib.metadata, json, platform
packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), "packages": packages}))
"""


@dataclass(frozen=True)
class Interpreter:
    """The version and the packages of a Python."""

    python: str
    packages: dict[str, str]
    """Versions by package name, in the package's own spelling."""


@functools.cache
def look(path: str) -> Interpreter:
    """
    Ask an interpreter for its version and packages.

    :raises UserError: it does not start, or lacks packages that the tests need.
    """
    try:
        answer = subprocess.run([path, "-c", _LOOK], capture_output=True, text=True, check=True, timeout=PATIENCE)  # noqa: S603 - the user named it
        found = Interpreter(**json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UserError(
            f"{path!r} does not start as a Python: give the path of one, such as .venv/bin/python."
        ) from error
    names = {name.lower() for name in found.packages}
    if missing := [name for name in NEEDED if name not in names]:
        raise UserError(
            f"{path} lacks {', '.join(missing)}: install the project's dependencies there, or run nox -s matrix."
        )
    return found
