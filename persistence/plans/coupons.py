"""The coupons room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import CouponId, RedemptionId, TenantId
from domain.plans.coupons import Coupon, Redemption
from persistence.plans.tables import coupon_redemptions, coupons

_coupon, _redemption = coupons.c, coupon_redemptions.c


class SqlCoupons:
    """Implements `domain.plans.store.CouponStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId, now: datetime) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._now = now

    async def add(self, coupon: Coupon) -> bool:
        row = {one.name: getattr(coupon, one.name) for one in coupons.columns if one.name != "created_at"}
        added = postgresql.insert(coupons).values(row).on_conflict_do_nothing(index_elements=["code"])
        return (await self._session.execute(added.returning(_coupon.id))).first() is not None

    async def coupon(self, coupon_id: CouponId) -> Coupon | None:
        return await self._session.get(Coupon, coupon_id)

    async def take(self, code: str) -> Coupon | None:
        """The row's lock makes the others wait, and the condition is asked again of what the first one left."""
        return await self._session.scalar(
            update(Coupon)
            .where(
                _coupon.code == code, _coupon.active,
                or_(_coupon.redemptions_max.is_(None), _coupon.redeemed < _coupon.redemptions_max),
                or_(_coupon.valid_from.is_(None), _coupon.valid_from <= self._now),
                or_(_coupon.valid_to.is_(None), _coupon.valid_to > self._now),
            )
            .values(redeemed=_coupon.redeemed + 1)
            .returning(Coupon),
            execution_options={"synchronize_session": False, "populate_existing": True},
        )  # fmt: skip

    async def count_redemptions(self, coupon_id: CouponId) -> int:
        mine = _redemption.tenant_id == self._tenant_id, _redemption.coupon_id == coupon_id
        return await self._session.scalar(select(func.count()).where(*mine)) or 0

    async def give_back(self, redemption_id: RedemptionId) -> None:
        mine = _redemption.tenant_id == self._tenant_id, _redemption.id == redemption_id
        await self._session.execute(update(Redemption).where(*mine).values(periods_left=_redemption.periods_left + 1))

    async def add_redemption(self, redemption: Redemption) -> None:
        self._session.add(redemption)
        await self._session.flush()

    async def discounts(self) -> Sequence[tuple[Redemption, Coupon]]:
        rows = await self._session.execute(
            select(Redemption, Coupon)
            .join(coupons, _coupon.id == _redemption.coupon_id)
            .where(_redemption.tenant_id == self._tenant_id, _redemption.periods_left > 0)
            .order_by(_redemption.id)
            .with_for_update(of=coupon_redemptions)
        )
        return [(row[0], row[1]) for row in rows]
