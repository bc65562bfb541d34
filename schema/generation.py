"""Types of the generation room: generations, attempts, receipts, channels."""

from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.generation import entities
from domain.generation.entities import AttemptOutcome, GenerationState, TruncationReason
from persistence.generation import reads
from schema.base import Money, MutationError, Node, Payload, TokenCount, UserError, described_enum, mapped, money
from schema.batched import After, Aliases, batched, found, ids_of, needs, reference
from schema.billing.budgets import BudgetExceeded
from schema.context import Info
from schema.cost import Cost, ListSize
from schema.events import EventPage, First, GenerationEvent, event_page
from schema.jobs import Job
from schema.projects import Chapter, TextVersion
from schema.routing import RoutingDecision, routing_decision

if TYPE_CHECKING:
    from schema.conversations.types import Message
    from schema.knowledge.evidence import Evidence

_Evidence = Annotated["Evidence", strawberry.lazy("schema.knowledge.evidence")]

described_enum(
    GenerationState,
    QUEUED="Waits for a worker.",
    PREPARING="A worker has it; no token yet.",
    STREAMING="Text arrives.",
    CANCELLING="Asked to stop; the worker will confirm.",
    COMPLETED="The model finished.",
    CANCELLED="Stopped on request; the text so far is kept.",
    TRUNCATED="Ended before the model was done; the text so far is kept.",
    FAILED="Ended without a text.",
)
described_enum(
    AttemptOutcome,
    RUNNING="Still writing.",
    COMPLETED="The model finished.",
    TRUNCATED="Ended at a limit.",
    CANCELLED="Stopped on request.",
    CUT="Broken off in the middle of the text.",
    FAILED="Failed before the first token.",
    CRASHED="Its worker died or was restarted.",
)


@strawberry.type(description="One try at a generation.")
class Attempt:
    number: int = strawberry.field(description="Counts up from 1; a higher one replaces the text of the lower.")
    channel: str = strawberry.field(description="The channel it went through.")
    model: str = strawberry.field(description="The model it asked.")
    outcome: AttemptOutcome = strawberry.field(description="What became of it.")
    started_at: datetime = strawberry.field(description="When a worker began it.")
    first_token_at: datetime | None = strawberry.field(description="When its first token arrived.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    error_code: str | None = strawberry.field(description="What went wrong, as a code.")
    error_message: str | None = strawberry.field(description="What went wrong, as a sentence.")
    trace: list[str] = strawberry.field(description="What happened, in order, with milliseconds from its start.")

    @strawberry.field(description="How it came to its channel; null before it has one.")
    def routing(self) -> RoutingDecision | None:
        return routing_decision(self.decision)  # type: ignore[attr-defined]

    @strawberry.field(description="Milliseconds from its start to its first token.")
    def time_to_first_token_ms(self) -> int | None:
        return _ms(self.started_at, self.first_token_at)

    @strawberry.field(description="Milliseconds from its start to its end.")
    def total_ms(self) -> int | None:
        return _ms(self.started_at, self.ended_at)

    @strawberry.field(description="Tokens of the prompt.")
    def input_tokens(self) -> TokenCount | None:
        return self.input_tokens

    @strawberry.field(description="Tokens of the text.")
    def output_tokens(self) -> TokenCount | None:
        return self.output_tokens


def _ms(start: datetime, end: datetime | None) -> int | None:
    return int((end - start).total_seconds() * 1000) if end is not None else None


@strawberry.type(description="What a generation used and cost its author.")
class GenerationUsage:
    input_tokens: TokenCount = strawberry.field(description="Tokens of the prompt, cached ones included.")
    output_tokens: TokenCount = strawberry.field(description="Tokens of the text.")
    cached_input_tokens: TokenCount = strawberry.field(description="Prompt tokens that the provider had cached.")
    source: str = strawberry.field(description="Where the counts come from, e.g. PROVIDER_FINAL or ESTIMATE.")
    cost: Money = strawberry.field(description="What was taken from the wallet.")


@strawberry.type(description="One thing that went into the prompt, or did not.", directives=[Cost(weight=0)])
class ReceiptItem:
    slot: str = strawberry.field(description="The part of the prompt, such as STYLE or CODEX.")
    title: str = strawberry.field(description="What it is.")
    tokens: int = strawberry.field(description="Estimated tokens it took.")
    decision: str = strawberry.field(description="INCLUDED, SHORTENED, or why it was left out.")
    reason: str = strawberry.field(description="More about the decision.")


@strawberry.type(description="What the prompt was made of: the context compiler's receipt.")
class ContextReceipt:
    prompt_tokens: int = strawberry.field(description="Estimated tokens of the whole prompt.")
    budget_tokens: int = strawberry.field(description="Tokens that the prompt could have had.")
    prefix_hash: str = strawberry.field(description="Equal hashes can share a provider's prompt cache.")
    items: list[ReceiptItem] = strawberry.field(description="Everything considered, in prompt order.")
    cached_share: float | None = strawberry.field(
        description="The part of the prompt that the provider had cached, from 0 to 1; null before it has said."
    )
    history_tokens: int | None = strawberry.field(
        default=None, description="Tokens that the messages before it could have had; null where there are none."
    )


@mapped(
    entities.Generation,
    instructions="What the author asked for.",
    model="The model asked.",
    channel="The channel it goes through.",
    created_at="When it was asked for.",
    finished_at="When it ended.",
    error_code="What went wrong, as a code.",
    error_message="What went wrong, as a sentence.",
)
class Generation(Node):
    """The writing of one text by a model: asked for by a mutation, watched by a subscription."""

    state: GenerationState = strawberry.field(description="How far it is.")
    truncation_reason: TruncationReason | None = strawberry.field(description="Why it ended early.")

    @batched(
        description="The text so far, at most a second old while it is written.",
        columns=("id",),
        directives=[Cost(weight=5)],
    )
    async def text(generations: list[Any], info: Info) -> list[str]:
        return [text or "" for text in await info.context.reads.values(reads.TEXTS, "text", ids_of(generations))]

    job: Job = reference("Job", "job_id", description="The job that does the work.")
    chapter: Chapter | None = reference(
        "Chapter", "node_id", description="The chapter it writes; null once that is deleted, and for a message."
    )
    message: Annotated["Message", strawberry.lazy("schema.conversations.types")] | None = found(
        "Message", attrgetter("message_id"), description="The message that it writes; null for a chapter.",
        metadata=needs("message_id"),
    )  # fmt: skip
    version: TextVersion | None = reference(
        "TextVersion", "version_id", description="The version it became; null for a message."
    )

    @batched(description="Every try, oldest first.", columns=("id",))
    async def attempts(generations: list[Any], info: Info) -> list[list[Attempt]]:
        return await info.context.reads.lists(reads.ATTEMPTS, "generation_id", ids_of(generations))

    @batched(description="What went into the prompt.", columns=("id",))
    async def receipt(generations: list[Any], info: Info) -> list[ContextReceipt | None]:
        return [_receipt(one) for one in await info.context.reads.values(reads.RECEIPTS, None, ids_of(generations))]

    @batched(description="What it used and cost; null until it has ended with a text.", columns=("job_id",))
    async def usage(generations: list[Any], info: Info) -> list[GenerationUsage | None]:
        rows = await info.context.reads.values(reads.USAGE, None, [one.job_id for one in generations])
        return [generation_usage(row) for row in rows]

    @batched(
        description="The passages of knowledge bases that it was given, in the order of their aliases.",
        columns=("job_id",), directives=[ListSize(assumed_size=20)],
    )  # fmt: skip
    async def evidence(generations: list[Any], info: Info, aliases: Aliases = None) -> list[list[_Evidence]]:
        from schema.knowledge.evidence import evidence_of

        return await evidence_of(info, [one.job_id for one in generations], aliases)

    @strawberry.field(
        description="The stream's events, for clients that poll.", metadata=needs("job_id"),
        directives=[ListSize(assumed_size=1_000)],
    )  # fmt: skip
    async def events(self, info: Info, after: After = None, first: First = 100) -> EventPage[GenerationEvent]:
        return event_page(await info.context.reads.events(self.job_id, after, first))


def _receipt(row: Any | None) -> ContextReceipt | None:
    if row is None or row.receipt is None:
        return None
    items = [ReceiptItem(**item) for item in row.receipt["items"]]
    return ContextReceipt(**{**row.receipt, "items": items, "cached_share": row.cached_share})


def generation_usage(row: Any | None) -> GenerationUsage | None:
    if row is None:
        return None
    return GenerationUsage(
        input_tokens=TokenCount(row.input_tokens),
        output_tokens=TokenCount(row.output_tokens),
        cached_input_tokens=TokenCount(row.cached_input_tokens),
        source=row.source,
        cost=money(int(row.cost_micros)),
    )


@strawberry.input(description="A chapter to have written.")
class ChapterGenerateInput:
    chapter_id: strawberry.ID = strawberry.field(description="The chapter.")
    instructions: str = strawberry.field(default="", description="What the author wants; reaches the model verbatim.")
    target_words: int | None = strawberry.field(default=None, description="How long; 800 words by default.")
    channel_id: strawberry.ID | None = strawberry.field(default=None, description="The channel; the default if null.")
    model: str | None = strawberry.field(default=None, description="Another model of the channel.")
    max_cost: Decimal | None = strawberry.field(
        default=None, description="The most that it may cost. A text that comes to it is TRUNCATED and kept."
    )
    idempotency_key: str = strawberry.field(
        description="The same key and input give the same generation for 24 hours; another input is refused."
    )


@strawberry.input(description="A chapter to estimate, as it would be asked for.")
class GenerationEstimateInput:
    chapter_id: strawberry.ID = strawberry.field(description="The chapter.")
    instructions: str = strawberry.field(default="", description="What the author wants.")
    target_words: int | None = strawberry.field(default=None, description="How long; 800 words by default.")
    channel_id: strawberry.ID | None = strawberry.field(default=None, description="The channel; any if null.")
    model: str | None = strawberry.field(default=None, description="The model; the usual one if null.")


@strawberry.type(description="What a chapter would cost through one channel.", directives=[Cost(weight=0)])
class ChannelEstimate:
    channel: str = strawberry.field(description="The channel.")
    model: str = strawberry.field(description="The model.")
    low: Money = strawberry.field(description="Hardly less.")
    likely: Money = strawberry.field(description="The middle of what is known.")
    high: Money = strawberry.field(description="Hardly more; at most twice `low`.")


@strawberry.type(description="What a chapter would cost. Nothing is asked of a model, and nothing is charged.")
class GenerationEstimate:
    low: Money = strawberry.field(description="Hardly less, through the likeliest channel.")
    likely: Money = strawberry.field(description="The middle of what is known.")
    high: Money = strawberry.field(description="Hardly more; at most twice `low`.")
    prompt_tokens: TokenCount = strawberry.field(description="Tokens of the prompt.")
    output_tokens: TokenCount = strawberry.field(description="Tokens of the likely answer.")
    channels: list[ChannelEstimate] = strawberry.field(description="Each channel that could serve it.")


@strawberry.input(description="A generation to stop.")
class GenerationCancelInput:
    id: strawberry.ID = strawberry.field(description="The generation.")


@strawberry.type(description="The generation that is being stopped.")
class GenerationCancelPayload(Payload):
    generation: Generation | None = strawberry.field(default=None, description="The generation.")


@strawberry.type(description="The generation has started: subscribe to its events.")
class GenerationStarted:
    generation: Generation = strawberry.field(description="The generation.")
    replayed: bool = strawberry.field(description="Whether the key had started it before.")


@strawberry.type(description="The wallet's credit does not cover the generation.")
class QuotaExhausted(UserError):
    needed: Money = strawberry.field(description="What would have been held.")
    available: Money = strawberry.field(description="What the wallet has.")


@strawberry.type(description="What must be in the prompt does not fit the model's window.")
class ContextTooSmall(UserError):
    required_tokens: int = strawberry.field(description="Estimated tokens that are needed.")
    budget_tokens: int = strawberry.field(description="Tokens that there are.")


@strawberry.type(description="No model channel is set up.")
class NoChannel(UserError):
    pass


@strawberry.type(description="The idempotency key was used for another request.")
class IdempotencyConflict(UserError):
    pass


ChapterGenerateResult = Annotated[
    GenerationStarted
    | QuotaExhausted
    | BudgetExceeded
    | ContextTooSmall
    | NoChannel
    | IdempotencyConflict
    | MutationError,
    strawberry.union(
        "ChapterGenerateResult", description="A started generation, or the reason for which it was not started."
    ),
]
