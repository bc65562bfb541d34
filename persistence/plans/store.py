"""The plans room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import InvoiceId, PlanId, PlanVersionId, SubscriptionId, TenantId
from domain.plans.entities import ENTITLING, Plan, PlanVersion, Subscription
from persistence.plans.tables import ONE_LIVE, plan_versions, plans, subscriptions

_version, _subscription = plan_versions.c, subscriptions.c


class SqlPlans:
    """Implements `domain.plans.store.PlanStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId, now: datetime) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._now = now
        self._subscribed: list[PlanVersion | None] = []

    # -- the platform's -------------------------------------------------------------------------------------------

    async def add_plan(self, plan: Plan) -> bool:
        row = {column.name: getattr(plan, column.name) for column in plans.columns}
        added = postgresql.insert(plans).values(row).on_conflict_do_nothing(index_elements=["name"])
        return (await self._session.execute(added.returning(plans.c.id))).first() is not None

    async def plan(self, plan_id: PlanId, *, lock: bool = False) -> Plan | None:
        return await self._session.get(Plan, plan_id, with_for_update=lock, populate_existing=lock)

    async def add_version(self, version: PlanVersion) -> None:
        row = {column.name: getattr(version, column.name) for column in plan_versions.columns}
        await self._session.execute(insert(plan_versions).values(row))

    async def version(self, version_id: PlanVersionId) -> PlanVersion | None:
        return await self._session.get(PlanVersion, version_id)

    async def last_version(self, plan_id: PlanId) -> PlanVersion | None:
        newest: PlanVersion | None = await self._session.scalar(self._newest(plan_id))
        return newest

    async def version_in_force(self, plan_id: PlanId) -> PlanVersion | None:
        in_force = self._newest(plan_id).where(_version.valid_from <= self._now)
        newest: PlanVersion | None = await self._session.scalar(in_force)
        return newest

    @staticmethod
    def _newest(plan_id: PlanId) -> Select[Any]:
        newest = select(PlanVersion).where(_version.plan_id == plan_id).order_by(_version.version.desc())
        return newest.limit(1)

    async def offered(self) -> Sequence[tuple[Plan, PlanVersion]]:
        rows = await self._session.execute(
            select(Plan, PlanVersion)
            .join(plan_versions, _version.plan_id == plans.c.id)
            .where(plans.c.public, plans.c.archived_at.is_(None), _version.valid_from <= self._now)
            .ext(postgresql.distinct_on(plans.c.id))
            .order_by(plans.c.id, _version.version.desc())
        )
        return sorted(((row[0], row[1]) for row in rows), key=lambda one: one[1].yearly_micros)

    # -- the tenant's ---------------------------------------------------------------------------------------------

    async def add_subscription(self, subscription: Subscription) -> bool:
        try:
            async with self._session.begin_nested():
                self._session.add(subscription)
        except IntegrityError as error:
            if ONE_LIVE not in str(error.orig):
                raise
            return False
        return True

    async def subscription(self) -> Subscription | None:
        return await self._session.scalar(
            select(Subscription)
            .where(_subscription.tenant_id == self._tenant_id, _subscription.ended_at.is_(None))
            .with_for_update()
            .execution_options(populate_existing=True)
        )

    async def subscription_by(self, subscription_id: SubscriptionId) -> Subscription | None:
        return await self._session.get(Subscription, (self._tenant_id, subscription_id))

    async def invoice_waited_for(self) -> InvoiceId | None:
        live = _subscription.tenant_id == self._tenant_id, _subscription.ended_at.is_(None)
        found: InvoiceId | None = await self._session.scalar(select(_subscription.invoice_id).where(*live))
        return found

    async def free_until(self, *, besides: SubscriptionId) -> datetime | None:
        others = _subscription.tenant_id == self._tenant_id, _subscription.id != besides
        until: datetime | None = await self._session.scalar(
            select(func.max(_subscription.period_end))
            .join(plan_versions, _version.id == _subscription.plan_version_id)
            .where(*others, _version.price_micros == 0)
        )
        return until

    async def subscribed(self) -> PlanVersion | None:
        if not self._subscribed:
            mine = select(PlanVersion).join(subscriptions, _subscription.plan_version_id == _version.id)
            mine_now = _subscription.tenant_id == self._tenant_id, _subscription.state.in_(ENTITLING)
            self._subscribed.append(await self._session.scalar(mine.where(*mine_now)))
        return self._subscribed[0]
