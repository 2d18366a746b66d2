"""
The catalogue of probes: behaviours of a real Postgres that a strategy may hide, and what users lose if it does.

Each probe is a test function `test_PROBE` in `bench/probes/test_FAMILY.py`, or in `apart/` if it needs processes of its
own. Reports and docs/probes.md show these texts. A new probe needs both an entry here and its test.
"""

import difflib
import enum
from typing import Self

from bench.results.errors import UserError

_POSTGRES = "https://www.postgresql.org/docs/current/"
_SQLALCHEMY = "https://docs.sqlalchemy.org/en/20/"


class Family(enum.StrEnum):
    """A group of probes that matter to the same kind of application."""

    heading: str
    needed_by: str
    """Applications that need these behaviours; completes a sentence."""

    def __new__(cls, value: str, heading: str, needed_by: str) -> Self:
        """Make a member whose value is its name in lower case."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.heading, member.needed_by = heading, needed_by
        return member

    CLEAN_SLATE = (
        "clean_slate",
        "Clean slate",
        (
            "every suite whose tests should pass alone and in any order; the probes of identity columns and sequences "
            "matter only if tests expect certain numbers, those of tables and columns only if the code under test "
            "creates them"
        ),
    )
    TRANSACTIONS = (
        "transactions",
        "Transactions",
        "code that rolls back, retries, sets isolation levels, or relies on effects of a commit",
    )
    CONNECTIONS = (
        "connections",
        "More than one connection",
        "code with workers, job queues, background tasks, concurrent requests, or its own engine",
    )
    BEYOND_ROWS = (
        "beyond_rows",
        "Beyond rows",
        "code that uses NOTIFY, advisory locks, temporary tables or session settings, or builds indexes",
    )
    ACCIDENTS = (
        "accidents",
        "Accidents",
        "every suite: tests fail, time out or are killed, and the results of the others should stay reliable",
    )
    LOOPS = (
        "loops",
        "Loops and workers",
        "suites with expensive async fixtures of a wider scope, with their own loop scopes, or with pytest-xdist",
    )


class Probe(enum.StrEnum):
    """A behaviour of a real Postgres that a strategy may hide from the tests that run under it."""

    family: Family
    sees: str
    """What happens with a real Postgres and real commits."""
    lost: str
    """What a user loses if it is hidden, such as a bug that the suite misses."""
    link: str
    """Where it is documented."""

    def __new__(cls, value: str, family: Family, sees: str, lost: str, link: str) -> Self:
        """Make a member whose value is its name in lower case."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.family, member.sees, member.lost, member.link = family, sees, lost, link
        return member

    ROWS_GONE = (
        "rows_gone",
        Family.CLEAN_SLATE,
        "Rows that a test committed are gone when the next test starts.",
        "Whether a test passes depends on the tests that ran before it.",
        f"{_POSTGRES}sql-truncate.html",
    )
    IDENTITY_RESTARTS = (
        "identity_restarts",
        Family.CLEAN_SLATE,
        "Identity columns restart for every test.",
        "A test that expects a certain id, for example in a snapshot, passes alone and fails in the suite.",
        f"{_POSTGRES}ddl-identity-columns.html",
    )
    SEQUENCES_RESTART = (
        "sequences_restart",
        Family.CLEAN_SLATE,
        "A sequence that no column owns restarts for every test.",
        "A test that expects a certain invoice number passes alone and fails in the suite.",
        f"{_POSTGRES}sql-createsequence.html",
    )
    REFERENCE_ROWS = (
        "reference_rows",
        Family.CLEAN_SLATE,
        "Rows inserted by a migration exist in every test.",
        "Tests insert what migrations insert in production, so nobody notices a migration that inserts wrong rows.",
        f"{_POSTGRES}dml-insert.html",
    )
    REFERENCE_ROWS_RESTORED = (
        "reference_rows_restored",
        Family.CLEAN_SLATE,
        "If a test updates or deletes rows inserted by a migration, the next test finds them unchanged.",
        "A test that changes reference data breaks unrelated tests.",
        f"{_POSTGRES}dml-update.html",
    )
    MIGRATED_OBJECTS = (
        "migrated_objects",
        Family.CLEAN_SLATE,
        "A trigger, a function and a domain that only a migration creates exist.",
        "Tests lack the effects of triggers: audit rows, notifications, derived columns.",
        f"{_POSTGRES}sql-createtrigger.html",
    )
    TABLE_GONE = (
        "table_gone",
        Family.CLEAN_SLATE,
        "A table created in a test is gone when the next test starts.",
        "Code that creates tables, for tenants or imports, fails in every test but the first: they already exist.",
        f"{_POSTGRES}sql-createtable.html",
    )
    COLUMN_GONE = (
        "column_gone",
        Family.CLEAN_SLATE,
        "A column added in a test is gone when the next test starts.",
        "A test of a migration changes the schema for all later tests.",
        f"{_POSTGRES}sql-altertable.html",
    )

    COMMIT_THEN_ROLLBACK = (
        "commit_then_rollback",
        Family.TRANSACTIONS,
        "A rollback undoes only what came after the last commit.",
        "In tests, code that rolls back loses what it had committed, or keeps what it rolled back.",
        f"{_SQLALCHEMY}orm/session_transaction.html#joining-a-session-into-an-external-transaction-such-as-for-test-suites",
    )
    INTEGRITY_ERROR = (
        "integrity_error",
        Family.TRANSACTIONS,
        "After an IntegrityError and a rollback the session works, and earlier commits remain.",
        "Tests cannot check how conflicts are handled: rows that were committed before are gone.",
        f"{_SQLALCHEMY}faq/sessions.html#this-session-s-transaction-has-been-rolled-back-due-to-a-previous-exception-during-flush-or-similar",
    )
    BEGIN_NESTED = (
        "begin_nested",
        Family.TRANSACTIONS,
        "A failed savepoint undoes only its own work; the transaction around it continues and commits.",
        "Code that tries one row at a time, like an import, behaves differently in tests.",
        f"{_POSTGRES}sql-savepoint.html",
    )
    HANDLER_ROLLS_BACK = (
        "handler_rolls_back",
        Family.TRANSACTIONS,
        "A request handler that rolls back does not undo earlier requests.",
        "In a test with several requests, the rows of earlier ones disappear.",
        f"{_SQLALCHEMY}orm/session_basics.html#rolling-back",
    )
    INTERLEAVED_SESSIONS = (
        "interleaved_sessions",
        Family.TRANSACTIONS,
        "Of two concurrent sessions one can commit and the other roll back, independently.",
        "A rollback in one part of the application undoes the work of another, or rolls back nothing.",
        f"{_POSTGRES}mvcc-intro.html",
    )
    ISOLATION_LEVEL = (
        "isolation_level",
        Family.TRANSACTIONS,
        "A session gets the isolation level that it requests.",
        "Code that requests SERIALIZABLE fails in tests, or silently runs at another level.",
        f"{_SQLALCHEMY}orm/session_transaction.html#setting-transaction-isolation-levels-dbapi-autocommit",
    )
    SERIALIZATION_FAILURE = (
        "serialization_failure",
        Family.TRANSACTIONS,
        "Of two conflicting serializable transactions, one fails.",
        "No test runs the code that retries after a serialization failure.",
        f"{_POSTGRES}transaction-iso.html#XACT-SERIALIZABLE",
    )
    DEFERRED_CONSTRAINT = (
        "deferred_constraint",
        Family.TRANSACTIONS,
        "A constraint that is initially deferred is checked at commit.",
        "Rows without their parents pass all tests and fail in production.",
        f"{_POSTGRES}sql-set-constraints.html",
    )
    NOW_MOVES = (
        "now_moves",
        Family.TRANSACTIONS,
        "The result of now() differs between two transactions of one test.",
        "Rows written one after another have the same created_at, so tests cannot check sorting or expiry.",
        f"{_POSTGRES}functions-datetime.html#FUNCTIONS-DATETIME-CURRENT",
    )
    SET_LOCAL_ENDS = (
        "set_local_ends",
        Family.TRANSACTIONS,
        "SET LOCAL ends at commit.",
        "A tenant or role set for one transaction is still set in the next, which hides gaps in row-level security.",
        f"{_POSTGRES}sql-set.html",
    )
    ON_COMMIT_DROP = (
        "on_commit_drop",
        Family.TRANSACTIONS,
        "A temporary table with ON COMMIT DROP is gone after the commit.",
        "Code that creates such a table twice fails in tests but works in production.",
        f"{_POSTGRES}sql-createtable.html#SQL-CREATETABLE-PARMS-ON-COMMIT",
    )

    SECOND_CONNECTION = (
        "second_connection",
        Family.CONNECTIONS,
        "A second connection of the same engine sees what a session commits.",
        "A missing commit passes all tests, since everything uses the same transaction.",
        f"{_POSTGRES}transaction-iso.html#XACT-READ-COMMITTED",
    )
    OWN_ENGINE = (
        "own_engine",
        Family.CONNECTIONS,
        "Code that creates its own engine, with the tests' URL, sees what was committed.",
        "Scripts, workers and commands that connect by themselves cannot see rows of the test.",
        f"{_SQLALCHEMY}core/engines.html",
    )
    BACKGROUND_TASK = (
        "background_task",
        Family.CONNECTIONS,
        "A background task, which runs after the response in its own session, sees what the request committed.",
        "Work after the response fails in tests, or is not tested.",
        "https://fastapi.tiangolo.com/tutorial/background-tasks/",
    )
    TWO_REQUESTS = (
        "two_requests",
        Family.CONNECTIONS,
        "Two concurrent requests, sent with asyncio.gather, both succeed.",
        "Tests cannot check races between requests: the driver rejects the second.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-asyncsession-with-concurrent-tasks",
    )
    TWENTY_REQUESTS = (
        "twenty_requests",
        Family.CONNECTIONS,
        "Twenty concurrent requests, more than the pool has connections, all succeed.",
        "Nobody notices that a request needs two connections, so concurrent requests can exhaust the pool.",
        f"{_SQLALCHEMY}core/pooling.html",
    )
    SKIP_LOCKED = (
        "skip_locked",
        Family.CONNECTIONS,
        "Two workers that take jobs with FOR UPDATE SKIP LOCKED get different jobs.",
        "A queue that gives one job to two workers passes all tests.",
        f"{_POSTGRES}sql-select.html#SQL-FOR-UPDATE-SHARE",
    )
    NOWAIT = (
        "nowait",
        Family.CONNECTIONS,
        "FOR UPDATE NOWAIT fails while another session locks the row.",
        "No test runs the code that handles a locked row.",
        f"{_POSTGRES}sql-select.html#SQL-FOR-UPDATE-SHARE",
    )
    SAME_KEY = (
        "same_key",
        Family.CONNECTIONS,
        "A second connection that inserts a committed key gets an error at once.",
        "The insert waits for a transaction that never ends, so the suite hangs.",
        f"{_POSTGRES}index-unique-checks.html",
    )

    NOTIFY = (
        "notify",
        Family.BEYOND_ROWS,
        "A listener gets a NOTIFY when the transaction that sent it commits.",
        "Tests cannot cover code that waits for a notification.",
        f"{_POSTGRES}sql-notify.html",
    )
    ADVISORY_TRANSACTION_LOCK = (
        "advisory_transaction_lock",
        Family.BEYOND_ROWS,
        "A transaction-level advisory lock is released at commit.",
        "Code that takes the lock again on another connection waits forever.",
        f"{_POSTGRES}explicit-locking.html#ADVISORY-LOCKS",
    )
    ADVISORY_SESSION_LOCK = (
        "advisory_session_lock",
        Family.BEYOND_ROWS,
        "A session-level advisory lock that a test did not release does not affect the next test.",
        "A later test waits for a lock that nobody will release.",
        f"{_POSTGRES}explicit-locking.html#ADVISORY-LOCKS",
    )
    TEMPORARY_TABLE = (
        "temporary_table",
        Family.BEYOND_ROWS,
        "The next test does not see a temporary table of an earlier test.",
        "A later test that creates a table of the same name fails, or reads rows of the earlier test.",
        f"{_POSTGRES}sql-createtable.html#SQL-CREATETABLE-TEMPORARY",
    )
    SESSION_SETTING = (
        "session_setting",
        Family.BEYOND_ROWS,
        "A SET in one test does not affect the next test.",
        "The time zone, role or search_path of one test changes the results of later tests.",
        f"{_POSTGRES}sql-set.html",
    )
    PREPARED_STATEMENT = (
        "prepared_statement",
        Family.BEYOND_ROWS,
        "The next test does not see a prepared statement of an earlier test.",
        "A later test that prepares a statement of the same name fails through no fault of its own.",
        f"{_POSTGRES}sql-prepare.html",
    )
    INDEX_CONCURRENTLY = (
        "index_concurrently",
        Family.BEYOND_ROWS,
        "CREATE INDEX CONCURRENTLY works.",
        "Tests cannot run what is not allowed inside a transaction: CREATE INDEX CONCURRENTLY, VACUUM.",
        f"{_POSTGRES}sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    )
    LISTEN_ENDS = (
        "listen_ends",
        Family.BEYOND_ROWS,
        "A LISTEN in one test does not affect the next test.",
        "A later test on the same connection gets notifications that it did not subscribe to.",
        f"{_POSTGRES}sql-listen.html",
    )

    FAILED_TEST = (
        "failed_test",
        Family.ACCIDENTS,
        "A test that fails in an aborted transaction leaves the next one clean.",
        "One failure becomes many: all later tests fail as well.",
        f"{_POSTGRES}sql-rollback.html",
    )
    CANCELLED_TEST = (
        "cancelled_test",
        Family.ACCIDENTS,
        "A test that is cancelled during a query leaves the next one clean.",
        "One timeout becomes many failures.",
        f"{_POSTGRES}protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS",
    )
    KILLED_PROCESS = (
        "killed_process",
        Family.ACCIDENTS,
        "After a process was killed during a test, the next run starts clean.",
        "After every crash, somebody must clean the database by hand.",
        f"{_POSTGRES}tutorial-transactions.html",
    )
    OPEN_CONNECTION = (
        "open_connection",
        Family.ACCIDENTS,
        "If the code under test leaves a connection open in a transaction, the next test is still clean.",
        "The suite hangs: the cleanup waits for a lock that the connection holds.",
        f"{_POSTGRES}explicit-locking.html#LOCKING-TABLES",
    )
    RUNNING_TASK = (
        "running_task",
        Family.ACCIDENTS,
        "A task that is still running when its test ends writes nothing into the next test.",
        "Rows occasionally appear in tests that did not write them.",
        "https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task",
    )

    SESSION_FIXTURE = (
        "session_fixture",
        Family.LOOPS,
        "An async fixture of session scope can use the same engine as the tests.",
        "Expensive setup must be repeated for every test.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-multiple-asyncio-event-loops",
    )
    MODULE_FIXTURE = (
        "module_fixture",
        Family.LOOPS,
        "An async fixture of module scope can use the same engine as the tests.",
        "Setup that the tests of a module share must be repeated for each of them.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-multiple-asyncio-event-loops",
    )
    OWN_LOOP_SCOPE = (
        "own_loop_scope",
        Family.LOOPS,
        "A test with its own loop scope can use its session.",
        "All tests of a suite must share one loop scope, including tests that come with a library.",
        f"{_SQLALCHEMY}orm/extensions/asyncio.html#using-multiple-asyncio-event-loops",
    )
    TWO_WORKERS = (
        "two_workers",
        Family.LOOPS,
        "Two workers (pytest-xdist, -n 2) on one server do not see each other's rows.",
        "The suite cannot run in parallel, or fails occasionally when it does.",
        "https://pytest-xdist.readthedocs.io/en/stable/how-to.html",
    )


ONE_TRANSACTION = frozenset(
    {
        Probe.IDENTITY_RESTARTS,
        Probe.SEQUENCES_RESTART,
        Probe.INTERLEAVED_SESSIONS,
        Probe.ISOLATION_LEVEL,
        Probe.SERIALIZATION_FAILURE,
        Probe.DEFERRED_CONSTRAINT,
        Probe.NOW_MOVES,
        Probe.SET_LOCAL_ENDS,
        Probe.ON_COMMIT_DROP,
        Probe.SECOND_CONNECTION,
        Probe.OWN_ENGINE,
        Probe.BACKGROUND_TASK,
        Probe.TWO_REQUESTS,
        Probe.TWENTY_REQUESTS,
        Probe.SKIP_LOCKED,
        Probe.NOWAIT,
        Probe.SAME_KEY,
        Probe.NOTIFY,
        Probe.ADVISORY_TRANSACTION_LOCK,
        Probe.INDEX_CONCURRENTLY,
        Probe.RUNNING_TASK,
        Probe.OWN_LOOP_SCOPE,
    }
)
"""Hidden if each test runs in savepoints of one transaction, on one connection, that is rolled back at the end."""

KEPT_CONNECTIONS = frozenset(
    {
        Probe.ADVISORY_SESSION_LOCK,
        Probe.TEMPORARY_TABLE,
        Probe.SESSION_SETTING,
        Probe.PREPARED_STATEMENT,
        Probe.LISTEN_ENDS,
        Probe.OWN_LOOP_SCOPE,
    }
)
"""Hidden if commits are real, but a pool passes connections from test to test."""

CONTROL = "control"
"""The name under which the outcomes of `bench/probes/control.py` are recorded."""


def probe_named(name: str) -> Probe:
    """
    Return the probe with a name.

    :raises UserError: there is none.
    """
    if name not in list(Probe):
        raise UserError(f"unknown probe '{name}': {_nearest(name)} docs/probes.md lists all.")
    return Probe[name.upper()]


def parse_probes(text: str) -> tuple[str, ...]:
    """
    Parse a comma-separated list of probes; the name of a family means all of its probes.

    :raises UserError: there is no such probe or family.
    """
    found: list[str] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        members = [probe.value for probe in Probe if probe.family == name]
        found += members or [probe_named(name)]
    if not found:
        raise UserError(f"--need {text!r} names no probe: give names such as second_connection,notify.")
    return tuple(dict.fromkeys(found))


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, [*Probe, *Family], n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"families are {', '.join(Family)};"
