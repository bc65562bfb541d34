"""What of the schema is used: counted in this process, written every few seconds, a day's counts to a row.

Counts of the last seconds are lost when the process is killed, and when PostgreSQL is away as they are due: a report
of what is in use can do without them, and no request waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from graphql import GraphQLSchema

from app.graphql.documents import Prepared
from app.graphql.measure import fields_of
from domain.ids import ClientAppId, TenantId
from domain.integrations import UseKind
from persistence.database import OUTAGES
from persistence.integrations.usage import Use

logger = logging.getLogger("fabula.usage")

FLUSH_S = 5.0
FAREWELL_S = 1.0
PENDING_MAX = 2_000
"""As many different documents as are counted between two writes; what comes on top is not counted."""
NAMES_MAX = 500
"""As many names of operations as a tenant's day has in this process; the others are counted without their name."""

Write = Callable[[TenantId, Mapping[Use, int], datetime], Awaitable[None]]


@dataclass(slots=True)
class _Pending:
    prepared: Prepared
    count: int = 1


class UseCounter:
    """Counts operations of tenants; `note` is one look-up in a dict."""

    def __init__(self, schema: GraphQLSchema, write: Write) -> None:
        self._schema = schema
        self._write = write
        self._pending: dict[tuple[TenantId, ClientAppId, int], _Pending] = {}
        self._flushing = asyncio.Lock()
        self._names: dict[TenantId, set[str]] = {}
        self._names_of: date = date.min
        self._running: asyncio.Task[None] | None = None

    def note(self, tenant_id: TenantId, app_id: ClientAppId, prepared: Prepared) -> None:
        # The operation is kept with its count, so no other can have its id meanwhile.
        key = tenant_id, app_id, id(prepared.operation)
        pending = self._pending.get(key)
        if pending is not None:
            pending.count += 1
        elif len(self._pending) < PENDING_MAX:
            self._pending[key] = _Pending(prepared)

    def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write what is left."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self.flush()

    async def flush(self) -> None:
        """Write what was counted. One at a time: who returns has seen everything written that was counted before."""
        async with self._flushing:
            await self._write_all()

    async def _write_all(self) -> None:
        pending, self._pending = self._pending, {}
        at = datetime.now(UTC)
        by_tenant: dict[TenantId, Counter[Use]] = {}
        for (tenant_id, app_id, _), one in pending.items():
            self._expand(by_tenant.setdefault(tenant_id, Counter()), tenant_id, app_id, one, at.date())
            await asyncio.sleep(0)  # free text in a thousand variants must not hold up who is waiting
        for tenant_id, uses in by_tenant.items():
            try:
                await self._write(tenant_id, uses, at)
            except OUTAGES as error:
                logger.warning("%d uses of the schema were not written: %s", uses.total(), error)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except Exception:
                logger.exception("uses of the schema were not written")

    def _expand(
        self, uses: Counter[Use], tenant_id: TenantId, app_id: ClientAppId, pending: _Pending, day: date
    ) -> None:
        prepared = pending.prepared
        if prepared.document_hash is not None:
            uses[Use(app_id, UseKind.DOCUMENT, prepared.document_hash)] += pending.count
            return
        name = prepared.operation.name.value if prepared.operation.name else ""
        uses[Use(app_id, UseKind.FREE_TEXT, self._bounded(tenant_id, name, day))] += pending.count
        for field in fields_of(self._schema, prepared.document):
            uses[Use(app_id, UseKind.FIELD, field)] += pending.count

    def _bounded(self, tenant_id: TenantId, name: str, day: date) -> str:
        if day != self._names_of:
            self._names, self._names_of = {}, day
        names = self._names.setdefault(tenant_id, set())
        if name not in names and len(names) >= NAMES_MAX:
            return ""
        names.add(name)
        return name
