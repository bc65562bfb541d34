"""Types of the conversations room: conversations, messages, citations, links to read along."""

from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from domain.conversations import entities as domain
from domain.conversations.context import Gauge
from domain.conversations.entities import MessageRole, MessageState, PartType
from domain.conversations.policy import ContextPolicy as Policy
from domain.conversations.sending import DEPTH_MAX, gauge_of
from domain.errors import ErrorCode, Rejected
from domain.feeds import feed_cursor
from domain.ids import ConversationId
from domain.knowledge.policies import RetrievalTrigger
from persistence.conversations import reads
from persistence.generation import reads as generation_reads
from schema.accounts import User
from schema.assistants.types import Assistant, AssistantVersion
from schema.base import Connection, Node, TokenCount, described_enum, mapped
from schema.batched import Call, batched, found, id_of, ids_of, needs, paged, reference
from schema.context import Info
from schema.cost import Cost, ListSize
from schema.ids import encode_id
from schema.knowledge.types import Document, TextSpan

if TYPE_CHECKING:
    from schema.generation import Generation

LazyMessage = Annotated["Message", strawberry.lazy("schema.conversations.types")]
LazyConversation = Annotated["Conversation", strawberry.lazy("schema.conversations.types")]
LazyGeneration = Annotated["Generation", strawberry.lazy("schema.generation")]

described_enum(
    MessageRole,
    USER="The author.",
    ASSISTANT="The model that answers.",
    SYSTEM="Instructions to the model.",
    TOOL="What a tool gave back.",
)
described_enum(
    MessageState,
    PENDING="Waits for a worker.",
    STREAMING="Being written.",
    COMPLETE="Whole.",
    CANCELLED="Stopped on request; the text so far is kept.",
    TRUNCATED="Ended before the model was done; the text so far is kept.",
    FAILED="Ended without a text.",
)
described_enum(
    PartType,
    TEXT="Words.",
    IMAGE="A picture, by its file.",
    TOOL_CALL="A tool that a model asks for.",
    TOOL_RESULT="What a tool gave back.",
)


@mapped(
    domain.Citation,
    rank="Its place in the answer, from 1.",
    marker="The number that the answer shows.",
    quote="The words of the document, as they stand there.",
)
class Citation(Node):
    """A mark in an answer, and the words of a document that it stands for."""

    @strawberry.field(
        description="Where the mark stands in the message's text.", metadata=needs("start_char", "end_char")
    )
    def place(self) -> TextSpan:
        return TextSpan(start=self.start_char, end=self.end_char)

    @strawberry.field(
        description="Where the quote stands in the document's text.", metadata=needs("span_start", "span_end")
    )
    def span(self) -> TextSpan:
        return TextSpan(start=self.span_start, end=self.span_end)

    document: Document | None = found(
        "Document", attrgetter("document_id"), description="The document that it quotes; null once it is deleted.",
        metadata=needs("document_id"),
    )  # fmt: skip

    @strawberry.field(
        description="The chunk that was found. It may be gone: documents are cut anew.",
        metadata=id_of("Chunk", "chunk_id"),
    )
    def chunk_id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Chunk", self.chunk_id))


@strawberry.type(description="A part of a message.", directives=[Cost(weight=0)])
class MessagePart:
    type: PartType = strawberry.field(description="What it is.")
    text: str = strawberry.field(description="Its words; of an image, what is said of it.")
    file_id: strawberry.ID | None = strawberry.field(default=None, description="The file of an image.")


def parts_of(message: Any) -> list[MessagePart]:
    return [
        MessagePart(
            type=PartType(one["type"]), text=one.get("text", ""),
            file_id=strawberry.ID(encode_id("File", UUID(one["file_id"]))) if one.get("file_id") else None,
        )
        for one in message.parts
    ]  # fmt: skip


@mapped(
    domain.Message,
    depth="How many messages stand above it.",
    created_at="When it was sent, or asked for.",
)
class Message(Node):
    """A message of a conversation, which is a tree: what was edited, or answered again, stands beside what was there."""

    role: MessageRole = strawberry.field(description="Who says it.")
    state: MessageState = strawberry.field(description="How far it is.")

    @batched(
        description="Its words; of one that is being written, those so far, at most a second old.",
        columns=("text", "state", "generation_id"),
    )
    async def text(messages: list[Any], info: Info) -> list[str]:
        streaming = [one.generation_id for one in messages if one.state == MessageState.STREAMING and one.generation_id]
        texts: list[Any] = []
        if streaming:
            texts = await info.context.reads.values(generation_reads.TEXTS, "text", streaming)
        so_far = dict(zip(streaming, texts, strict=True))
        return [so_far.get(one.generation_id) or one.text for one in messages]

    @strawberry.field(description="What it is made of, in order.", metadata=needs("parts"))
    def parts(self) -> list[MessagePart]:
        return parts_of(self)

    @strawberry.field(
        description="The message that it follows; null at the root.", metadata=id_of("Message", "parent_id")
    )
    def parent_id(self) -> strawberry.ID | None:
        return strawberry.ID(encode_id("Message", self.parent_id)) if self.parent_id else None

    @strawberry.field(
        description="The message that it says otherwise; null for one that is no edit.",
        metadata=id_of("Message", "edited_from_id"),
    )
    def edited_from_id(self) -> strawberry.ID | None:
        return strawberry.ID(encode_id("Message", self.edited_from_id)) if self.edited_from_id else None

    conversation: LazyConversation = found(
        "Conversation", attrgetter("conversation_id"), description="The conversation.",
        metadata=needs("conversation_id"),
    )  # fmt: skip
    generation: LazyGeneration | None = found(
        "Generation", attrgetter("generation_id"), description="What writes it; null for an author's words.",
        metadata=needs("generation_id"),
    )  # fmt: skip

    @batched(
        description="What it cites, in the order of its marks.", columns=("id",), directives=[ListSize(assumed_size=5)]
    )
    async def citations(messages: list[Any], info: Info) -> list[list[Citation]]:
        return await info.context.reads.lists(reads.CITATIONS, "message_id", ids_of(messages))

    @batched(description="How many messages have the same parent, itself among them.", columns=("id",))
    async def sibling_count(messages: list[Any], info: Info) -> list[int]:
        counts = await info.context.reads.values(reads.SIBLING_COUNTS, "count", ids_of(messages))
        return [count or 1 for count in counts]

    @batched(description="Which of them it is, from 1, the oldest first.", columns=("id",))
    async def sibling_place(messages: list[Any], info: Info) -> list[int]:
        places = await info.context.reads.values(reads.SIBLING_COUNTS, "place", ids_of(messages))
        return [place or 1 for place in places]

    @batched(
        description="The messages that have the same parent, itself among them, oldest first.", columns=("id",),
        directives=[ListSize(assumed_size=3)],
    )  # fmt: skip
    async def siblings(messages: list[Any], info: Info) -> list[list[LazyMessage]]:
        return [
            [_sibling(row) for row in rows]
            for rows in await info.context.reads.lists(reads.SIBLINGS, "id", ids_of(messages))
        ]


def _sibling(row: Any) -> domain.Message:
    names = ("id", "conversation_id", "parent_id", "depth", "role", "text", "parts", "state", "generation_id",
             "edited_from_id", "created_at")  # fmt: skip
    return domain.Message(tenant_id=row.near_id, **{name: row[f"near_{name}"] for name in names})


@mapped(
    domain.ConversationGroup,
    name="Its name.",
    position="Sorts the groups, by bytes.",
    created_at="When it was made.",
)
class ConversationGroup(Node):
    """A shelf for conversations."""


@mapped(
    domain.ConversationShare,
    created_at="When it was made.",
    expires_at="When it ends by itself.",
    revoked_at="When it was taken back; null while it was not.",
)
class ConversationShare(Node):
    """A link that lets anybody who has it read one path of a conversation. Its token is shown once, when it is made."""

    author: User | None = reference("User", "created_by", description="Who made it; null when he has left the tenant.")

    @strawberry.field(description="The last message that it shows.", metadata=id_of("Message", "leaf_id"))
    def leaf_id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Message", self.leaf_id))


@strawberry.type(
    description="What of a conversation a model is told, and when passages are looked up.", directives=[Cost(weight=0)]
)
class ContextPolicy:
    last_messages: int | None = strawberry.field(description="Only so many of the newest; null for as many as fit.")
    max_tokens: TokenCount | None = strawberry.field(
        description="The longest prompt; null for what the model's window allows."
    )
    summarize: bool = strawberry.field(description="Whether a summary stands for what is too old to fit.")
    retrieval: RetrievalTrigger = strawberry.field(description="When passages are looked up.")
    passages: int = strawberry.field(description="How many are looked up.")


@strawberry.type(description="How full the model's window is before the next message.", directives=[Cost(weight=0)])
class ContextGauge:
    used_tokens: TokenCount = strawberry.field(description="What the conversation takes.")
    window_tokens: TokenCount = strawberry.field(description="What there is, without the room for an answer.")
    summarized: bool = strawberry.field(description="Whether a summary stands for the oldest messages.")
    assistant_gone: bool = strawberry.field(
        description="Whether it goes on without the assistant that it was begun with, which you may not use any more."
    )


def _gauge(full: Gauge | None) -> ContextGauge | None:
    if full is None:
        return None
    return ContextGauge(
        used_tokens=TokenCount(full.used_tokens), window_tokens=TokenCount(full.window_tokens),
        summarized=full.summarized, assistant_gone=full.assistant_gone,
    )  # fmt: skip


LastMessages = Annotated[
    int,
    strawberry.argument(description=f"How many of the newest, 1 to {DEPTH_MAX:,} ({reads.PATH_DEFAULT} by default)."),
]


def check_last(last: int) -> int:
    if not 1 <= last <= DEPTH_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {DEPTH_MAX:,} at a time.", "last")
    return last


@mapped(
    domain.Conversation,
    title="Its title; empty until somebody, or a job after the first answer, has given it one.",
    topic="What it is about, in the author's words.",
    model="The model that answers; null for the usual one.",
    pinned="Whether it is kept on top.",
    created_at="When it was begun.",
    updated_at="When it last changed.",
    deleted_at="When it was deleted; null while it lives.",
)
class Conversation(Node):
    """A conversation with models. Nobody but who has begun it sees it."""

    group: ConversationGroup | None = found(
        "ConversationGroup", attrgetter("group_id"), description="The group that it stands in.",
        metadata=needs("group_id"),
    )  # fmt: skip

    @strawberry.field(description="The project that it belongs to.", metadata=id_of("Project", "project_id"))
    def project_id(self) -> strawberry.ID | None:
        return strawberry.ID(encode_id("Project", self.project_id)) if self.project_id else None

    @strawberry.field(description="The channel that answers; null for any.", metadata=id_of("Channel", "channel_id"))
    def channel_id(self) -> strawberry.ID | None:
        return strawberry.ID(encode_id("Channel", self.channel_id)) if self.channel_id else None

    @strawberry.field(
        description="The knowledge bases that passages are looked up in.", metadata=needs("knowledge_base_ids")
    )
    def knowledge_base_ids(self) -> list[strawberry.ID]:
        return [strawberry.ID(encode_id("KnowledgeBase", UUID(one))) for one in self.knowledge_base_ids]

    assistant_version: AssistantVersion | None = found(
        "AssistantVersion", attrgetter("assistant_version_id"), metadata=needs("assistant_version_id"),
        description="The version of an assistant that it was begun with, and keeps; null for none, or once you may not "
        "use it any more.",
    )  # fmt: skip

    @batched(
        description="The assistant that it was begun with; null for none, or once you may not use it any more.",
        columns=("assistant_version_id",),
    )
    async def assistant(conversations: list[Any], info: Info) -> list[Assistant | None]:
        pinned = [one.assistant_version_id for one in conversations]
        versions = await info.context.reads.many("AssistantVersion", pinned)
        ids = [one.assistant_id if one is not None else None for one in versions]
        return await info.context.reads.many("Assistant", ids)

    @strawberry.field(description="What of it a model is told.", metadata=needs("context_policy"))
    def context_policy(self) -> ContextPolicy:
        policy = Policy.of(self.context_policy)
        return ContextPolicy(
            last_messages=policy.last_messages, summarize=policy.summarize, retrieval=policy.retrieval,
            max_tokens=TokenCount(policy.max_tokens) if policy.max_tokens is not None else None,
            passages=policy.passages,
        )  # fmt: skip

    @strawberry.field(
        description="Where its events end, as of this answer: the `after` of `conversationEvents` that repeats nothing "
        "old and misses nothing new.",
        metadata=needs("id", "feed_end"),
    )
    def events_cursor(self) -> str:
        return feed_cursor(self.id, self.feed_end or 0)

    @batched(
        description="How full the window of the likeliest model is; null where no channel is set up.",
        columns=("id",), directives=[Cost(weight=10)],
    )  # fmt: skip
    async def context(conversations: list[Any], info: Info) -> list[ContextGauge | None]:
        actor = info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            return [_gauge(await gauge_of(uow, actor, ConversationId(one.id))) for one in conversations]

    @batched(
        description="From the root to the active leaf; the newest of it where it is long.", columns=("id",),
        directives=[ListSize(assumed_size=reads.PATH_DEFAULT)],
    )  # fmt: skip
    async def active_path(
        conversations: list[Any], info: Info, last: LastMessages = reads.PATH_DEFAULT
    ) -> list[list[Message]]:
        return await info.context.reads.lists(
            reads.PATHS, "conversation_id", ids_of(conversations), last=check_last(last)
        )

    @paged(Connection[Message], "Message", description="Every message of the tree, oldest first.")
    def messages() -> Call:
        return Call(reads.MESSAGES)

    @batched(
        description="The links to read along that were made, also those that have ended.", columns=("id",),
        directives=[ListSize(assumed_size=5)],
    )  # fmt: skip
    async def shares(conversations: list[Any], info: Info) -> list[list[ConversationShare]]:
        return await info.context.reads.lists(reads.SHARES, "conversation_id", ids_of(conversations))


@strawberry.type(description="A message that a search has found.")
class MessageHit:
    snippet: str = strawberry.field(description="Where it was found; the words sought stand between « and ».")
    message_id: strawberry.Private[Any]
    conversation_id: strawberry.Private[Any]

    message: Message = found("Message", attrgetter("message_id"), description="The message.")
    conversation: Conversation = found("Conversation", attrgetter("conversation_id"), description="Its conversation.")


@strawberry.type(description="A citation as somebody who was sent a link sees it.", directives=[Cost(weight=0)])
class SharedCitation:
    marker: int = strawberry.field(description="The number that the answer shows.")
    quote: str = strawberry.field(description="The words of the document.")
    document_title: str = strawberry.field(description="The document's title.")


@strawberry.type(description="A message as somebody who was sent a link sees it.")
class SharedMessage:
    role: MessageRole = strawberry.field(description="Who says it.")
    state: MessageState = strawberry.field(description="How far it is.")
    text: str = strawberry.field(description="Its words.")
    citations: list[SharedCitation] = strawberry.field(description="What it cites.")


@strawberry.type(
    description="One path of a conversation, for whoever has the link. Nothing in it leads to anything else."
)
class SharedConversation:
    title: str = strawberry.field(description="Its title.")
    expires_at: datetime = strawberry.field(description="When the link ends by itself.")
    messages: list[SharedMessage] = strawberry.field(
        description="Down to the leaf that was shared, from the root where `last` suffices.",
        directives=[ListSize(assumed_size=reads.PATH_DEFAULT)],
    )
