"""Types of the channels room: ways to models, their health, and how generations are routed over them."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from domain.accounts import Permission
from domain.channels import entities
from domain.channels.entities import PLATFORM_TENANT, CancelPolicy, ChannelStatus, Modality, ProviderKind
from domain.channels.health import HealthState
from domain.errors import ErrorCode, Rejected
from persistence.channels.reads import LEARNED, STATISTICS
from schema.base import Money, Node, Payload, TokenCount, described_enum, mapped, money
from schema.batched import batched, ids_of, needs
from schema.context import Info
from schema.cost import Cost

described_enum(
    ProviderKind,
    OPENAI_COMPATIBLE="Any server that speaks OpenAI's protocol.",
    OPENAI="OpenAI itself.",
    AZURE_OPENAI="OpenAI's models as deployments of an Azure resource.",
    ANTHROPIC="Anthropic in its own protocol.",
    GEMINI="Google Gemini in its own protocol.",
    DASHSCOPE="Alibaba Bailian in its own protocol.",
    LOCAL="A model file on the worker's own machine; for channels of the platform only.",
    DEMO="The built-in offline engine: deterministic, and no language model.",
)
described_enum(
    ChannelStatus,
    ON="Generations go through it.",
    OFF_MANUAL="Switched off by its owner.",
    OFF_AUTO="Left out because its calls failed; it comes back by itself.",
    HALF_OPEN="It may come back: the next generation tries it.",
)
described_enum(
    HealthState,
    HEALTHY="Its calls succeed, or there were none yet.",
    DEGRADED="Some of its last calls failed.",
    OPEN="Its calls failed: it is left out for a while.",
    HALF_OPEN="The next call decides whether it is back.",
)
described_enum(
    CancelPolicy,
    CANCEL="A stop closes the connection, and with it the provider stops counting.",
    DRAIN="The provider goes on counting after the connection is closed: at a stop the rest of the answer is read in "
    "the background, for 15 seconds at most, and booked to the operator.",
    UNKNOWN="Not measured; treated as CANCEL.",
)


described_enum(
    Modality,
    TEXT="It writes: generations go to such models alone.",
    EMBEDDING="It turns text into vectors.",
    IMAGE="It draws.",
)

STATISTICS_DAYS_MAX = 366
Days = Annotated[int, strawberry.argument(description=f"Of how many days, today included: 1 to {STATISTICS_DAYS_MAX}.")]


@strawberry.type(description="A model that a channel offers.")
class ChannelModel:
    name: str = strawberry.field(description="Its public name: channels that offer the same name stand in for another.")
    upstream: str = strawberry.field(description="What the provider calls it.")
    context_window: int = strawberry.field(description="Tokens of prompt and answer together.")
    max_output_tokens: int | None = strawberry.field(description="The longest answer; null when it is not known.")
    modalities: list[Modality] = strawberry.field(description="What it can be asked for.")
    tokenizer: str | None = strawberry.field(description="Its tokenizer, for clients that count for themselves.")


@strawberry.type(description="What a model's tokens are worth in a language, learned from what the tenant had written.")
class LearnedTokens:
    model: str = strawberry.field(description="The model's public name.")
    language: str = strawberry.field(description="The language of the projects, as they say it.")
    tokens_per_character: float = strawberry.field(description="As the provider counts tokens.")
    answers: int = strawberry.field(description="How many finished answers say so.")


@strawberry.type(description="How the calls through a channel went, as all workers together have seen it.")
class ChannelHealth:
    state: HealthState = strawberry.field(description="The worst of its models.")
    model: str | None = strawberry.field(description="The model it is about; null for the whole channel.")
    consecutive_failures: int = strawberry.field(description="Calls that have failed since the last that succeeded.")
    failure_rate: float = strawberry.field(description="The failed part of its last calls, from 0 to 1.")
    open_until: datetime | None = strawberry.field(description="When it is tried again; null unless it is OPEN.")
    first_token_ms: int | None = strawberry.field(description="Milliseconds to the first token, lately.")
    last_error: str | None = strawberry.field(description="The code of its last failure.")
    changed_at: datetime | None = strawberry.field(description="When the state changed last.")


@strawberry.type(description="What the tenant itself used of a channel, added up. A day is one of UTC.")
class ChannelStatistics:
    calls: int = strawberry.field(description="How many calls were counted, those that broke off included.")
    input_tokens: TokenCount = strawberry.field(description="Tokens read, those from a cache included.")
    output_tokens: TokenCount = strawberry.field(description="Tokens written, those of reasoning included.")
    cached_share: float = strawberry.field(description="The part of the tokens read that a cache had, from 0 to 1.")
    cost: Money | None = strawberry.field(
        description="What they cost by their prices, whoever bears it; null for who does not look after bills."
    )


@mapped(
    entities.Channel,
    name="As its owner calls it.",
    region="Where it stands, as its owner writes it.",
    weight="Its share among channels of one priority.",
    priority="Channels of a higher priority are taken first.",
    requests_per_minute="Calls a minute; null for no limit.",
    tokens_per_minute="Tokens a minute; null for no limit.",
    concurrency="Calls at once; null for no limit.",
    cancel_measured_at="When the cancel policy was last measured; null when it never was.",
    created_at="When it was made.",
    updated_at="When it was last changed.",
)
class Channel(Node):
    """A way to models: a server, a key for it, and what it offers."""

    provider: ProviderKind = strawberry.field(description="The protocol it speaks.")
    cancel_policy: CancelPolicy = strawberry.field(
        description="What its provider does once a stop has closed the connection."
    )
    groups: list[str] = strawberry.field(description="What routing may choose it by.")
    is_default: bool = strawberry.field(description="Whether its first model is used when none is chosen.")
    enabled: bool = strawberry.field(description="Whether its owner has it switched on.")

    @strawberry.field(
        description="The models that it offers; the first when none is asked for.", metadata=needs("offers")
    )
    def models(self) -> list[ChannelModel]:
        return [
            ChannelModel(
                name=one.name, upstream=one.upstream, context_window=one.context_window,
                max_output_tokens=one.max_output_tokens, modalities=[Modality(each) for each in one.modalities],
                tokenizer=one.tokenizer,
            )
            for one in map(entities.ChannelModel.from_json, self.offers)
        ]  # fmt: skip

    @strawberry.field(
        description="The server's address; null for the provider's own, and for a channel of the platform unless one "
        "is its administrator.",
        metadata=needs("base_url", "tenant_id"),
    )
    def base_url(self, info: Info) -> str | None:
        hidden = self.tenant_id == PLATFORM_TENANT and Permission.PLATFORM not in info.context.actor.permissions
        return None if hidden else self.base_url

    @strawberry.field(description="Whether a key is set. It is shown to nobody.", metadata=needs("has_key"))
    def has_key(self) -> bool:
        return self.has_key

    @strawberry.field(description="Whether it is the platform's, for every tenant to use.", metadata=needs("tenant_id"))
    def platform(self) -> bool:
        return self.tenant_id == PLATFORM_TENANT  # type: ignore[no-any-return]

    @batched(description="Whether generations go through it.", columns=("id", "enabled", "offers"))
    async def status(channels: list[Any], info: Info) -> list[ChannelStatus]:
        found = await info.context.services.channels.healths(channels)
        return [status_of(channel, health.state) for channel, health in zip(channels, found, strict=True)]

    @batched(description="How its calls went.", columns=("id", "enabled", "offers"))
    async def health(channels: list[Any], info: Info) -> list[ChannelHealth]:
        return await info.context.services.channels.healths(channels)  # type: ignore[no-any-return]

    @batched(
        description="What the tenant used of it lately; null for who neither administers nor looks after bills.",
        columns=("id",),
    )
    async def statistics(channels: list[Any], info: Info, days: Days = 30) -> list[ChannelStatistics | None]:
        if not 1 <= days <= STATISTICS_DAYS_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {STATISTICS_DAYS_MAX} days.", "days")
        permissions = info.context.actor.permissions
        if not permissions & {Permission.ADMIN, Permission.BILLING}:
            return [None] * len(channels)
        found = await info.context.reads.lists(STATISTICS, "id", ids_of(channels), days=days)
        return [_statistics(row, priced=Permission.BILLING in permissions) for (row,) in found]

    @batched(
        description="Tokens for a character, by model and language, from its last finished answers.",
        columns=("id",),
        directives=[Cost(weight=10)],
    )
    async def learned_tokens(channels: list[Any], info: Info) -> list[list[LearnedTokens]]:
        found = await info.context.reads.lists(LEARNED, "id", ids_of(channels))
        return [
            [
                LearnedTokens(
                    model=row.model, language=row.language, tokens_per_character=round(row.tokens / row.characters, 4),
                    answers=row.answers,
                )
                for row in rows
            ]
            for rows in found
        ]  # fmt: skip


def _statistics(row: Any, *, priced: bool) -> ChannelStatistics:
    return ChannelStatistics(
        calls=row.records, input_tokens=row.input_tokens, output_tokens=row.output_tokens,
        cached_share=round(row.cached_input_tokens / row.input_tokens, 4) if row.input_tokens else 0.0,
        cost=money(row.cost_micros) if priced else None,
    )  # fmt: skip


def status_of(channel: Any, state: HealthState) -> ChannelStatus:
    if not channel.enabled:
        return ChannelStatus.OFF_MANUAL
    return {HealthState.OPEN: ChannelStatus.OFF_AUTO, HealthState.HALF_OPEN: ChannelStatus.HALF_OPEN}.get(
        state, ChannelStatus.ON
    )


@strawberry.input(description="What is known of a model, beyond its name.")
class ChannelModelInput:
    name: str = strawberry.field(description="One of the channel's models.")
    upstream: str | None = strawberry.field(default=None, description="What the provider calls it; its name if null.")
    context_window: int | None = strawberry.field(default=None, description="Tokens; 32,768 by default.")
    max_output_tokens: int | None = strawberry.field(default=None, description="The longest answer.")
    modalities: list[Modality] = strawberry.field(
        default_factory=lambda: [Modality.TEXT], description="What it can be asked for; TEXT by default."
    )
    tokenizer: str | None = strawberry.field(default=None, description="Its tokenizer's name.")


@strawberry.input(description="A new channel.")
class ChannelCreateInput:
    name: str = strawberry.field(description="To recognise it by.")
    provider: ProviderKind = strawberry.field(description="The protocol it speaks.")
    models: list[str] = strawberry.field(description="Public names of the models that it offers, the usual one first.")
    model_details: list[ChannelModelInput] | None = strawberry.field(default=None, description="More about models.")
    base_url: str | None = strawberry.field(
        default=None, description="The server's address; the provider's own if null."
    )
    api_key: str | None = strawberry.field(
        default=None,
        description="The key. It is stored encrypted and never shown again. For the platform's channels it may be "
        "`env:NAME` or `file:PATH`, which is read when it is used.",
    )
    groups: list[str] | None = strawberry.field(default=None, description="What routing may choose it by.")
    region: str | None = strawberry.field(default=None, description="Where it stands.")
    weight: int | None = strawberry.field(default=None, description="Its share among equals, 0 to 1,000; 1 by default.")
    priority: int | None = strawberry.field(default=None, description="From -1,000 to 1,000; 0 by default.")
    requests_per_minute: int | None = strawberry.field(default=None, description="Calls a minute.")
    tokens_per_minute: int | None = strawberry.field(default=None, description="Tokens a minute.")
    concurrency: int | None = strawberry.field(default=None, description="Calls at once.")
    cancel_policy: CancelPolicy | None = strawberry.field(
        default=None,
        description="What its provider does once a stop has closed the connection; by default a guess by its kind and "
        "address.",
    )
    api_version: str | None = strawberry.field(default=None, description="The protocol's version, which Azure wants.")
    model_path: str | None = strawberry.field(
        default=None, description="A model file on the operator's machine, for LOCAL."
    )
    enabled: bool = strawberry.field(default=True, description="Whether it is on at once.")
    is_default: bool = strawberry.field(default=False, description="Whether its first model becomes the usual one.")
    platform: bool = strawberry.field(default=False, description="For every tenant; for platform administrators.")


@strawberry.input(description="What to change of a channel; what is left out stays.")
class ChannelUpdateInput:
    id: strawberry.ID = strawberry.field(description="The channel.")
    name: str | None = strawberry.field(default=None, description="To recognise it by.")
    models: list[str] | None = strawberry.field(default=None, description="All models that it offers from now on.")
    model_details: list[ChannelModelInput] | None = strawberry.field(default=None, description="More about models.")
    base_url: str | None = strawberry.field(
        default=None, description="Another address. A stored key must be given again with it."
    )
    api_key: str | None = strawberry.field(default=None, description='Another key; "" takes it away.')
    groups: list[str] | None = strawberry.field(default=None, description="What routing may choose it by.")
    region: str | None = strawberry.field(default=None, description="Where it stands.")
    weight: int | None = strawberry.field(default=None, description="Its share among equals.")
    priority: int | None = strawberry.field(default=None, description="Higher ones are taken first.")
    requests_per_minute: int | None = strawberry.field(default=None, description="Calls a minute; 0 for no limit.")
    tokens_per_minute: int | None = strawberry.field(default=None, description="Tokens a minute; 0 for no limit.")
    concurrency: int | None = strawberry.field(default=None, description="Calls at once; 0 for no limit.")
    cancel_policy: CancelPolicy | None = strawberry.field(
        default=None, description="What its provider does once a stop has closed the connection."
    )
    api_version: str | None = strawberry.field(default=None, description="Another version of the protocol.")
    model_path: str | None = strawberry.field(default=None, description="Another model file, for LOCAL.")
    enabled: bool | None = strawberry.field(default=None, description="On or off.")
    is_default: bool | None = strawberry.field(default=None, description="Whether its first model is the usual one.")


@strawberry.input(description="A channel to delete.")
class ChannelDeleteInput:
    id: strawberry.ID = strawberry.field(description="The channel.")


@strawberry.input(description="A channel to try.")
class ChannelTestInput:
    id: strawberry.ID = strawberry.field(description="The channel.")
    model: str | None = strawberry.field(default=None, description="The model; the first if null.")


@strawberry.type(description="The new channel.")
class ChannelCreatePayload(Payload):
    channel: Channel | None = strawberry.field(default=None, description="The channel.")


@strawberry.type(description="The changed channel.")
class ChannelUpdatePayload(Payload):
    channel: Channel | None = strawberry.field(default=None, description="The channel.")


@strawberry.type(description="What was deleted.")
class ChannelDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted channel's id.")


@strawberry.type(description="How a short call through the channel went. It is paid by the channel's owner.")
class ChannelTestPayload(Payload):
    ok: bool = strawberry.field(default=False, description="Whether the model answered.")
    text: str | None = strawberry.field(default=None, description="The beginning of its answer.")
    first_token_ms: int | None = strawberry.field(default=None, description="Milliseconds to its first token.")
    total_ms: int | None = strawberry.field(default=None, description="Milliseconds to its end.")
    error_code: str | None = strawberry.field(default=None, description="What went wrong, as a code.")
    error_message: str | None = strawberry.field(default=None, description="What went wrong, as a sentence.")
    channel: Channel | None = strawberry.field(default=None, description="The channel.")


@strawberry.type(description="The health of a channel's model has changed.")
class ChannelHealthEvent:
    channel: Annotated["Channel", strawberry.lazy("schema.channels")] | None = strawberry.field(
        description="The channel; null once it is deleted."
    )
    health: ChannelHealth = strawberry.field(description="How it is now.")
    at: datetime = strawberry.field(description="When it changed.")
