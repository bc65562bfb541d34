"""Tables of what the index is fed from: which tenants are fed, and what of theirs has changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Uuid

from persistence.metadata import of_tenant, tenant_table, text, timestamp

search_feeds = tenant_table(
    "search_feeds",
    timestamp("opened_at", default=True),
    Column("claim", Uuid),
    timestamp("claimed_until"),
    Column("tries", Integer, nullable=False, server_default="0"),
    timestamp("next_try_at", default=True),
    text("last_error", nullable=True),
    of_tenant(),
    key=(),
)
"""A tenant with a row is fed. Who has its claim feeds it, alone."""

search_entries = tenant_table(
    "search_entries",
    Column("chunk_id", Uuid, nullable=False),
    text("model"),
    Column("dimensions", Integer, nullable=False),
    Column("base_id", Uuid, nullable=False),
    Column("seq", BigInteger, Identity(always=False), nullable=False),
    timestamp("created_at", default=True),
    of_tenant(),
    key=("chunk_id", "model", "dimensions"),
)
"""Says that a row of `chunk_vectors` came, changed or went, and not what it is now: that is read when it is sent. A row
that changes again takes a new `seq` and keeps its place in time. A trigger writes them."""
Index(None, search_entries.c.tenant_id, search_entries.c.seq)
Index(None, search_entries.c.tenant_id, search_entries.c.base_id)
