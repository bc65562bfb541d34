"""The conversations room, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from domain.conversations.entities import Citation, Conversation, ConversationGroup, ConversationShare, Message
from domain.conversations.passages import Passage
from domain.ids import ChunkId, ConversationId, GroupId, JobId, MessageId, ShareId, UserId
from tests.domain.memory.generation import MemoryGeneration


class MemoryConversations:
    """Implements `domain.conversations.store.ConversationStore`."""

    def __init__(self, generation: MemoryGeneration) -> None:
        self._generation = generation
        self.conversations: dict[ConversationId, Conversation] = {}
        self.rows: dict[GroupId, ConversationGroup] = {}
        self.messages: dict[MessageId, Message] = {}
        self.citations: list[Citation] = []
        self.links: dict[ShareId, ConversationShare] = {}
        self.documents: dict[ChunkId, str] = {}
        self.evidence: dict[tuple[JobId, str], bool] = {}

    async def add(self, row: Conversation | ConversationGroup | Message | Citation | ConversationShare) -> None:
        match row:
            case Conversation():
                self.conversations[row.id] = row
            case ConversationGroup():
                self.rows[row.id] = row
            case Message():
                if (row.depth == 0) != (row.parent_id is None) or row.depth < 0:
                    raise ValueError("messages_depth_check")
                self.messages[row.id] = row
            case Citation():
                if any((one.message_id, one.rank) == (row.message_id, row.rank) for one in self.citations):
                    raise ValueError("citations_tenant_id_message_id_rank_idx")
                self.citations.append(row)
            case ConversationShare():
                self.links[row.id] = row

    async def conversation(
        self, conversation_id: ConversationId, *, lock: bool = False, deleted: bool = False
    ) -> Conversation | None:
        found = self.conversations.get(conversation_id)
        return found if found is not None and (deleted or found.deleted_at is None) else None

    async def group(self, group_id: GroupId, *, lock: bool = False) -> ConversationGroup | None:
        return self.rows.get(group_id)

    async def groups(self, owner_id: UserId) -> list[ConversationGroup]:
        own = [one for one in self.rows.values() if one.owner_id == owner_id]
        return sorted(own, key=lambda one: (one.position, one.id))

    async def delete_group(self, group: ConversationGroup) -> None:
        del self.rows[group.id]
        for one in self.conversations.values():
            if one.group_id == group.id:
                one.group_id = None

    async def message(self, message_id: MessageId, *, lock: bool = False) -> Message | None:
        found = self.messages.get(message_id)
        return found if found is not None and found.deleted_at is None else None

    async def path(self, leaf_id: MessageId) -> list[Message]:
        path: list[Message] = []
        at: MessageId | None = leaf_id
        while at is not None:
            path.insert(0, self.messages[at])
            at = self.messages[at].parent_id
        return path

    async def newest_leaf(self, message_id: MessageId) -> MessageId:
        while below := [one.id for one in self.messages.values() if one.parent_id == message_id]:
            message_id = max(below)
        return message_id

    async def below(self, message_id: MessageId) -> list[MessageId]:
        found = [message_id]
        for one in found:
            found += [each.id for each in self.messages.values() if each.parent_id == one]
        return found

    async def all_of(self, conversation_id: ConversationId) -> list[MessageId]:
        return [one.id for one in self.messages.values() if one.conversation_id == conversation_id]

    async def any_written(self, ids: Sequence[MessageId]) -> bool:
        return any(one.message_id in ids and one.finished_at is None for one in self._generation.generations.values())

    async def blank(self, ids: Sequence[MessageId]) -> None:
        self.citations = [one for one in self.citations if one.message_id not in ids]
        for id_ in ids:
            message = self.messages[id_]
            message.text, message.parts, message.deleted_at = "", [], datetime.now(UTC)
        for generation in self._generation.generations.values():
            if generation.message_id in ids:
                generation.instructions, generation.prompt, generation.evidence = "", [], []

    async def deleted_before(self, moment: datetime, most: int) -> list[Conversation]:
        old = [one for one in self.conversations.values() if one.deleted_at and one.deleted_at < moment]
        return [one for one in old if one.purged_at is None][:most]

    async def writing(self, conversation: Conversation) -> list[JobId]:
        ids = await self.all_of(conversation.id)
        made = self._generation.generations.values()
        return [one.job_id for one in made if one.message_id in ids and one.finished_at is None]

    async def sources(self, chunk_ids: Sequence[ChunkId]) -> dict[ChunkId, str]:
        return {one: self.documents[one] for one in chunk_ids if one in self.documents}

    async def keep_evidence(self, job_id: JobId, passages: Sequence[Passage]) -> None:
        self.evidence |= {(job_id, one.label): False for one in passages}

    async def mark_used(self, job_id: JobId, aliases: Sequence[str]) -> None:
        self.evidence |= {(job_id, one): True for one in aliases}

    async def shares(self, conversation_id: ConversationId) -> list[ConversationShare]:
        return [one for one in self.links.values() if one.conversation_id == conversation_id]

    async def share(self, share_id: ShareId) -> ConversationShare | None:
        return self.links.get(share_id)

    async def share_of(self, token_hash: bytes) -> ConversationShare | None:
        return next((one for one in self.links.values() if one.token_hash == token_hash), None)
