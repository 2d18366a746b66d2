"""What the harness and a measured process agree on: names of variables, an exit code, and the record handed back."""

from dataclasses import dataclass, field

from bench.results.records import Failure

DATABASE_URL = "LOOPTRAP_DATABASE_URL"
"""The environment variable with the URL of the cell's database."""

LOOP = "LOOPTRAP_LOOP"
"""The environment variable with whose event loop the process is to run, as in `bench.results.endpoints.Client`."""

ADMIN_DSN = "LOOPTRAP_ADMIN_DSN"
"""The environment variable with the DSN of the server's maintenance database, where the log's position is read."""

CONTRACT_BROKEN = 2
"""The exit code of a process whose strategy breaks the contract."""


@dataclass
class Record:
    """What a measured process hands over. Times are seconds, instants those of `time.perf_counter`."""

    refused: str = ""
    """Why the process ended itself: a contract that the strategy breaks."""
    startup: float = 0
    collection: float = 0
    session_setup: float = 0
    session_teardown: float = 0
    ended: float = 0
    """Instant at which the last test was over."""
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
