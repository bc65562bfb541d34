"""A database that is asked once and then answers from memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable

from domain.ids import TenantId
from persistence.database import Database
from persistence.shapes import Shape


class Remembered:
    """In the place of a `Database`, for one operation of one tenant that is run again and again.

    While `recording` it asks the database behind it. Then the same rows come back at once, in a list of their own.
    Each statement may be sent once an operation: raises RuntimeError for another under the same name.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: dict[Any, Sequence[Any]] = {}
        self.recording = True

    async def shaped(self, tenant_id: TenantId, asked: Shape, **values: Any) -> list[Any]:
        if self.recording:
            self._keep(id(asked), await self._database.shaped(tenant_id, asked, **values))
        return list(self._rows[id(asked)])

    async def rows(self, tenant_id: TenantId, statement: Executable) -> list[Any]:
        if self.recording:
            self._keep("rows", await self._database.rows(tenant_id, statement))
        return list(self._rows["rows"])

    async def platform_rows(self, statement: Executable) -> list[Any]:
        if self.recording:
            self._keep("platform rows", await self._database.platform_rows(statement))
        return list(self._rows["platform rows"])

    def _keep(self, name: Any, rows: Sequence[Any]) -> None:
        if name in self._rows:
            raise RuntimeError("a statement is sent twice: its second rows would be taken for its first")
        self._rows[name] = rows
