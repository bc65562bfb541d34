"""Use cases of the platform: make plans, follow them up with new versions, archive them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from domain.accounts import Actor, Permission
from domain.billing.money import AMOUNT_MICROS_MAX
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import PlanId, PlanVersionId, new_id
from domain.plans.entities import Feature, Plan, PlanLimit, PlanVersion
from domain.plans.periods import PlanPeriod
from domain.plans.store import PlanStore
from domain.text import NOTE_CHARS_MAX, clean_line, clean_text

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
LIMIT_MAX = 1_000_000
VERSIONS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class PlanDraft:
    name: str
    title: str
    description: str = ""
    public: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """What a version costs and includes. In force at once where `valid_from` is None."""

    period: PlanPeriod
    price_micros: int
    included_credit_micros: int = 0
    features: Sequence[Feature] = ()
    limits: Mapping[PlanLimit, int] = field(default_factory=dict)
    valid_from: datetime | None = None


async def create_plan(plans: PlanStore, actor: Actor, draft: PlanDraft, terms: Terms, now: datetime) -> Plan:
    """With its first version. Raises Rejected, ALREADY_EXISTS for a name that is taken."""
    actor.require(Permission.PLATFORM)
    name = clean_line(draft.name, "name")
    if not _NAME.fullmatch(name):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A name looks like WRITER: A to Z, 0 to 9 and _.", "input", "name")
    description = clean_text(draft.description, "description", chars_max=NOTE_CHARS_MAX)
    plan = Plan(PlanId(new_id()), name, clean_line(draft.title, "title"), description, draft.public, None, now)
    first = _version(plan, 1, terms, now)
    if not await plans.add_plan(plan):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "There is a plan with this name.", "input", "name")
    await plans.add_version(first)
    return plan


async def create_version(plans: PlanStore, actor: Actor, plan_id: PlanId, terms: Terms, now: datetime) -> PlanVersion:
    """For who begins or changes from then on. Nobody's subscription changes by it. Raises Rejected."""
    actor.require(Permission.PLATFORM)
    plan = await _plan(plans, plan_id, "planId")
    if plan.archived_at is not None:
        raise Rejected(ErrorCode.INVALID_STATE, "This plan is archived.", "input", "planId")
    last = await plans.last_version(plan_id)
    number = last.version + 1 if last is not None else 1
    if number > VERSIONS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A plan has at most {VERSIONS_MAX:,} versions.")
    version = _version(plan, number, terms, now)
    if last is not None and last.valid_from and version.valid_from and version.valid_from < last.valid_from:
        message = "A version holds from no earlier than the one before it."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "terms", "validFrom")
    await plans.add_version(version)
    return version


async def archive_plan(plans: PlanStore, actor: Actor, plan_id: PlanId, now: datetime) -> Plan:
    """Nobody begins it any more; who has it keeps it. A second call keeps the first time."""
    actor.require(Permission.PLATFORM)
    plan = await _plan(plans, plan_id, "id")
    plan.archived_at = plan.archived_at or now
    return plan


async def _plan(plans: PlanStore, plan_id: PlanId, field_name: str) -> Plan:
    plan = await plans.plan(plan_id, lock=True)
    if plan is None:
        raise NotFound("The plan", "input", field_name)
    return plan


def _version(plan: Plan, number: int, terms: Terms, now: datetime) -> PlanVersion:
    for name, micros in (("price", terms.price_micros), ("includedCredit", terms.included_credit_micros)):
        if not 0 <= micros <= AMOUNT_MICROS_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, "An amount is not below zero.", "input", "terms", name)
    if not all(0 <= number <= LIMIT_MAX for number in terms.limits.values()):
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 0 and {LIMIT_MAX:,}.", "input", "terms", "limits")
    valid_from = terms.valid_from or now
    if valid_from < now:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A version holds from now or later.", "input", "terms", "validFrom")
    return PlanVersion(
        PlanVersionId(new_id()), plan.id, number, terms.period, terms.price_micros, terms.included_credit_micros,
        sorted(set(terms.features)), {str(name): most for name, most in terms.limits.items()}, valid_from, now,
    )  # fmt: skip
