"""One test function per shape. `n` is the test's number; it is unique in a cell, which makes emails unique."""

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
    """Create a customer over HTTP and return the response body."""
    response = await client.post("/customers", json={"email": email, "name": "Ada"})
    assert response.status_code == 201, response.text
    customer: dict[str, Any] = response.json()
    return customer


async def test_create_and_list(n: int, client: AsyncClient, slate: Slate) -> None:
    """A new customer is on its page of the list."""
    customer = await create_customer(client, f"{n}@example.com")
    page = await client.get("/customers", params={"after": customer["id"] - 1, "limit": 2})
    assert page.json() == [customer]
    slate.assert_clean()


async def test_update(n: int, client: AsyncClient, slate: Slate) -> None:
    """The response to a change contains the stored values."""
    customer = await create_customer(client, f"{n}@example.com")
    changed = await client.patch(f"/customers/{customer['id']}", json={"name": "Grace"})
    assert changed.json() == customer | {"name": "Grace"}
    slate.assert_clean()


async def test_place_order(n: int, client: AsyncClient, slate: Slate) -> None:
    """One commit writes an order, its lines and its event."""
    customer = await create_customer(client, f"{n}@example.com")
    placed = await client.post("/orders", json={"customer_id": customer["id"], "lines": LINES})
    assert placed.status_code == 201, placed.text
    assert sorted(line["sku"] for line in placed.json()["lines"]) == ["cup", "tea"]
    slate.assert_clean()


async def test_conflict_then_carry_on(n: int, client: AsyncClient, slate: Slate) -> None:
    """A duplicate email is rejected, and further requests work."""
    customer = await create_customer(client, f"{n}-taken@example.com")
    refused = await client.post("/customers", json={"email": customer["email"], "name": "Eve"})
    assert refused.status_code == 409, refused.text
    await create_customer(client, f"{n}-free@example.com")
    slate.assert_clean()


async def test_delete_with_cascade(n: int, client: AsyncClient, slate: Slate) -> None:
    """Deleting a customer also deletes the order."""
    customer = await create_customer(client, f"{n}@example.com")
    placed = await client.post("/orders", json={"customer_id": customer["id"], "lines": LINES})
    deleted = await client.delete(f"/customers/{customer['id']}")
    assert deleted.status_code == 204
    assert (await client.get(f"/orders/{placed.json()['id']}")).status_code == 404
    slate.assert_clean()


async def test_direct_session(n: int, db_session: AsyncSession, slate: Slate) -> None:
    """A session is used without the application: related objects, a commit, a query."""
    order = Order(lines=[OrderLine(sku="tea", quantity=1, unit_price=3)])
    db_session.add(Customer(email=f"{n}@example.com", name="Ada", orders=[order]))
    await db_session.commit()
    lines = select(func.count()).where(OrderLine.order_id == order.id)
    assert await db_session.scalar(lines) == 1
    slate.assert_clean()


async def test_read_own_commits(n: int, client: AsyncClient, slate: Slate) -> None:
    """Of two requests, each with its own session, the second sees what the first committed."""
    customer = await create_customer(client, f"{n}@example.com")
    found = await client.get(f"/customers/{customer['id']}")
    assert found.json() == customer
    slate.assert_clean()
