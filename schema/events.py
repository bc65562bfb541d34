"""Events of the streams: of a generation and of its job alike, but for the last ones, which end any other job."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar
from uuid import UUID

import strawberry

from domain.errors import ErrorCode
from domain.events import Event, EventType
from domain.generation.entities import TruncationReason
from schema.base import Money, TokenCount, described_enum, money
from schema.context import Info
from schema.ids import encode_id

if TYPE_CHECKING:
    from schema.conversations.types import Message
    from schema.generation import GenerationUsage
    from schema.knowledge.types import Document, TextSpan
    from schema.projects import TextVersion

described_enum(
    TruncationReason,
    LENGTH="The model reached its length limit.",
    BUDGET="The credit held for it was used up.",
    CONTENT_FILTER="A content filter stopped it.",
    CUT="The connection to the model broke, and no further attempt was allowed.",
)

LazyVersion = Annotated["TextVersion", strawberry.lazy("schema.projects")]
LazyMessage = Annotated["Message", strawberry.lazy("schema.conversations.types")]
LazySpan = Annotated["TextSpan", strawberry.lazy("schema.knowledge.types")]
LazyDocument = Annotated["Document", strawberry.lazy("schema.knowledge.types")]
LazyUsage = Annotated["GenerationUsage", strawberry.lazy("schema.generation")]


@strawberry.interface(description="An event of any stream.")
class StreamEvent:
    seq: int = strawberry.field(
        description="Grows strictly within a stream. Compare it to drop repetitions; do not count gaps."
    )
    cursor: str = strawberry.field(description="Where the event stands: the `after` to go on from.")
    at: datetime = strawberry.field(description="When it happened.")


@strawberry.interface(description="An event of a generation.")
class GenerationEvent(StreamEvent):
    pass


@strawberry.interface(description="An event of a job.")
class JobEvent(StreamEvent):
    pass


@strawberry.type(description="An attempt has begun.")
class GenerationStartedEvent(GenerationEvent, JobEvent):
    attempt: int = strawberry.field(description="Its number.")
    model: str = strawberry.field(description="The model asked.")
    channel: str = strawberry.field(description="The channel it goes through.")


@strawberry.type(description="The prompt is compiled; read `Generation.receipt` for what went into it.")
class ContextReceiptReady(GenerationEvent, JobEvent):
    prompt_tokens: int = strawberry.field(description="Estimated tokens of the prompt.")


@strawberry.type(description="More text: append it.")
class TextDelta(GenerationEvent, JobEvent):
    text: str = strawberry.field(description="What to append.")


@strawberry.type(description="The model's reasoning; only where a recipe shows it.")
class ReasoningDelta(GenerationEvent, JobEvent):
    text: str = strawberry.field(description="What to append to the reasoning.")


@strawberry.type(description="How far the job is.")
class JobProgress(GenerationEvent, JobEvent):
    progress: int = strawberry.field(description="Percent.")
    note: str = strawberry.field(description="What it does.")


@strawberry.type(description="The text goes on in another attempt.")
class AttemptSwitched(GenerationEvent, JobEvent):
    attempt: int = strawberry.field(description="The new attempt.")
    channel: str = strawberry.field(description="The channel it goes through.")
    reason: str = strawberry.field(description="Why.")


@strawberry.type(description="The text starts again: clear what you show.")
class StreamReset(GenerationEvent, JobEvent):
    attempt: int = strawberry.field(description="The attempt that begins.")
    reason: str = strawberry.field(description="Why.")


@strawberry.type(description="The whole text so far: replace what you show by it.")
class StreamSnapshot(GenerationEvent, JobEvent):
    attempt: int = strawberry.field(description="The attempt it belongs to.")
    text: str = strawberry.field(description="The text.")


@strawberry.type(description="What the generation has cost so far.")
class MeterTick(GenerationEvent, JobEvent):
    held: Money = strawberry.field(description="What is reserved for it.")
    accrued: Money = strawberry.field(description="What it has used, as far as can be counted while it is written.")
    left: Money = strawberry.field(description="What is left of what is reserved.")


@strawberry.type(description="A mark of the answer is whole: the words of a document that it stands for.")
class CitationAdded(GenerationEvent, JobEvent):
    data: strawberry.Private[dict[str, Any]]

    index: int = strawberry.field(description="Its place in the answer, from 1.")
    marker: int = strawberry.field(description="The number that the answer shows.")
    quote: str = strawberry.field(description="The words of the document, as they stand there.")

    @strawberry.field(description="Where the mark stands in the answer's text.")
    def place(self) -> LazySpan:
        from schema.knowledge.types import TextSpan

        return TextSpan(start=self.data["start"], end=self.data["end"])

    @strawberry.field(description="Where the quote stands in the document's text.")
    def span(self) -> LazySpan:
        from schema.knowledge.types import TextSpan

        return TextSpan(start=self.data["spanStart"], end=self.data["spanEnd"])

    @strawberry.field(description="The document that it quotes; null once it is deleted.")
    async def document(self, info: Info) -> LazyDocument | None:
        return await info.context.reads.one("Document", UUID(self.data["document"]))  # type: ignore[no-any-return]

    @strawberry.field(description="The chunk that was found.")
    def chunk_id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Chunk", UUID(self.data["chunk"])))


async def _version(info: Info, version_id: str | None) -> Any | None:
    return await info.context.reads.one("TextVersion", UUID(version_id)) if version_id else None


async def _answer(info: Info, message_id: str | None) -> Any | None:
    return await info.context.reads.one("Message", UUID(message_id)) if message_id else None


@strawberry.type(description="The model finished. The stream ends.")
class GenerationCompleted(GenerationEvent, JobEvent):
    data: strawberry.Private[dict[str, Any]]

    @strawberry.field(description="The message that it wrote; null for a chapter.")
    async def answer(self, info: Info) -> LazyMessage | None:
        return await _answer(info, self.data.get("answer"))

    @strawberry.field(description="The text, as a candidate version; null once its chapter is deleted.")
    async def version(self, info: Info) -> LazyVersion | None:
        return await _version(info, self.data.get("version"))

    @strawberry.field(description="What it used and cost.")
    def usage(self) -> LazyUsage | None:
        from schema.generation import GenerationUsage

        if "inputTokens" not in self.data:
            return None
        return GenerationUsage(
            input_tokens=TokenCount(self.data["inputTokens"]),
            output_tokens=TokenCount(self.data["outputTokens"]),
            cached_input_tokens=TokenCount(self.data.get("cachedInputTokens", 0)),
            source=self.data.get("source", "UNKNOWN"),
            cost=money(self.data.get("cost", 0)),
        )


@strawberry.type(description="The generation ended without a text. The stream ends.")
class GenerationFailed(GenerationEvent, JobEvent):
    code: str = strawberry.field(description="What went wrong, as a code.")
    message: str = strawberry.field(description="What went wrong, as a sentence for the writer.")


@strawberry.type(description="The generation was stopped on request. The stream ends.")
class GenerationCancelled(GenerationEvent, JobEvent):
    data: strawberry.Private[dict[str, Any]]

    @strawberry.field(description="The message that it wrote; null for a chapter.")
    async def answer(self, info: Info) -> LazyMessage | None:
        return await _answer(info, self.data.get("answer"))

    @strawberry.field(description="The text so far; null when there was none.")
    async def version(self, info: Info) -> LazyVersion | None:
        return await _version(info, self.data.get("version"))


@strawberry.type(description="The generation ended before the model was done. The stream ends.")
class GenerationTruncated(GenerationEvent, JobEvent):
    reason: TruncationReason = strawberry.field(description="Why.")
    message: str | None = strawberry.field(description="More about it, as a sentence for the writer.")
    data: strawberry.Private[dict[str, Any]]

    @strawberry.field(description="The message that it wrote; null for a chapter.")
    async def answer(self, info: Info) -> LazyMessage | None:
        return await _answer(info, self.data.get("answer"))

    @strawberry.field(description="The text so far; null when there was none.")
    async def version(self, info: Info) -> LazyVersion | None:
        return await _version(info, self.data.get("version"))


@strawberry.type(description="The job is done. The stream ends. A generation's ends as `GenerationCompleted` says.")
class JobSucceeded(JobEvent):
    pass


@strawberry.type(description="The job ended without a result. The stream ends. A generation's has `GenerationFailed`.")
class JobFailed(JobEvent):
    code: str = strawberry.field(description="What went wrong, as a code.")
    message: str = strawberry.field(description="What went wrong, as a sentence for people.")


@strawberry.type(
    description="The job was stopped on request. The stream ends. A generation's has `GenerationCancelled`."
)
class JobCancelled(JobEvent):
    pass


@strawberry.type(
    description="Your right to watch has ended; the work goes on. Repeats `seq` and `cursor` of the last event: resume there."
)
class StreamRevoked(GenerationEvent, JobEvent):
    code: ErrorCode = strawberry.field(description="UNAUTHENTICATED or FORBIDDEN.")
    message: str = strawberry.field(description="Why.")


EVENT_TYPES = [
    GenerationStartedEvent, ContextReceiptReady, TextDelta, ReasoningDelta, JobProgress, AttemptSwitched, StreamReset,
    StreamSnapshot, MeterTick, CitationAdded, GenerationCompleted, GenerationFailed, GenerationCancelled, GenerationTruncated,
    JobSucceeded, JobFailed, JobCancelled, StreamRevoked,
]  # fmt: skip

Read = Callable[[Event], Any]


@dataclass(frozen=True)
class Shape:
    """How an event becomes its GraphQL type: what each field of the constructor is read from.

    The stream encoder reads only the fields that a document selects, and makes no object.
    """

    type: type
    read: dict[str, Read]


def _datum(key: str, convert: Callable[[Any], Any] | None = None) -> Read:
    return (lambda event: event.data[key]) if convert is None else lambda event: convert(event.data[key])


def _shape(type_: type, **read: Read) -> Shape:
    place = {name: attrgetter(name) for name in ("seq", "cursor", "at")}
    return Shape(type_, place | read)


SHAPES: dict[EventType, Shape] = {
    EventType.STARTED: _shape(
        GenerationStartedEvent, attempt=_datum("attempt"), model=_datum("model"), channel=_datum("channel")
    ),
    EventType.CONTEXT: _shape(ContextReceiptReady, prompt_tokens=_datum("promptTokens")),
    EventType.DELTA: _shape(TextDelta, text=_datum("text")),
    EventType.REASONING: _shape(ReasoningDelta, text=_datum("text")),
    EventType.PROGRESS: _shape(JobProgress, progress=_datum("progress"), note=_datum("note")),
    EventType.SWITCHED: _shape(
        AttemptSwitched, attempt=_datum("attempt"), channel=_datum("channel"), reason=_datum("reason")
    ),
    EventType.RESET: _shape(StreamReset, attempt=_datum("attempt"), reason=_datum("reason")),
    EventType.SNAPSHOT: _shape(StreamSnapshot, attempt=_datum("attempt"), text=_datum("text")),
    EventType.METER: _shape(
        MeterTick, held=_datum("held", money), accrued=_datum("accrued", money), left=_datum("left", money)
    ),
    EventType.CITATION: _shape(
        CitationAdded, index=_datum("index"), marker=_datum("marker"), quote=_datum("quote"), data=attrgetter("data")
    ),
    EventType.COMPLETED: _shape(GenerationCompleted, data=attrgetter("data")),
    EventType.FAILED: _shape(GenerationFailed, code=_datum("code"), message=_datum("message")),
    EventType.CANCELLED: _shape(GenerationCancelled, data=attrgetter("data")),
    EventType.TRUNCATED: _shape(
        GenerationTruncated,
        reason=_datum("reason", TruncationReason),
        message=lambda event: event.data.get("message"),
        data=attrgetter("data"),
    ),
    EventType.JOB_SUCCEEDED: _shape(JobSucceeded),
    EventType.JOB_FAILED: _shape(JobFailed, code=_datum("code"), message=_datum("message")),
    EventType.JOB_CANCELLED: _shape(JobCancelled),
    EventType.REVOKED: _shape(StreamRevoked, code=_datum("code", ErrorCode), message=_datum("message")),
}


def to_graphql(event: Event) -> Any:
    """A domain event as its GraphQL type."""
    shape = SHAPES[event.type]
    return shape.type(**{name: read(event) for name, read in shape.read.items()})


EventT = TypeVar("EventT", bound=StreamEvent)
First = Annotated[int, strawberry.argument(description="How many, 1 to 1,000.")]


@strawberry.type(name="Page", description="A stretch of a stream, for polling.")
class EventPage(Generic[EventT]):
    events: list[EventT] = strawberry.field(description="Oldest first.")
    end_cursor: str | None = strawberry.field(description="The cursor to continue after.")
    has_more: bool = strawberry.field(description="Whether more can be read now.")


def event_page(page: tuple[list[Event], bool]) -> EventPage[Any]:
    events, has_more = page
    return EventPage(
        events=[to_graphql(event) for event in events],
        end_cursor=events[-1].cursor if events else None,
        has_more=has_more,
    )
