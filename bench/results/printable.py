"""Makes text from elsewhere fit for one line of a terminal or a page."""


def printable(text: str) -> str:
    """Return text as one line without control characters; an error may contain new lines and terminal codes."""
    return "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))
