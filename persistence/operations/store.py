"""The operations rooms of a unit of work."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from domain.operations.audit import AuditEntry


class SqlAudit:
    """Implements `domain.operations.audit.AuditStore`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, entry: AuditEntry) -> None:
        self._session.add(entry)
        await self._session.flush()
