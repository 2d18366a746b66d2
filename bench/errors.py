"""The one error that a user is meant to see: one line, exit code 2, no traceback."""


class UserError(Exception):
    """
    Something that the user can mend.

    The message is one line that says what was given, what is valid and what to type next. The command line prints
    it and exits with 2; nothing else catches it.
    """
