"""What a strategy file imports: its declaration, and the probes that it names there."""

from bench.probes import KEPT_CONNECTIONS, ONE_TRANSACTION, Probe
from bench.strategy import ExpectedError, Peer, Strategy, Trap

__all__ = ["KEPT_CONNECTIONS", "ONE_TRANSACTION", "ExpectedError", "Peer", "Probe", "Strategy", "Trap"]
