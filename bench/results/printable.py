"""Text that came from elsewhere, made fit for a line: what measures and what looks both show it."""


def printable(text: str) -> str:
    """Return text as one line: an error may hold new lines and terminal codes."""
    return "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))
