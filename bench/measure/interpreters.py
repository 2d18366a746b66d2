"""Looks at another Python that tests are to run in: which version it is, and which packages it has."""

import functools
import json
import subprocess
from dataclasses import dataclass

from bench.results.errors import UserError

PATIENCE = 30.0
"""Seconds."""

NEEDED = ("asyncpg", "fastapi", "pytest", "pytest-asyncio", "sqlalchemy")
"""Without these no test runs; whoever has these has installed the rest."""

_LOOK = """
import importlib.metadata, json, platform
packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), "packages": packages}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What is in it."""

    python: str
    packages: dict[str, str]
    """Versions by name, as each package writes its own."""


@functools.cache
def look(path: str) -> Interpreter:
    """
    Ask an interpreter what it has.

    :raises UserError: it does not start, or lacks what tests need.
    """
    try:
        answer = subprocess.run([path, "-c", _LOOK], capture_output=True, text=True, check=True, timeout=PATIENCE)  # noqa: S603 - the user named it
        found = Interpreter(**json.loads(answer.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UserError(
            f"{path!r} is no Python that starts: give the path of one, such as .venv/bin/python."
        ) from error
    names = {name.lower() for name in found.packages}
    if missing := [name for name in NEEDED if name not in names]:
        raise UserError(
            f"{path} lacks {', '.join(missing)}: install the project's dependencies there, or type nox -s matrix."
        )
    return found
