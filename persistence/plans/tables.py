"""Tables of the plans room."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
    literal_column,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.plans import coupons as coupons_
from domain.plans import entities
from domain.plans.periods import PlanPeriod
from persistence.metadata import (
    PLATFORM,
    mapper_registry,
    metadata,
    of_tenant,
    one_of,
    references,
    tenant_table,
    text,
    timestamp,
)

plans = Table(
    "plans",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("name"),
    text("title"),
    text("description", ""),
    Column("public", Boolean, nullable=False, server_default=true()),
    timestamp("archived_at"),
    timestamp("created_at", default=True),
    UniqueConstraint("name"),
    info=PLATFORM,
)

plan_versions = Table(
    "plan_versions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("plan_id", Uuid, ForeignKey(plans.c.id), nullable=False),
    Column("version", Integer, nullable=False),
    text("period"),
    Column("price_micros", BigInteger, nullable=False),
    Column("included_credit_micros", BigInteger, nullable=False, server_default="0"),
    Column("features", JSONB, nullable=False, server_default="[]"),
    Column("limits", JSONB, nullable=False, server_default="{}"),
    timestamp("valid_from", default=True),
    timestamp("created_at", default=True),
    UniqueConstraint("plan_id", "version"),
    one_of("period", PlanPeriod),
    CheckConstraint("least(price_micros, included_credit_micros) >= 0", name="amounts"),
    info=PLATFORM,
)

coupons = Table(
    "coupons",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("code"),
    text("kind"),
    Column("value", BigInteger, nullable=False),
    Column("periods", Integer, nullable=False, server_default="1"),
    Column("expires_days", Integer),
    Column("plan_ids", JSONB, nullable=False, server_default="[]"),
    Column("redemptions_max", BigInteger),
    Column("tenant_redemptions_max", BigInteger, nullable=False, server_default="1"),
    Column("minimum_micros", BigInteger, nullable=False, server_default="0"),
    timestamp("valid_from"),
    timestamp("valid_to"),
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("redeemed", BigInteger, nullable=False, server_default="0"),
    timestamp("created_at", default=True),
    UniqueConstraint("code"),
    one_of("kind", coupons_.CouponKind),
    CheckConstraint("code = upper(code)", name="code"),
    CheckConstraint("value > 0 and (kind <> 'PERCENT' or value <= 100)", name="value"),
    CheckConstraint("redeemed between 0 and coalesce(redemptions_max, redeemed)", name="redeemed"),
    info=PLATFORM,
)

coupon_redemptions = tenant_table(
    "coupon_redemptions",
    Column("id", Uuid, nullable=False),
    Column("coupon_id", Uuid, ForeignKey(coupons.c.id), nullable=False),
    text("reference"),
    Column("periods_left", Integer, nullable=False, server_default="0"),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "reference"),
    CheckConstraint("periods_left >= 0", name="left"),
    of_tenant(),
)
Index(None, coupon_redemptions.c.tenant_id, coupon_redemptions.c.coupon_id)

subscriptions = tenant_table(
    "subscriptions",
    Column("id", Uuid, nullable=False),
    Column("plan_version_id", Uuid, ForeignKey(plan_versions.c.id), nullable=False),
    Column("next_version_id", Uuid, ForeignKey(plan_versions.c.id)),
    text("state", entities.SubscriptionState.INCOMPLETE),
    Column("anchor_at", DateTime(timezone=True), nullable=False),
    Column("period_start", DateTime(timezone=True), nullable=False),
    Column("period_end", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("cancel_at_period_end", Boolean, nullable=False, server_default="false"),
    Column("paid_micros", BigInteger, nullable=False, server_default="0"),
    Column("invoice_id", Uuid),
    timestamp("waits_since"),
    Column("discount_id", Uuid),
    Column("generations_max", Integer),
    timestamp("created_at", default=True),
    timestamp("ended_at"),
    one_of("state", entities.SubscriptionState),
    CheckConstraint("period_end > period_start", name="period"),
    CheckConstraint("(state in ('INCOMPLETE', 'ACTIVE', 'PAST_DUE')) = (ended_at is null)", name="ends"),
    CheckConstraint("paid_micros >= 0", name="paid"),
    of_tenant(),
    references("invoice_id", "invoices"),
    references("discount_id", "coupon_redemptions"),
)
ONE_LIVE = "subscriptions_one_live_idx"
Index(ONE_LIVE, subscriptions.c.tenant_id, unique=True, postgresql_where=literal_column("ended_at is null"))
Index("subscriptions_due_idx", subscriptions.c.due_at, postgresql_where=literal_column("ended_at is null"))

mapper_registry.map_imperatively(entities.Plan, plans)
mapper_registry.map_imperatively(entities.PlanVersion, plan_versions)
mapper_registry.map_imperatively(entities.Subscription, subscriptions)
mapper_registry.map_imperatively(coupons_.Coupon, coupons)
mapper_registry.map_imperatively(coupons_.Redemption, coupon_redemptions)
