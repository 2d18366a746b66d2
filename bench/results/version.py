"""The version of the harness, which pyproject.toml defines, and its git commit. Every run records both."""

import os
import subprocess
import tomllib
from pathlib import Path

from bench.results.paths import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def commit(checkout: Path = ROOT) -> str:
    """
    Return the git commit of a checkout, all 40 digits, with `+` where tracked files differ from it.

    Empty without git, without a commit, or if `checkout` is not the top level of a checkout: a copy that was unpacked
    inside another repository does not belong to that repository's commits.
    """
    # A git hook sets GIT_DIR and others for its own repository. Reading must not lock the index.
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
