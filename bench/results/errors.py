"""The error that a user is meant to see: one line, exit code 2, no traceback."""

from pathlib import Path


class UserError(Exception):
    """
    Something that the user can correct.

    The message is one line: what was given, what is valid, and what to type next. The command line prints it and exits
    with code 2.
    """


def unwritable(folder: Path, error: OSError) -> UserError:
    """Return the error for a folder of a run that cannot be written."""
    return UserError(
        f"cannot write to {folder}: {error.strerror}. Choose another folder with --out, or free disk space."
    )
