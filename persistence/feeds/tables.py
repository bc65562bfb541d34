"""Tables of the feeds room."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from persistence.metadata import of_tenant, references, tenant_table, text, timestamp

feeds = tenant_table(
    "feeds",
    Column("id", Uuid, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    of_tenant(),
)

feed_events = tenant_table(
    "feed_events",
    Column("feed_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    text("type"),
    Column("data", JSONB, nullable=False),
    timestamp("created_at", default=True),
    references("feed_id", "feeds"),
    key=("feed_id", "seq"),
)
