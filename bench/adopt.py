"""Stub."""

from bench.errors import UserError


def adopted(reference: str) -> str:
    """Stub."""
    raise UserError(f"{reference}: not yet")
