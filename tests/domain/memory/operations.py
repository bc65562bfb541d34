"""The operations rooms, in memory."""

from __future__ import annotations

from domain.operations.audit import AuditEntry


class MemoryAudit:
    """Implements `domain.operations.audit.AuditStore`."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def add(self, entry: AuditEntry) -> None:
        self.entries.append(entry)
