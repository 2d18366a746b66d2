"""Commits and rollbacks of the code under test have their usual effect."""

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bench.app.models import OrderLine
from bench.probes.rows import COUNT, Sessions, a_customer, an_email, is_there

SERIALIZABLE = {"isolation_level": "SERIALIZABLE"}


async def test_commit_then_rollback(db_session: AsyncSession, session_factory: Sessions) -> None:
    """A row written before the commit stays; a row written after it and rolled back does not."""
    kept, undone = a_customer(), a_customer()
    kept_email, undone_email = kept.email, undone.email
    db_session.add(kept)
    await db_session.commit()
    db_session.add(undone)
    await db_session.flush()
    await db_session.rollback()
    assert await is_there(session_factory, kept_email), "a row committed before the rollback is gone"
    assert not await is_there(session_factory, undone_email), "a rolled-back row is still there"


async def test_integrity_error(db_session: AsyncSession, session_factory: Sessions) -> None:
    """After a duplicate key the session rolls back, then commits another row."""
    email, later = an_email(), an_email()
    db_session.add(a_customer(email))
    await db_session.commit()
    db_session.add(a_customer(email))
    with pytest.raises(IntegrityError):
        await db_session.commit()
    await db_session.rollback()
    db_session.add(a_customer(later))
    await db_session.commit()
    assert await is_there(session_factory, email), "a row committed before the error is gone"
    assert await is_there(session_factory, later), "a row committed after the error is missing"


async def test_begin_nested(db_session: AsyncSession, session_factory: Sessions) -> None:
    """A savepoint fails between two rows; both rows are committed."""
    before, after = an_email(), an_email()
    db_session.add(a_customer(before))
    await db_session.flush()
    savepoint = await db_session.begin_nested()
    db_session.add(a_customer(before))
    with pytest.raises(IntegrityError):
        await db_session.flush()
    await savepoint.rollback()
    db_session.add(a_customer(after))
    await db_session.commit()
    assert await is_there(session_factory, before), "the row written before the savepoint is gone"
    assert await is_there(session_factory, after), "the row written after the savepoint is missing"


async def test_handler_rolls_back(client: AsyncClient) -> None:
    """The second of two requests conflicts and rolls back; the customer of the first is still there."""
    body = {"email": an_email(), "name": "Ada"}
    created = await client.post("/customers", json=body)
    assert created.status_code == 201, created.text
    refused = await client.post("/customers", json=body)
    assert refused.status_code == 409, refused.text
    read = await client.get(f"/customers/{created.json()['id']}")
    assert read.status_code == 200, f"the customer of the first request is gone: {read.text}"


async def test_interleaved_sessions(session_factory: Sessions) -> None:
    """Two sessions write; then one commits and the other rolls back."""
    kept, undone = an_email(), an_email()
    async with session_factory() as commits, session_factory() as rolls_back:
        commits.add(a_customer(kept))
        await commits.flush()
        rolls_back.add(a_customer(undone))
        await rolls_back.flush()
        await commits.commit()
        await rolls_back.rollback()
    assert await is_there(session_factory, kept), "the rollback of one session undid what another had committed"
    assert not await is_there(session_factory, undone), "a rolled-back row is still there"


async def test_isolation_level(session_factory: Sessions) -> None:
    """Postgres reports the isolation level that the session requested."""
    async with session_factory() as session:
        await session.connection(execution_options=SERIALIZABLE)
        assert await session.scalar(text("SHOW transaction_isolation")) == "serializable"


async def test_serialization_failure(session_factory: Sessions) -> None:
    """Two sessions count rows, then each adds one; the second commit fails."""
    async with session_factory() as one, session_factory() as other:
        for session in (one, other):
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
            await session.scalar(COUNT)
        for session in (one, other):
            session.add(a_customer())
            await session.flush()
        await one.commit()
        with pytest.raises(DBAPIError, match="could not serialize"):
            await other.commit()


async def test_deferred_constraint(db_session: AsyncSession) -> None:
    """The commit of a line without its order fails."""
    db_session.add(OrderLine(order_id=-1, sku="tea", quantity=1, unit_price=3))
    await db_session.flush()
    with pytest.raises(IntegrityError):
        await db_session.commit()


async def test_now_moves(db_session: AsyncSession) -> None:
    """now() differs between two transactions."""
    first = await db_session.scalar(select(func.now()))
    await db_session.commit()
    second = await db_session.scalar(select(func.now()))
    assert first != second, "now() is the same in both transactions"


async def test_set_local_ends(db_session: AsyncSession) -> None:
    """A setting of one transaction is not in effect in the next."""
    await db_session.execute(text("SET LOCAL probe.tenant = 'mine'"))
    await db_session.commit()
    tenant = await db_session.scalar(text("SELECT current_setting('probe.tenant', true)"))
    assert tenant != "mine", "SET LOCAL is still in effect after the commit"


async def test_on_commit_drop(db_session: AsyncSession) -> None:
    """The table is gone after the commit."""
    await db_session.execute(text("CREATE TEMPORARY TABLE probe_on_commit (id integer) ON COMMIT DROP"))
    await db_session.commit()
    table = await db_session.scalar(text("SELECT to_regclass('pg_temp.probe_on_commit')::text"))
    assert table is None, "the table is still there after the commit"
