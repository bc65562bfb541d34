"""Uses of documents and fields, written in batches: one transaction a tenant, rows in key order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Text, Update, Uuid, column, delete, func, update, values
from sqlalchemy.dialects.postgresql import Insert, insert

from domain.ids import ClientAppId, TenantId
from domain.integrations import FIRST_PARTY, UseKind
from persistence.database import UNCOUNTED, Database
from persistence.integrations.tables import schema_uses, trusted_documents

KEPT_DAYS = 400
ROWS_MAX = 1_000
"""As many rows as one statement writes."""


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """What was used: `name` is a document's hash, an operation's name or a field's coordinate."""

    app_id: ClientAppId
    kind: UseKind
    name: str


Counts = Sequence[tuple[Use, int]]


async def write_uses(database: Database, tenant_id: TenantId, uses: Mapping[Use, int], at: datetime) -> None:
    """Add counts to the day's. Rows are locked in one order, so that two processes never wait for each other."""
    counts = sorted(uses.items())
    registered = [(use, n) for use, n in counts if use.kind is UseKind.DOCUMENT and use.app_id != FIRST_PARTY]
    oldest = at.date() - timedelta(days=KEPT_DAYS)
    async with database.read(tenant_id) as connection:
        await connection.execution_options(**{UNCOUNTED: True})
        for start in range(0, len(counts), ROWS_MAX):
            await connection.execute(_add(tenant_id, counts[start : start + ROWS_MAX], at))
        for start in range(0, len(registered), ROWS_MAX):
            await connection.execute(_touch(tenant_id, registered[start : start + ROWS_MAX], at))
        await connection.execute(
            delete(schema_uses).where(schema_uses.c.tenant_id == tenant_id, schema_uses.c.day < oldest)
        )
        await connection.commit()


def _add(tenant_id: TenantId, counts: Counts, at: datetime) -> Insert:
    rows = [
        {
            "tenant_id": tenant_id, "day": at.date(), "client_app_id": use.app_id, "kind": use.kind, "name": use.name,
            "uses": count, "last_used_at": at,
        }
        for use, count in counts
    ]  # fmt: skip
    statement = insert(schema_uses).values(rows)
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "day", "client_app_id", "kind", "name"],
        set_={
            "uses": schema_uses.c.uses + statement.excluded.uses,
            "last_used_at": func.greatest(schema_uses.c.last_used_at, statement.excluded.last_used_at),
        },
    )


def _touch(tenant_id: TenantId, counts: Counts, at: datetime) -> Update:
    document = trusted_documents.c
    used = values(column("app_id", Uuid), column("hash", Text), column("uses", BigInteger), name="used").data(
        [(use.app_id, use.name, count) for use, count in counts]
    )
    return (
        update(trusted_documents)
        .where(document.tenant_id == tenant_id, document.client_app_id == used.c.app_id, document.hash == used.c.hash)
        .values(
            use_count=document.use_count + used.c.uses,
            first_used_at=func.coalesce(document.first_used_at, at),
            last_used_at=func.greatest(document.last_used_at, at),
        )
    )
