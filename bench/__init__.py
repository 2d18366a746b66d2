"""What a strategy file imports to declare itself."""

from bench.strategy.declaration import ExpectedError, Peer, Strategy, Trap
from bench.strategy.probe_catalogue import KEPT_CONNECTIONS, ONE_TRANSACTION, Probe

__all__ = ["KEPT_CONNECTIONS", "ONE_TRANSACTION", "ExpectedError", "Peer", "Probe", "Strategy", "Trap"]
