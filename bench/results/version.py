"""What this harness is, which stands in every result: its version, written in pyproject.toml alone, and its commit."""

import os
import subprocess
import tomllib
from pathlib import Path

from bench.results.paths import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def commit(checkout: Path = ROOT) -> str:
    """
    Return the git commit of a checkout, all 40 digits, with `+` where tracked files differ from it.

    Empty where there is no git, no commit, or `checkout` is not itself the top level of a checkout: a copy that was
    unpacked inside another repository has nothing to do with that one's commits.
    """
    # A git hook sets GIT_DIR and others for its own repository. Looking must not take the lock of the index.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        described = subprocess.run(
            ["git", "--git-dir=.git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],  # noqa: S607 - git is where the user has it
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()
