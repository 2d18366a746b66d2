"""What the harness and a measured process share: environment variables, an exit code and the record handed back."""

from dataclasses import dataclass, field

import pytest

from bench.results.records import Failure

DATABASE_URL = "LOOPTRAP_DATABASE_URL"
"""Environment variable: URL of the cell's database."""

LOOP = "LOOPTRAP_LOOP"
"""Environment variable: which event loop to use, as in `bench.results.endpoints.Client`."""

ADMIN_DSN = "LOOPTRAP_ADMIN_DSN"
"""Environment variable: DSN of the server's maintenance database, where the WAL position is read."""

CONTRACT_BROKEN = 2
"""Exit code of a process whose strategy breaks the contract."""


class ContractBrokenError(pytest.exit.Exception):  # type: ignore[name-defined, misc] # mypy takes it for a variable
    """
    The strategy breaks the contract, so nothing that it measures would be valid.

    Raised in any hook or fixture, it ends the process.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=CONTRACT_BROKEN)


@dataclass
class Record:
    """What a measured process hands back. Durations are seconds, instants are values of `time.perf_counter`."""

    refused: str = ""
    """Why the process ended early: how the strategy breaks the contract. Empty otherwise."""
    startup: float = 0
    collection: float = 0
    session_setup: float = 0
    session_teardown: float = 0
    ended: float = 0
    """Instant at which the last test ended."""
    wal_bytes_per_test: float | None = None
    failures: list[Failure] = field(default_factory=list)
    setup: list[float] = field(default_factory=list)
    call: list[float] = field(default_factory=list)
    teardown: list[float] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    leaked: list[int] = field(default_factory=list)
    failure: list[int] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    transactions: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_memory: list[int] = field(default_factory=list)
