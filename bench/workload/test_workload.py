"""One test function per shape. `n` is the test's number, unique in its cell, so that emails are, too."""

from typing import Any

from httpx import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bench.app.models import Customer, Order, OrderLine
from bench.workload.slate import Slate

LINES = [
    {"sku": "tea", "quantity": 2, "unit_price": "3.50"},
    {"sku": "cup", "quantity": 1, "unit_price": "8.00"},
]


async def create_customer(client: AsyncClient, email: str) -> dict[str, Any]:
    """Create a customer over HTTP and return it as the application answered."""
    response = await client.post("/customers", json={"email": email, "name": "Ada"})
    assert response.status_code == 201, response.text
    customer: dict[str, Any] = response.json()
    return customer


async def test_create_and_list(n: int, client: AsyncClient, slate: Slate) -> None:
    """Two customers come back as one page, oldest first."""
    first = await create_customer(client, f"{n}-first@example.com")
    second = await create_customer(client, f"{n}-second@example.com")
    page = await client.get("/customers", params={"after": first["id"] - 1, "limit": 2})
    assert page.json() == [first, second]
    slate.assert_clean()


async def test_update(n: int, client: AsyncClient, slate: Slate) -> None:
    """A change is stored."""
    customer = await create_customer(client, f"{n}@example.com")
    changed = await client.patch(f"/customers/{customer['id']}", json={"name": "Grace"})
    assert changed.status_code == 200
    found = await client.get(f"/customers/{customer['id']}")
    assert found.json() == customer | {"name": "Grace"}
    slate.assert_clean()


async def test_place_order(n: int, client: AsyncClient, slate: Slate) -> None:
    """An order, its lines and its event are written in one commit."""
    customer = await create_customer(client, f"{n}@example.com")
    placed = await client.post("/orders", json={"customer_id": customer["id"], "lines": LINES})
    assert placed.status_code == 201, placed.text
    found = await client.get(f"/orders/{placed.json()['id']}")
    assert sorted(line["sku"] for line in found.json()["lines"]) == ["cup", "tea"]
    slate.assert_clean()


async def test_conflict_then_carry_on(n: int, client: AsyncClient, slate: Slate) -> None:
    """A taken email is refused, what was committed before is kept, and work goes on."""
    first = await create_customer(client, f"{n}-taken@example.com")
    refused = await client.post("/customers", json={"email": first["email"], "name": "Eve"})
    assert refused.status_code == 409, refused.text
    second = await create_customer(client, f"{n}-free@example.com")
    page = await client.get("/customers", params={"after": first["id"] - 1, "limit": 2})
    assert page.json() == [first, second]
    slate.assert_clean()


async def test_delete_with_cascade(n: int, client: AsyncClient, slate: Slate) -> None:
    """With a customer go their orders."""
    customer = await create_customer(client, f"{n}@example.com")
    placed = await client.post("/orders", json={"customer_id": customer["id"], "lines": LINES})
    deleted = await client.delete(f"/customers/{customer['id']}")
    assert deleted.status_code == 204
    assert (await client.get(f"/orders/{placed.json()['id']}")).status_code == 404
    slate.assert_clean()


async def test_direct_session(n: int, db_session: AsyncSession, slate: Slate) -> None:
    """A session without the application: commit, then roll back, and what was committed stays."""
    order = Order(lines=[OrderLine(sku="tea", quantity=1, unit_price=3)])
    db_session.add(Customer(email=f"{n}@example.com", name="Ada", orders=[order]))
    await db_session.commit()
    order_id = order.id
    db_session.add(OrderLine(order_id=order_id, sku="cup", quantity=1, unit_price=8))
    await db_session.flush()
    await db_session.rollback()
    lines = select(func.count()).where(OrderLine.order_id == order_id)
    assert await db_session.scalar(lines) == 1
    slate.assert_clean()


async def test_read_own_commits(n: int, client: AsyncClient, slate: Slate) -> None:
    """Two requests in a row, each with a session of its own, see what the one before committed."""
    customer = await create_customer(client, f"{n}@example.com")
    found = await client.get(f"/customers/{customer['id']}")
    assert found.json() == customer
    slate.assert_clean()
