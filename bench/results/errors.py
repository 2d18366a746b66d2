"""The one error that a user is meant to see: one line, exit code 2, no traceback."""

from pathlib import Path


class UserError(Exception):
    """
    Something that the user can mend.

    The message is one line that says what was given, what is valid and what to type next. The command line prints
    it and exits with 2; nothing else catches it.
    """


def unwritable(folder: Path, error: OSError) -> UserError:
    """Say that a run's folder cannot be written, and what to do."""
    return UserError(f"cannot write to {folder}: {error.strerror}. Choose a folder with room with --out.")
