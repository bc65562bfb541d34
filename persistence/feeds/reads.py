"""Reads of the feeds room."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Label, any_, bindparam, select
from sqlalchemy import Uuid as UuidType

from persistence.feeds.tables import feed_events, feeds
from persistence.shapes import IDS, TENANT, Shape

_event = feed_events.c

EVENTS = Shape(
    select(_event.seq, _event.type, _event.data, _event.created_at)
    .where(
        _event.tenant_id == TENANT,
        _event.feed_id == bindparam("feed", type_=UuidType),
        _event.seq > bindparam("after", type_=BigInteger),
    )
    .order_by(_event.seq)
    .limit(bindparam("first", type_=Integer))
)
"""At most `first` events of the feed `feed` whose number is above `after`, oldest first."""
ENDS = Shape(select(feeds.c.id, feeds.c.last_seq).where(feeds.c.tenant_id == TENANT, feeds.c.id == any_(IDS)))
"""Rows (id, last_seq): how far each of the feeds `ids` is; those without an event have none."""


def feed_end(id_: ColumnElement[Any]) -> Label[Any]:
    """A column of the rows that have feeds: how far the row's own is, null before its first event.

    It is read with the row: whoever watches from there misses nothing of what came after it was read.
    """
    return (
        select(feeds.c.last_seq)
        .where(feeds.c.tenant_id == TENANT, feeds.c.id == id_)
        .scalar_subquery()
        .label("feed_end")
    )
