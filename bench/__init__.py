"""What a strategy file imports: its declaration, and the probes that it names there."""

from bench.strategy.declaration import ExpectedError, Peer, Strategy, Trap
from bench.strategy.probe_catalogue import KEPT_CONNECTIONS, ONE_TRANSACTION, Probe

__all__ = ["KEPT_CONNECTIONS", "ONE_TRANSACTION", "ExpectedError", "Peer", "Probe", "Strategy", "Trap"]
