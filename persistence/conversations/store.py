"""The conversations room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Executable,
    Integer,
    Select,
    Uuid,
    any_,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    true,
    update,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.conversations.entities import Citation, Conversation, ConversationGroup, ConversationShare, Message
from domain.conversations.passages import Passage
from domain.ids import ChunkId, ConversationId, GroupId, JobId, MessageId, ShareId, TenantId, UserId
from persistence.conversations.tables import (
    citations,
    conversation_groups,
    conversation_shares,
    conversations,
    messages,
)
from persistence.generation.tables import attempts, generations
from persistence.jobs.tables import jobs
from persistence.knowledge.search_tables import knowledge_evidence
from persistence.knowledge.tables import knowledge_chunks, knowledge_documents

_LOCK_GROUPS = text("select pg_advisory_xact_lock(hashtextextended('fabula.groups:' || :owner, 0))")


def _ids(ids: Sequence[MessageId]) -> ColumnElement[Any]:
    """One parameter, however many there are."""
    return cast(list(ids), ARRAY(Uuid))


class SqlConversations:
    """Implements `domain.conversations.store.ConversationStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, row: Conversation | ConversationGroup | Message | Citation | ConversationShare) -> None:
        self._session.add(row)
        await self._session.flush()

    async def conversation(
        self, conversation_id: ConversationId, *, lock: bool = False, deleted: bool = False
    ) -> Conversation | None:
        key = (self._tenant_id, conversation_id)
        found = await self._session.get(Conversation, key, with_for_update=lock, populate_existing=lock)
        if found is None or found.purged_at is not None:
            return None
        return found if deleted or found.deleted_at is None else None

    # -- groups ---------------------------------------------------------------------------------------------------

    async def group(self, group_id: GroupId, *, lock: bool = False) -> ConversationGroup | None:
        key = (self._tenant_id, group_id)
        return await self._session.get(ConversationGroup, key, with_for_update=lock, populate_existing=lock)

    async def groups(self, owner_id: UserId) -> list[ConversationGroup]:
        await self._session.execute(_LOCK_GROUPS, {"owner": f"{self._tenant_id}:{owner_id}"})
        group = conversation_groups.c
        found = await self._session.scalars(
            select(ConversationGroup)
            .where(group.tenant_id == self._tenant_id, group.owner_id == owner_id)
            .order_by(group.position, group.id)
            .execution_options(populate_existing=True)
        )
        return list(found)

    async def delete_group(self, group: ConversationGroup) -> None:
        mine = (conversations.c.tenant_id == self._tenant_id, conversations.c.group_id == group.id)
        await self._session.execute(update(conversations).where(*mine).values(group_id=None))
        own = (conversation_groups.c.tenant_id == self._tenant_id, conversation_groups.c.id == group.id)
        await self._session.execute(delete(conversation_groups).where(*own))

    # -- messages -------------------------------------------------------------------------------------------------

    async def message(self, message_id: MessageId, *, lock: bool = False) -> Message | None:
        key = (self._tenant_id, message_id)
        found = await self._session.get(Message, key, with_for_update=lock, populate_existing=lock)
        return found if found is not None and found.deleted_at is None else None

    async def path(self, leaf_id: MessageId) -> list[Message]:
        found = await self._session.scalars(
            select(Message)
            .where(messages.c.tenant_id == self._tenant_id, messages.c.id.in_(self._upwards(leaf_id)))
            .order_by(messages.c.depth)
        )
        return list(found)

    def _upwards(self, leaf_id: MessageId) -> Select[Any]:
        own = messages.c.tenant_id == self._tenant_id
        leaf = select(messages.c.id, messages.c.parent_id).where(own, messages.c.id == leaf_id)
        path = leaf.cte("path", recursive=True)
        parent = aliased(messages)
        above = select(parent.c.id, parent.c.parent_id).where(
            parent.c.tenant_id == self._tenant_id, parent.c.id == path.c.parent_id
        )
        return select(path.union_all(above).c.id)

    async def newest_leaf(self, message_id: MessageId) -> MessageId:
        down = select(cast(message_id, Uuid).label("id"), cast(0, Integer).label("step")).cte("down", recursive=True)
        child = aliased(messages)
        newest = (
            select(child.c.id)
            .where(child.c.tenant_id == self._tenant_id, child.c.parent_id == down.c.id, child.c.deleted_at.is_(None))
            .order_by(child.c.id.desc())
            .limit(1)
            .lateral("newest")
        )
        way = down.union_all(select(newest.c.id, down.c.step + 1).select_from(down.join(newest, true())))
        found = await self._session.scalar(select(way.c.id).order_by(way.c.step.desc()).limit(1))
        return MessageId(found or message_id)

    async def below(self, message_id: MessageId) -> list[MessageId]:
        own = messages.c.tenant_id == self._tenant_id
        down = select(messages.c.id).where(own, messages.c.id == message_id).cte("down", recursive=True)
        child = aliased(messages)
        following = select(child.c.id).where(child.c.tenant_id == self._tenant_id, child.c.parent_id == down.c.id)
        return [MessageId(one) for one in await self._session.scalars(select(down.union_all(following).c.id))]

    async def all_of(self, conversation_id: ConversationId) -> list[MessageId]:
        mine = messages.c.tenant_id == self._tenant_id, messages.c.conversation_id == conversation_id
        return [MessageId(one) for one in await self._session.scalars(select(messages.c.id).where(*mine))]

    async def any_written(self, ids: Sequence[MessageId]) -> bool:
        unended = select(generations.c.id).where(*self._written_at(ids), generations.c.finished_at.is_(None))
        return bool(await self._session.scalar(select(unended.exists())))

    async def blank(self, ids: Sequence[MessageId]) -> None:
        own, listed = self._tenant_id, list(ids)
        changes: list[Executable] = [
            update(messages)
            .where(messages.c.tenant_id == own, messages.c.id == any_(_ids(listed)))
            .values(text="", parts=[], deleted_at=func.now()),
            delete(citations).where(citations.c.tenant_id == own, citations.c.message_id == any_(_ids(listed))),
            update(conversation_shares)
            .where(conversation_shares.c.tenant_id == own, conversation_shares.c.leaf_id == any_(_ids(listed)))
            .where(conversation_shares.c.revoked_at.is_(None))
            .values(revoked_at=func.now()),
            update(attempts)
            .where(attempts.c.tenant_id == own)
            .where(attempts.c.generation_id.in_(select(generations.c.id).where(*self._written_at(ids))))
            .values(text=""),
            delete(knowledge_evidence)
            .where(knowledge_evidence.c.tenant_id == own)
            .where(knowledge_evidence.c.job_id.in_(select(generations.c.job_id).where(*self._written_at(ids)))),
            update(generations)
            .where(*self._written_at(ids))
            .values(
                instructions="", prompt=[], evidence=[],
                receipt=generations.c.receipt.op("||")(cast({"items": []}, JSONB)),
            ),
        ]  # fmt: skip
        await self._session.flush()
        for change in changes:
            await self._session.execute(change, execution_options={"synchronize_session": False})

    def _written_at(self, ids: Sequence[MessageId]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return generations.c.tenant_id == self._tenant_id, generations.c.message_id == any_(_ids(ids))

    async def deleted_before(self, moment: datetime, most: int) -> list[Conversation]:
        talk = conversations.c
        found = await self._session.scalars(
            select(Conversation)
            .where(talk.tenant_id == self._tenant_id, talk.deleted_at < moment, talk.purged_at.is_(None))
            .order_by(talk.deleted_at)
            .limit(most)
            .with_for_update()
        )
        return list(found)

    async def writing(self, conversation: Conversation) -> list[JobId]:
        of_answers = (
            select(generations.c.job_id)
            .join(messages, (messages.c.tenant_id == generations.c.tenant_id) & (messages.c.generation_id == generations.c.id))
            .where(
                messages.c.tenant_id == self._tenant_id, messages.c.conversation_id == conversation.id,
                messages.c.state.in_(["PENDING", "STREAMING"]),
            )
        )  # fmt: skip
        chores = [one for one in (conversation.title_job_id, conversation.summary_job_id) if one is not None]
        found = await self._session.scalars(
            select(jobs.c.id)
            .where(jobs.c.tenant_id == self._tenant_id, jobs.c.id.in_(of_answers) | jobs.c.id.in_(chores))
            .where(jobs.c.finished_at.is_(None))
            .order_by(jobs.c.id)
        )
        return [JobId(one) for one in found]

    async def sources(self, chunk_ids: Sequence[ChunkId]) -> dict[ChunkId, str]:
        chunk, document = knowledge_chunks.c, knowledge_documents.c
        length = chunk.end_char - chunk.start_char
        rows = await self._session.execute(
            select(chunk.id, func.substr(document.text, chunk.start_char + 1, length))
            .join(
                knowledge_documents, (document.tenant_id == chunk.tenant_id) & (document.id == chunk.document_id)
            )
            .where(chunk.tenant_id == self._tenant_id, chunk.id.in_(chunk_ids), document.deleted_at.is_(None))
        )  # fmt: skip
        return {ChunkId(id_): source for id_, source in rows}

    async def keep_evidence(self, job_id: JobId, passages: Sequence[Passage]) -> None:
        rows = [
            {
                "tenant_id": self._tenant_id, "job_id": job_id, "alias": one.label, "place": one.alias,
                "chunk_id": one.chunk_id, "document_id": one.document_id, "quote": one.source, "start_char": one.start,
                "end_char": one.start + len(one.source),
            }
            for one in passages
        ]  # fmt: skip
        if rows:
            await self._session.execute(insert(knowledge_evidence), rows)

    async def mark_used(self, job_id: JobId, aliases: Sequence[str]) -> None:
        evidence = knowledge_evidence.c
        mine = (evidence.tenant_id == self._tenant_id, evidence.job_id == job_id, evidence.alias.in_(aliases))
        await self._session.execute(update(knowledge_evidence).where(*mine).values(used=True))

    # -- shares ---------------------------------------------------------------------------------------------------

    async def shares(self, conversation_id: ConversationId) -> list[ConversationShare]:
        found = await self._session.scalars(
            select(ConversationShare).where(
                conversation_shares.c.tenant_id == self._tenant_id,
                conversation_shares.c.conversation_id == conversation_id,
            )
        )
        return list(found)

    async def share(self, share_id: ShareId) -> ConversationShare | None:
        return await self._session.get(ConversationShare, (self._tenant_id, share_id))

    async def share_of(self, token_hash: bytes) -> ConversationShare | None:
        return await self._session.scalar(
            select(ConversationShare).where(
                conversation_shares.c.tenant_id == self._tenant_id, conversation_shares.c.token_hash == token_hash
            )
        )
