"""
The records of a run, and the history of their schema.

`bench/results/files.py` writes and reads them. Measuring and reporting share nothing else. If you change a record,
raise `SCHEMA` and extend the history below.

Schema history
    1   first version, before any release; no longer read
    2   size of each cell; transactions, processor time and memory per test; load and steal; more about the machine;
        the configuration that a resume needs; no longer read
    3   probe results, in a file of their own; traps without errors; needed probes; peers
    4   conditions: more servers, drivers, event loops, runners and environments; a run of schema 3 has one condition
    5   decisions and sweeps are records instead of text; each strategy's documentation and fixture, so that a report
        needs no strategy file; how processes start; `bench/results/history.py` converts schemas 3 and 4
"""

import statistics
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from bench.results.endpoints import Client, ServerSource

SCHEMA = 5

ProcessStart = Literal["forked", "spawned"]
"""
How a cell's process starts: forked from a template that has imported pytest, SQLAlchemy and the application, or as a
new interpreter that imports them itself.
"""

WARM_UP = 0
"""The number of the round that is not timed: it has the traps and a warm-up cell of the floor."""

PASSED, FAILED, ERROR, LEAKED = ".", "F", "E", "L"
"""The letters of `Samples.outcomes`: passed; failed in its own work; error in setup or teardown; passed, but found rows
of an earlier test at its start."""


@dataclass(frozen=True)
class Size:
    """How much a strategy has to set up, run and clean up: one point of a sweep."""

    tests: int
    tables: int
    """Tables of the schema: the application's own and additional empty ones."""
    rows: int
    """Reference rows that a migration inserts into a table of their own."""


@dataclass(frozen=True)
class Failure:
    """One way in which tests of a cell failed, without addresses, so that equal failures compare equal."""

    phase: Literal["setup", "call", "teardown"]
    type: str
    """The exception's class name, such as `RuntimeError`."""
    message: str
    """The first line of the message, at most 300 characters."""


@dataclass(frozen=True)
class Samples:
    """
    Every raw sample of a cell in columns, with one entry per test in the order in which they ran.

    Times are seconds and exclude fixtures of a wider scope than function, which are in `Cell`.
    """

    setup: tuple[float, ...] = ()
    call: tuple[float, ...] = ()
    teardown: tuple[float, ...] = ()
    outcomes: str = ""
    """One letter per test: `PASSED`, `FAILED`, `ERROR` or `LEAKED`."""
    leaked: tuple[int, ...] = ()
    """Tables that held rows of an earlier test when the test started; -1 if the test did not get that far."""
    failure: tuple[int, ...] = ()
    """Index into `Cell.failures` of the test's first failure; -1 for none."""
    statements: tuple[int, ...] = ()
    """SQL statements that SQLAlchemy sent for the test, including savepoints but not BEGIN, COMMIT and ROLLBACK."""
    connections: tuple[int, ...] = ()
    """Connections to Postgres that SQLAlchemy opened for the test."""
    transactions: tuple[int, ...] = ()
    """Transactions that SQLAlchemy began for the test, without savepoints."""
    cpu: tuple[float, ...] = ()
    """Processor time of the test process for the test, user and system, without Postgres."""
    peak_memory: tuple[int, ...] = ()
    """Peak resident memory of the process in bytes until the end of the test, so it never falls."""


@dataclass(frozen=True)
class Cell:
    """
    One strategy x one workload, run once, in a process and a database of its own.

    All times are seconds. `startup + collection + session_setup + sum(samples) + session_teardown + shutdown +
    residual = wall`.
    """

    strategy: str
    size: Size
    round: int
    position: int
    """Place within the round, from 0."""
    started: str
    """ISO 8601, UTC."""
    status: Literal["finished", "crashed", "timeout", "server died"]
    """
    `finished`: pytest ran to its end, whatever the tests did. `crashed`: it did not. `timeout`: it was killed. `server
    died`: the server stopped, which says nothing about the strategy. `detail` has the reason if it is not `finished`.
    """
    detail: str
    wall: float
    """From the start of the process to its end."""
    cpu: float | None
    """Processor time of the process and its children; None if the system does not report it."""
    startup: float
    """Start of the interpreter and imports of pytest, plugins and the application."""
    collection: float
    session_setup: float
    """Setup of fixtures of a wider scope than function."""
    session_teardown: float
    shutdown: float
    """From the end of the last test to the end of the process."""
    residual: float
    """The rest of `wall`: pytest's own work between tests."""
    wal_bytes_per_test: float | None
    """Bytes of write-ahead log of the whole server per test, without session fixtures; None for fewer than 3 tests."""
    load: float
    """The machine's load average over one minute when the cell started."""
    steal: float | None
    """Share of processor time, 0 to 1, that the hypervisor gave to others; None if it is not known."""
    failures: tuple[Failure, ...]
    samples: Samples
    condition: str = ""
    """The name of its condition; empty for the run's first."""
    start: ProcessStart = "spawned"

    @property
    def per_test(self) -> tuple[float, ...]:
        """Seconds of each test: setup + call + teardown. Empty if the cell did not finish: its columns may be torn."""
        if self.status != "finished":
            return ()
        return tuple(map(sum, zip(self.samples.setup, self.samples.call, self.samples.teardown, strict=True)))

    @property
    def cost(self) -> float | None:
        """Seconds per test, the median over its tests; None if it did not finish."""
        return statistics.median(self.per_test) if self.per_test else None

    @property
    def fixed(self) -> float:
        """Seconds that do not depend on the number of tests."""
        return self.startup + self.collection + self.session_setup + self.session_teardown + self.shutdown


@dataclass(frozen=True)
class ProbeResult:
    """The result of one probe under one strategy."""

    probe: str
    outcome: Literal["sees", "hides", "breaks"]
    """
    `sees`: tests see the behaviour of a real Postgres. `hides`: something else happens, without an error. `breaks`: an
    error or a hang.
    """
    detail: str
    """Where and how it failed, in several lines; empty for `sees`."""


@dataclass(frozen=True)
class Fidelity:
    """The results of all probes under one strategy."""

    strategy: str
    source_sha256: str
    """Hash of the strategy's file when it was probed."""
    server: str
    """Such as `embedded, Postgres 18.4`."""
    sights: tuple[ProbeResult, ...]


@dataclass(frozen=True)
class StrategyDocs:
    """What a strategy's docstring says after its first line: parts in Markdown, one line each; a part may be empty."""

    how: str = ""
    """How it works, and its caveats."""
    when_to_use: str = ""
    """Begins with `Use it when` or `Do not use it`."""
    prior_art: str = ""
    """Links."""


@dataclass(frozen=True)
class StrategyFacts:
    """What a strategy declared when the run started."""

    name: str
    summary: str
    test_loop_scope: str
    fixture_loop_scope: str
    hides: tuple[str, ...]
    is_trap: bool = False
    """Whether it is a trap, a strategy that is known to fail."""
    expected_errors: tuple[tuple[str, str], ...] = ()
    """Of a trap: the errors that must occur, as exception and part of the message; empty if it fails silently."""
    expected_failures: str = ""
    """Of a trap with errors: `all fail`, `first passes` or `alternates`."""
    caught_by: tuple[str, ...] = ()
    """Of a trap that fails silently: the probes that show what is wrong with it."""
    source_sha256: str = ""
    peer: str = ""
    """The published package that it adapts, with its version, such as `pytest-postgresql 10.0.0`."""
    unable: str = ""
    """Why it could not run on that machine, so that it has no cells; empty if it could."""
    cannot: dict[str, str] = field(default_factory=dict)
    """Why it has no cells under a driver, event loop or runner, such as `anyio`."""
    forkable: bool = True
    """Whether its timed cells are forked where that is possible; else they are spawned."""
    docs: StrategyDocs = field(default_factory=StrategyDocs)
    """Empty in a run older than schema 5."""
    fixture: str = ""
    """The text of a conftest.py made from it, to copy into another project; empty if there is none."""
    no_fixture: str = ""
    """Why there is no `fixture`; empty if there is one, and in a run older than schema 5."""


@dataclass(frozen=True)
class ServerFacts:
    """Where Postgres came from, and its configuration."""

    kind: Literal["dsn", "container", "embedded"]
    why: str
    version: str
    """The version of Postgres, such as `18.4`."""
    transport: str
    """`unix socket` or `tcp`."""
    filesystem: str
    """The file system of the data directory, such as `ext4` or `overlayfs`; empty if unknown."""
    image: str
    """Name and digest of a container's image; otherwise empty."""
    settings: dict[str, str]
    """The settings that influence timings."""
    architecture: str = ""
    """The architecture that the server was built for, such as `x86_64`; if the machine has another, it is emulated."""

    def __str__(self) -> str:
        """Return a short description: `embedded, Postgres 18.4 on ext4`."""
        return f"{self.kind}, Postgres {self.version}" + (f" on {self.filesystem}" if self.filesystem else "")


@dataclass(frozen=True)
class Machine:
    """The machine that the run was measured on."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    """Such as `Linux 6.1 x86_64`."""
    python: str
    packages: dict[str, str]
    architecture: str = ""
    """Such as `x86_64`."""
    governor: str = ""
    """The governor of the processor's clock, such as `powersave`; empty if unknown."""
    virtualisation: str = ""
    """The hypervisor or container that it runs in, such as `kvm`, or `none`; empty if unknown."""


@dataclass(frozen=True)
class Workload:
    """What every strategy had to do. Runs with different fingerprints are never pooled."""

    size: Size
    """The size at which strategies are compared."""
    shapes: tuple[str, ...]
    """The kinds of test; test i is of kind `shapes[i % len(shapes)]`."""
    fingerprint: str
    """Hash of application, workload and size: 12 hexadecimal digits."""
    sweep: tuple[Size, ...] = ()
    """More sizes, which show how cost grows; each differs from `size` in one number."""


@dataclass(frozen=True)
class RoundLimits:
    """The number of timed rounds. If `fewest` and `most` are equal, the user chose it."""

    fewest: int
    most: int
    budget: float | None
    """Time limit in seconds: no round starts that would exceed it; None if there is no limit."""


@dataclass(frozen=True)
class SweptAxis:
    """One `--sweep` option: what varies, and its values."""

    name: str
    """Such as `tests`, `tmpfs` or `setting:fsync`."""
    values: tuple[str, ...]
    """As they were typed; the others are compared with the first."""

    @property
    def label(self) -> str:
        """The name without `setting:`, such as `fsync`."""
        return self.name.removeprefix("setting:")

    def __str__(self) -> str:
        """Return it as it is typed: `tmpfs=no,yes`."""
        return f"{self.name}={','.join(self.values)}"


@dataclass(frozen=True)
class Configuration:
    """The options of the run, defaults included. A resume needs these, and seed, limits and workload."""

    strategies: tuple[str, ...]
    """Names, dotted names or absolute paths, as given."""
    cell_timeout: float
    """Seconds after which a cell is killed."""
    source: ServerSource = field(default_factory=ServerSource)
    """Where the server comes from. A DSN is not recorded, because it may hold a password."""
    client: Client = field(default_factory=Client)
    sweep: tuple[SweptAxis, ...] = ()
    """The swept sizes and conditions."""
    check: bool = True
    """Whether the probes run."""
    need: tuple[str, ...] = ()
    """Probes that a strategy must pass to be ranked."""


@dataclass(frozen=True)
class Condition:
    """The server and the client that cells ran with."""

    name: str
    """How it differs from the run's first condition, such as `fsync=off, tmpfs=yes`."""
    server: ServerFacts
    client: Client
    python: str = ""
    """The version of the client's Python."""
    packages: dict[str, str] = field(default_factory=dict)
    """The versions of the packages in the client's environment."""


class DecisionKind(StrEnum):
    """What the schedule decided."""

    STRATEGY_RESTS = "strategy rests"
    """A strategy runs in no further round: it is slow, and its cost is far from its neighbours'."""
    ROUNDS_DONE = "rounds done"
    """The run ended: it has the number of rounds that was asked for."""
    MOST_ROUNDS = "most rounds"
    """The run ended: it has the largest number of rounds that a run without --rounds may have."""
    BUDGET = "budget"
    """The run ended: another round would have exceeded the time limit."""
    PAIRS_SETTLED = "pairs settled"
    """The run ended: each two strategies that are neighbours in cost are significantly different, or equal."""
    RECORDED = "recorded"
    """Read from a run older than schema 5, which kept a sentence."""


@dataclass(frozen=True)
class Decision:
    """One decision of the schedule: that a strategy sits out the remaining rounds, or that the run ends."""

    kind: DecisionKind
    round: int = 0
    """The round after which it was taken."""
    strategy: str = ""
    """The strategy that rests."""
    seconds: float | None = None
    """Of `BUDGET`: the time limit."""
    equal_within: float | None = None
    """Of `PAIRS_SETTLED`: the share, such as 0.05, by which costs may differ and still count as equal."""
    text: str = ""
    """Of `RECORDED`: the sentence."""


@dataclass(frozen=True)
class Run:
    """Everything about a run except its cells."""

    schema: int
    looptrap: str
    """Version of the harness."""
    started: str
    """ISO 8601, UTC."""
    database_prefix: str
    """The prefix of the names of the run's databases, by which a resume finds those that were left behind."""
    commit: str
    """The git commit of the harness, with `+` if files were changed; empty outside a git checkout."""
    command: str
    """The command that repeats the run, without any password."""
    configuration: Configuration
    seed: int
    limits: RoundLimits
    decisions: tuple[Decision, ...]
    """Why the rounds ended, and which strategies sat some out; empty until the run is complete."""
    strategies: tuple[StrategyFacts, ...]
    workload: Workload
    server: ServerFacts
    machine: Machine
    start: ProcessStart = "spawned"
    """How the processes of timed cells started, except those of strategies that are not forkable."""
    client: Client = field(default_factory=Client)
    conditions: tuple[Condition, ...] = ()
    """Conditions beside the first one, which is `server` and `client`. Strategies are compared under the first."""
