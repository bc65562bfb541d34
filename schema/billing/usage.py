"""Usage: records, reports, and a provider's statement held against them."""

from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any
from uuid import UUID

import strawberry

from domain.billing.usage import Difference, StatementQuantity, UsageGroup
from domain.generation.provider import UsageSource
from persistence.billing.reads import NOBODY
from schema.accounts import ApiToken, User
from schema.base import Money, Payload, TokenCount, described_enum, money
from schema.batched import found
from schema.billing.prices import Price
from schema.cost import Cost
from schema.ids import encode_id
from schema.projects import Project

described_enum(
    UsageGroup,
    DAY="By day, in UTC.",
    MODEL="By model.",
    CHANNEL="By channel.",
    PROJECT="By project.",
    MEMBER="By who asked.",
    TOKEN="By the API token that was used.",
)
described_enum(
    StatementQuantity,
    INPUT_TOKENS="Tokens read, those from a cache included.",
    OUTPUT_TOKENS="Tokens written, those of reasoning included.",
    COST="Money, in whole units: what the provider asks for against what the calls cost by our prices.",
)

described_enum(
    UsageSource,
    PROVIDER_FINAL="The provider's own, at the end of the call.",
    PROVIDER_PARTIAL="The provider's own, of a call that broke off.",
    PROVIDER_RECEIPT="The provider's own, asked for later.",
    ESTIMATE="Estimated from the text.",
    UNKNOWN="Nobody knows: nothing was counted.",
)

Since = Annotated[
    datetime | None, strawberry.argument(name="from", description="The first day, in UTC; 30 days ago by default.")
]
Until = Annotated[datetime | None, strawberry.argument(description="The last day, in UTC; today by default.")]
GroupBy = Annotated[list[UsageGroup], strawberry.argument(description="What a row stands for; all in one without.")]
Billed = Annotated[
    bool | None,
    strawberry.argument(description="What authors are billed for; false for what nobody is, null for both."),
]


def _asked(description: str) -> Any:
    return found("User", attrgetter("user_id"), description=description)


@strawberry.type(description="What was used, added up.", directives=[Cost(weight=0)])
class UsageRow:
    day: str | None = strawberry.field(description="The day, such as 2026-01-31; null unless grouped by it.")
    model: str | None = strawberry.field(description="The model; null unless grouped by it.")
    channel: str | None = strawberry.field(description="The channel; null unless grouped by it.")
    input_tokens: TokenCount = strawberry.field(description="Tokens read, those from a cache included.")
    cached_input_tokens: TokenCount = strawberry.field(description="Tokens read from the provider's cache.")
    output_tokens: TokenCount = strawberry.field(description="Tokens written, those of reasoning included.")
    reasoning_tokens: TokenCount = strawberry.field(description="Tokens of reasoning.")
    cost: Money = strawberry.field(description="What it cost.")
    count: int = strawberry.field(description="How many calls.")
    project_id: strawberry.Private[UUID | None]
    user_id: strawberry.Private[UUID | None]
    api_token_id: strawberry.Private[UUID | None]
    project: Project | None = found(
        "Project", attrgetter("project_id"), description="The project; null unless grouped by it, and once deleted."
    )
    member: User | None = _asked("Who asked; null unless grouped by it, and once gone.")
    token: ApiToken | None = found(
        "ApiToken",
        attrgetter("api_token_id"),
        description="The API token; null unless grouped by it, and for sessions.",
    )


def usage_row(row: Any) -> UsageRow:
    """Of a row of `persistence.billing.reads.usage_rows`: it has the columns of its groups and no others."""
    said = row._mapping
    day = said.get("day")
    return UsageRow(
        day=day.isoformat() if day is not None else None, model=said.get("model"), channel=said.get("channel"),
        input_tokens=row.input_tokens, cached_input_tokens=row.cached_input_tokens, output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens, cost=money(row.cost_micros), count=row.records,
        project_id=_somebody(said.get("project_id")), user_id=_somebody(said.get("user_id")),
        api_token_id=_somebody(said.get("api_token_id")),
    )  # fmt: skip


def _somebody(value: UUID | None) -> UUID | None:
    return None if value == NOBODY else value


@strawberry.type(description="A report of what was used.")
class UsageReport:
    rows: list[UsageRow] = strawberry.field(description="In the order of their groups.")


@strawberry.type(description="What one try of a job used, of one kind.")
class UsageRecord:
    attempt: int = strawberry.field(description="Which try.")
    kind: str = strawberry.field(
        description="What was asked for: LLM for a text, EMBED for a document or a search, RERANK for the order of hits."
    )
    model: str = strawberry.field(description="The model.")
    channel: str = strawberry.field(description="The channel.")
    provider: str | None = strawberry.field(description="The protocol that it spoke; null where that is not known.")
    input_tokens: TokenCount = strawberry.field(description="Tokens read, those from and to a cache included.")
    cached_input_tokens: TokenCount = strawberry.field(description="Tokens read from the provider's cache.")
    cache_write_tokens: TokenCount = strawberry.field(description="Tokens written to the provider's cache.")
    output_tokens: TokenCount = strawberry.field(description="Tokens written, those of reasoning included.")
    reasoning_tokens: TokenCount = strawberry.field(description="Tokens of reasoning.")
    source: UsageSource = strawberry.field(description="Where the counts come from.")
    cost: Money = strawberry.field(description="What it cost.")
    billed: bool = strawberry.field(description="Whether its author is billed for it.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    booked_at: datetime = strawberry.field(description="When it was recorded.")
    job_id: strawberry.ID = strawberry.field(description="The job.")
    project_id: strawberry.Private[UUID | None]
    user_id: strawberry.Private[UUID | None]
    api_token_id: strawberry.Private[UUID | None]
    price_id: strawberry.Private[UUID | None]
    project: Project | None = found("Project", attrgetter("project_id"), description="The project; null once deleted.")
    member: User | None = _asked("Who asked; null once gone.")
    token: ApiToken | None = found(
        "ApiToken", attrgetter("api_token_id"), description="The API token that was used; null for a session."
    )
    price: Price | None = found(
        "Price", attrgetter("price_id"), description="The version that its cost was reckoned by."
    )


RECORD_COLUMNS = (
    "attempt", "kind", "model", "channel", "provider", "input_tokens", "cached_input_tokens", "cache_write_tokens",
    "output_tokens", "reasoning_tokens", "source", "billed", "occurred_at", "booked_at", "project_id", "user_id",
    "api_token_id", "price_id",
)  # fmt: skip


def usage_record(row: Any) -> UsageRecord:
    said = {name: getattr(row, name) for name in RECORD_COLUMNS}
    return UsageRecord(**said, cost=money(row.cost_micros), job_id=strawberry.ID(encode_id("Job", row.job_id)))


@strawberry.input(description="Which usage records to list.")
class UsageRecordFilter:
    model: str | None = strawberry.field(default=None, description="Only of this model.")
    channel: str | None = strawberry.field(default=None, description="Only through this channel.")
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Only of this project.")
    member_id: strawberry.ID | None = strawberry.field(default=None, description="Only of this user.")
    token_id: strawberry.ID | None = strawberry.field(default=None, description="Only through this API token.")
    billed: bool | None = strawberry.field(default=None, description="Only what authors are billed for, or are not.")
    from_: datetime | None = strawberry.field(name="from", default=None, description="From this day on, in UTC.")
    to: datetime | None = strawberry.field(default=None, description="Up to this day, in UTC.")


@strawberry.type(description="Usage records as a table.", directives=[Cost(weight=100)])
class UsageExport:
    csv: str = strawberry.field(description="RFC 4180, with a header; ids are global ids.")


@strawberry.input(description="A provider's statement, to be held against what was recorded.")
class StatementReconcileInput:
    csv: str = strawberry.field(
        description="CSV with the columns day and model, and any of input_tokens, output_tokens and cost."
    )
    channel: str = strawberry.field(description="The channel that the provider is reached by.")
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="The first day, in UTC; the statement's own first if null."
    )
    to: datetime | None = strawberry.field(
        default=None, description="The last day, in UTC, at most 366 in all; the statement's own last if null."
    )
    every_tenant: bool = strawberry.field(
        default=False, description="Count the calls of all tenants. For platform administrators."
    )


@strawberry.type(description="Where a statement and the records differ.", directives=[Cost(weight=0)])
class StatementDifference:
    day: str = strawberry.field(description="The day, such as 2026-01-31.")
    model: str = strawberry.field(description="The model.")
    quantity: StatementQuantity = strawberry.field(description="What was counted.")
    ours: Decimal = strawberry.field(description="As recorded here; 0 where nothing is.")
    theirs: Decimal = strawberry.field(description="As the statement has it; 0 where it has nothing.")


def difference(one: Difference) -> StatementDifference:
    return StatementDifference(
        day=one.day.isoformat(), model=one.model, quantity=one.quantity, ours=one.ours, theirs=one.theirs
    )


@strawberry.type(description="What a statement and the records have in common, and what not.")
class StatementReconcilePayload(Payload):
    differences: list[StatementDifference] = strawberry.field(
        default_factory=list, description="By day, model and quantity."
    )
    matched: int = strawberry.field(default=0, description="How many amounts agree exactly.")
