"""What a test finds at its start: whether an earlier one left rows behind."""

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from bench.app.models import Customer, Order, OrderLine, OutboxEvent

# EXISTS stops at the first row, so looking costs the same however much was left.
_LOOK = select(
    *(exists().select_from(model).label(model.__tablename__) for model in (Customer, Order, OrderLine, OutboxEvent))
)


class LeakedRowsError(AssertionError):
    """Rows of an earlier test were there when this one started."""


@dataclass(frozen=True)
class Slate:
    """The tables that held rows when the test started; reference rows do not count."""

    dirty_tables: tuple[str, ...]

    def assert_clean(self) -> None:
        """
        Fail if something had leaked. A test calls it last, so that a leak does not shorten its work.

        :raises LeakedRowsError: a table held rows.
        """
        if self.dirty_tables:
            raise LeakedRowsError(f"an earlier test left rows in {', '.join(self.dirty_tables)}")


async def look(session: AsyncSession) -> Slate:
    """Look with one statement."""
    row = (await session.execute(_LOOK)).one()
    return Slate(tuple(name for name, dirty in row._mapping.items() if dirty))  # noqa: SLF001 - public despite its name
