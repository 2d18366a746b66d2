"""The application under test works: its migrations match its models, and its routes commit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from httpx import ASGITransport, AsyncClient
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from bench.app import TABLES
from bench.app.ballast import Ballast, add_tables
from bench.app.database import get_session
from bench.app.main import app
from bench.app.models import Base
from bench.results.paths import ROOT

T = TypeVar("T")


@pytest.fixture
def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for the test's database."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "bench" / "app" / "migrations"))
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config


@pytest.fixture
def migrated(database_url: str, alembic_config: Config) -> str:
    """The database's URL, migrated to head."""
    command.upgrade(alembic_config, "head")
    return database_url


@pytest_asyncio.fixture
async def engine(migrated: str) -> AsyncIterator[AsyncEngine]:
    """An engine on the migrated database."""
    engine = create_async_engine(migrated)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[AsyncClient]:
    """A client of the application, on the migrated database."""
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def get_test_session() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    app.dependency_overrides[get_session] = get_test_session
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://app") as client:
        yield client
    app.dependency_overrides.clear()


async def test_migrations_make_the_models(engine: AsyncEngine) -> None:
    """Migrations and models define the same schema, so create_all can replace migrations."""

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def test_migrations_go_down_again(migrated: str, alembic_config: Config) -> None:
    """Downgrading removes everything but Alembic's own table, even if rows refer to reference rows."""

    async def run(statement: str) -> list[str]:
        engine = create_async_engine(migrated)
        async with engine.begin() as connection:
            result = await connection.execute(text(statement))
            rows = [str(row[0]) for row in result] if result.returns_rows else []
        await engine.dispose()
        return rows

    assert len(list(ScriptDirectory.from_config(alembic_config).walk_revisions())) >= 3
    asyncio.run(run("INSERT INTO customers (email, name, country_code) VALUES ('a@b.c', 'A', 'KE')"))
    command.downgrade(alembic_config, "base")
    assert asyncio.run(run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")) == ["alembic_version"]
    assert asyncio.run(run("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")) == []


@pytest.mark.parametrize("ballast", [Ballast(tables=0, rows=0), Ballast(tables=12, rows=0), Ballast(tables=3, rows=40)])
def test_ballast_is_the_same_by_migration_and_by_models(
    database_url: str, alembic_config: Config, ballast: Ballast
) -> None:
    """Migrations and models create the same extra tables; migrations add the rows, and can be undone."""
    alembic_config.attributes["ballast"] = ballast
    metadata = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        table.to_metadata(metadata)
    added = add_tables(metadata, ballast)
    assert len(added) == ballast.tables + (ballast.rows > 0)

    async def on_connection(work: Callable[[Connection], T]) -> T:
        engine = create_async_engine(database_url)
        async with engine.connect() as connection:
            result = await connection.run_sync(work)
        await engine.dispose()
        return result

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    command.upgrade(alembic_config, "head")
    assert asyncio.run(on_connection(differences)) == []
    if ballast.rows:
        count = text("SELECT count(*) FROM seeds")
        assert asyncio.run(on_connection(lambda connection: connection.scalar(count))) == ballast.rows
    command.downgrade(alembic_config, "base")
    assert asyncio.run(on_connection(lambda connection: inspect(connection).get_table_names())) == ["alembic_version"]


def test_tables_of_the_application_are_counted() -> None:
    """TABLES, where a sweep over tables starts, is the application's number of tables."""
    assert len(Base.metadata.tables) == TABLES


async def test_deferred_foreign_key(engine: AsyncEngine) -> None:
    """A line may be written before its order; without the order the commit fails."""
    async with engine.connect() as connection:
        await connection.execute(
            text("INSERT INTO order_lines (order_id, sku, quantity, unit_price) VALUES (99, 'tea', 1, 1)")
        )
        with pytest.raises(Exception, match="fk_order_lines_order_id"):
            await connection.commit()


async def test_placed_order_is_announced(client: AsyncClient, migrated: str) -> None:
    """Placing an order writes to the outbox, whose trigger sends a notification at commit."""
    listener = await asyncpg.connect(migrated.replace("+asyncpg", ""))
    heard: asyncio.Queue[str] = asyncio.Queue()
    await listener.add_listener("outbox", lambda *received: heard.put_nowait(str(received[-1])))
    customer = (await client.post("/customers", json={"email": "a@b.c", "name": "A"})).json()
    lines = [{"sku": "tea", "quantity": 1, "unit_price": "1.50"}]
    order = await client.post("/orders", json={"customer_id": customer["id"], "lines": lines})
    assert order.status_code == 201
    assert await asyncio.wait_for(heard.get(), 30) == "1"
    await listener.close()


async def test_conflict_keeps_what_was_committed(client: AsyncClient) -> None:
    """A duplicate email gives 409, and the first customer stays."""
    body = {"email": "a@b.c", "name": "A", "country_code": "JP"}
    first = await client.post("/customers", json=body)
    assert (await client.post("/customers", json=body)).status_code == 409
    assert (await client.get("/customers")).json() == [first.json()]


async def test_pages_and_missing_objects(client: AsyncClient) -> None:
    """Customers are listed in pages; missing objects give 404, invalid bodies 422."""
    ids = [(await client.post("/customers", json={"email": f"{n}@b.c", "name": "A"})).json()["id"] for n in range(3)]
    page = (await client.get("/customers", params={"after": ids[0], "limit": 1})).json()
    assert [customer["id"] for customer in page] == [ids[1]]
    assert (await client.get("/customers/999")).status_code == 404
    assert (await client.get("/orders/999")).status_code == 404
    assert (await client.post("/orders", json={"customer_id": ids[0], "lines": []})).status_code == 422
