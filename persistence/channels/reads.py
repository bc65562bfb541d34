"""Reads of the channels room. Keys are in none of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, literal_column, or_, select

from domain.channels.entities import PLATFORM_TENANT
from domain.ids import TenantId
from persistence.channels.tables import channels
from persistence.listing import by_ids
from persistence.paging import Keyset, SortColumn
from persistence.shapes import TENANT

_channel = channels.c
_SECRET = frozenset({"sealed_key", "secret_ref"})
_SHOWN = (
    *(column for column in channels.columns if column.name not in _SECRET),
    or_(_channel.sealed_key.is_not(None), _channel.secret_ref.is_not(None)).label("has_key"),
)
_PLATFORM = literal_column(f"'{PLATFORM_TENANT}'::uuid", Uuid)
_LIVE = _channel.deleted_at.is_(None)

CHANNELS = Keyset("channels", (SortColumn("name", _channel.name), SortColumn("id", _channel.id, UUID)))


def channel_rows(tenant_id: TenantId) -> Select[Any]:
    """The tenant's own and the platform's."""
    return select(*_SHOWN).where(_channel.tenant_id.in_((tenant_id, PLATFORM_TENANT)), _LIVE)


CHANNELS_BY_ID = by_ids(
    "Channel",
    select(*_SHOWN).where(or_(_channel.tenant_id == TENANT, _channel.tenant_id == _PLATFORM), _LIVE),
    _channel.id,
)
