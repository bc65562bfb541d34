"""The live side of the billing room: what a tenant uses, as it is booked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import strawberry

from domain.accounts import Permission
from domain.billing.usage import UsageGroup
from domain.errors import Unauthenticated
from persistence.billing import reads
from resolvers.billing import keeper
from resolvers.services import Services
from schema.billing.ledger import wallet_of
from schema.billing.meter import UsageMeterEvent
from schema.billing.usage import usage_row
from schema.context import Context

EVENT_S = 1.0
"""The least time between two events of one watcher: what is booked within it comes together."""
LOOK_S = 2.5
"""How often the right to watch is looked at."""
READ_S = 30.0
"""How often the books are read though nobody rang."""


@strawberry.type
class UsageSubscriptions:
    @strawberry.subscription(
        description="What is used and what is left: as it is, and whenever that changes. At most one event a second; "
        "changes that come faster are told together."
    )
    async def usage_meter(self, info: strawberry.Info[Context, None]) -> AsyncIterator[UsageMeterEvent]:
        keeper(info)
        context: Context = info.context
        services: Services = context.services
        books = _Books(context)
        with services.bell.heard(context.actor.tenant_id) as rung:
            while True:
                rung.clear()
                if (event := await books.news()) is not None:
                    yield event
                    await asyncio.sleep(EVENT_S)
                await _until_rung(context, rung)


async def _until_rung(context: Context, rung: asyncio.Event) -> None:
    """Return when the books may have changed. Raises Unauthenticated once the right to watch has ended."""
    loop = asyncio.get_running_loop()
    until = loop.time() + READ_S
    while True:
        if not await context.services.events.still_valid(context.actor, Permission.BILLING):
            raise Unauthenticated("The right to watch this has ended. Sign in again.")
        if rung.is_set() or loop.time() >= until:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await rung.wait()


class _Books:
    """A tenant's books, and what of them was told."""

    def __init__(self, context: Context) -> None:
        self._tenant_id = context.actor.tenant_id
        self._database = context.services.database
        self._since: date = datetime.now(UTC).date()
        self._rows: dict[tuple[date, str], Any] = {}
        self._wallet: list[Any] | None = None

    async def news(self) -> UsageMeterEvent | None:
        """What has changed since the last call; None where nothing has."""
        now = datetime.now(UTC)
        statement = reads.usage_rows(
            self._tenant_id, self._since, now.date(), [UsageGroup.DAY, UsageGroup.MODEL], billed=True
        )
        found = {(row.day, row.model): row for row in await self._database.rows(self._tenant_id, statement)}
        wallet = await self._database.shaped(self._tenant_id, reads.WALLET)
        changed = [usage_row(row) for key, row in found.items() if row != self._rows.get(key)]
        if not changed and self._wallet is not None and sorted(wallet) == sorted(self._wallet):
            return None
        self._since, self._rows, self._wallet = now.date(), found, wallet
        return UsageMeterEvent(rows=changed, wallet=wallet_of(self._tenant_id, wallet), at=now)
