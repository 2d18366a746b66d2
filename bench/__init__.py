"""What a strategy file imports: `Strategy`, `Trap`, `ExpectedError` and `Probe`."""

from bench.strategy import ExpectedError, Probe, Strategy, Trap

__all__ = ["ExpectedError", "Probe", "Strategy", "Trap"]
