"""Lists, search, export, and what happens to a conversation."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import strawberry

from domain.conversations.exporting import as_json, as_markdown, beginning, by_message
from domain.conversations.sending import DEPTH_MAX
from domain.errors import NotFound
from domain.text import cjk_runs, clean_filter, clean_line, excerpt
from persistence.conversations import reads
from persistence.listing import contains
from resolvers.conversations.shelves import conversation_id_of
from resolvers.event_source.feed_rows import feed_events
from schema.base import Connection
from schema.batched import After, Call, First, columns_of
from schema.context import Context, Info
from schema.conversations.events import ConversationEvent, conversation_event
from schema.conversations.inputs import ConversationExport, ConversationFilter, ExportFormat
from schema.conversations.types import Conversation, ConversationGroup, MessageHit
from schema.cost import Cost, ListSize
from schema.ids import decode_id, decode_optional

EXPORT_BYTES_MAX = 5_000_000
"""Of text, about."""

ConversationId = Annotated[strawberry.ID, strawberry.argument(description="The conversation.")]


@strawberry.type
class ConversationQueries:
    @strawberry.field(description="One of your conversations; null when it is missing or not yours.")
    async def conversation(self, info: Info, id: ConversationId) -> Conversation | None:
        value = decode_id("Conversation", id)
        return await info.context.reader().one("Conversation", value)  # type: ignore[no-any-return]

    @strawberry.field(description="Your conversations, the last changed first.")
    async def conversations(
        self, info: Info, first: First = 20, after: After = None,
        filter: Annotated[ConversationFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Connection[Conversation]:  # fmt: skip
        wanted = filter or ConversationFilter()
        named = clean_filter(wanted.query, "query")
        call = Call(
            reads.CONVERSATIONS,
            {
                "deleted" if wanted.deleted else "living": True,
                "group": decode_optional("ConversationGroup", wanted.group_id, "groupId"),
                "pinned": wanted.pinned,
                "named": contains(named) if named else None,
            },
        )
        columns = columns_of(info, "Conversation", "edges", "node")
        return await info.context.reader().listed(call, first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="Your groups, in your order; at most 200.", directives=[ListSize(assumed_size=20)])
    async def conversation_groups(self, info: Info) -> list[ConversationGroup]:
        return await info.context.reader().shaped(reads.GROUPS)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(
        description="Messages of your conversations that match, the newest first. Chinese and English.",
        directives=[Cost(weight=20)],
    )
    async def message_search(
        self, info: Info,
        query: Annotated[str, strawberry.argument(description="Words, or a phrase in quotes; up to 200 characters.")],
        first: First = 20, after: After = None,
    ) -> Connection[MessageHit]:  # fmt: skip
        sought = clean_line(query, "query", chars_max=reads.SEARCH_CHARS_MAX)
        cjk = cjk_runs(sought)
        reader, actor = info.context.reader(), info.context.actor
        statement, keyset = reads.search(actor.tenant_id, actor.user_id, sought, whole=bool(cjk))
        found = await reader.page(statement, keyset, first, after)  # type: ignore[attr-defined]
        for edge in found.edges:
            row = edge.node
            snippet = excerpt(row.snippet, cjk) if cjk else row.snippet
            edge.node = MessageHit(snippet=snippet, message_id=row.id, conversation_id=row.conversation_id)
        return found  # type: ignore[no-any-return]

    @strawberry.field(description="A conversation, written down.", directives=[Cost(weight=50)])
    async def conversation_export(
        self, info: Info, id: ConversationId,
        format: Annotated[ExportFormat, strawberry.argument(description="How.")] = ExportFormat.MARKDOWN,
    ) -> ConversationExport:  # fmt: skip
        reader, conversation_id = info.context.reader(), decode_id("Conversation", id)
        conversation = await reader.one("Conversation", conversation_id)
        if conversation is None:
            raise NotFound("The conversation", "id")
        if format is ExportFormat.MARKDOWN:
            [whole] = await reader.lists(reads.PATHS, "conversation_id", [conversation_id], last=DEPTH_MAX)
            path = beginning(whole, EXPORT_BYTES_MAX)
            return ConversationExport(
                file_name="conversation.md", mime="text/markdown", truncated=len(path) < len(whole),
                text=as_markdown(conversation, path, await _cited(info.context, path)),
            )  # fmt: skip
        messages = await reader.shaped(reads.TREE, conversation=conversation_id, most=EXPORT_BYTES_MAX)  # type: ignore[attr-defined]
        return ConversationExport(
            file_name="conversation.json", mime="application/json",
            truncated=bool(messages) and len(messages) < messages[0].total,
            text=as_json(conversation, messages, await _cited(info.context, messages)),
        )  # fmt: skip


async def _cited(context: Context, messages: Any) -> dict[Any, list[Any]]:
    return by_message(await context.reads.shaped(reads.CITED, ids=[one.id for one in messages]))  # type: ignore[attr-defined]


@strawberry.type
class ConversationSubscriptions:
    @strawberry.subscription(
        description="What happens to a conversation: messages come and end, and it changes. Text is streamed by "
        "`generationEvents`."
    )
    async def conversation_events(
        self, info: Info, id: ConversationId, after: After = None
    ) -> AsyncIterator[ConversationEvent]:
        conversation_id = conversation_id_of(id)
        reader = info.context.reader()

        async def may_watch() -> bool:
            return await reader.one("Conversation", conversation_id) is not None

        if not await may_watch():
            raise NotFound("The conversation", "id")
        async for event in feed_events(info.context, conversation_id, after, may_watch):
            info.context.reads.forget()
            yield conversation_event(event)
