"""Detects, at the start of a test, rows that an earlier test left behind."""

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from bench.app.models import Customer, Order, OrderLine, OutboxEvent

# EXISTS stops at the first row, so the cost does not depend on the number of rows.
_LOOK = select(
    *(exists().select_from(model).label(model.__tablename__) for model in (Customer, Order, OrderLine, OutboxEvent))
)


class LeakedRowsError(AssertionError):
    """Rows of an earlier test existed when this one started."""


@dataclass(frozen=True)
class Slate:
    """The tables, except those with reference rows, that had rows when the test started."""

    dirty_tables: tuple[str, ...]

    def assert_clean(self) -> None:
        """
        Fail if there were leaked rows. Tests call it last, so a leak does not shorten their work.

        :raises LeakedRowsError: a table had rows.
        """
        if self.dirty_tables:
            raise LeakedRowsError(f"an earlier test left rows in {', '.join(self.dirty_tables)}")


async def look(session: AsyncSession) -> Slate:
    """Check all tables with one statement."""
    row = (await session.execute(_LOOK)).one()
    return Slate(tuple(name for name, dirty in row._mapping.items() if dirty))  # noqa: SLF001 - public despite its name
