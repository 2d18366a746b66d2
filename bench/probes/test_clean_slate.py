"""Every test starts from the same state, whatever an earlier one committed."""

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from bench.app.models import Country, invoice_numbers
from bench.probes.conftest import Unchanged
from bench.probes.rows import COUNT, a_customer


async def test_rows_gone(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A test commits a row; the next test counts as many rows as this one."""
    unchanged(await db_session.scalar(COUNT), "customers at the start of a test")
    db_session.add(a_customer())
    await db_session.commit()


async def test_identity_restarts(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """The first row of each test gets the same id."""
    customer = a_customer()
    db_session.add(customer)
    await db_session.commit()
    unchanged(customer.id, "id of the first customer of a test")


async def test_sequences_restart(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """The first number of each test is the same."""
    unchanged(await db_session.scalar(select(invoice_numbers.next_value())), "first number of a test")
    await db_session.commit()


async def test_reference_rows(db_session: AsyncSession) -> None:
    """The countries exist."""
    assert await db_session.scalar(select(Country.name).where(Country.code == "KE")) == "Kenya", "no countries"


async def test_reference_rows_restored(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A test renames one country and deletes another; the next test finds both unchanged."""
    rows = await db_session.execute(select(Country.code, Country.name))
    names = {row.code: row.name for row in rows}
    assert names, "no countries"
    unchanged(names, "countries at the start of a test")
    await db_session.execute(update(Country).where(Country.code == "BR").values(name="changed"))
    await db_session.execute(delete(Country).where(Country.code == "JP"))
    await db_session.commit()


async def test_migrated_objects(db_session: AsyncSession) -> None:
    """The trigger, function and domain exist. The domain stands for types of extensions, which a server may lack."""
    look = text(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'outbox_announce') AS trigger,"
        " to_regproc('announce_outbox_event') IS NOT NULL AS function,"
        " to_regtype('sku') IS NOT NULL AS domain"
    )
    there = dict((await db_session.execute(look)).mappings().one())
    missing = [kind for kind, is_there in there.items() if not is_there]
    assert not missing, f"missing: {', '.join(missing)}"


async def test_table_gone(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A test creates a table; the next test does not find it."""
    unchanged(await db_session.scalar(text("SELECT to_regclass('probe_table')::text")), "table at the start of a test")
    await db_session.execute(text("CREATE TABLE probe_table (id integer)"))
    await db_session.commit()


async def test_column_gone(db_session: AsyncSession, unchanged: Unchanged) -> None:
    """A test adds a column; the next test does not find it."""
    look = text(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'probe_column'"
    )
    unchanged(await db_session.scalar(look), "column at the start of a test")
    await db_session.execute(text("ALTER TABLE customers ADD COLUMN probe_column text"))
    await db_session.commit()
