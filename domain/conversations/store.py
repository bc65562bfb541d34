"""What the conversations room asks of persistence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.conversations.entities import (
    Citation,
    Conversation,
    ConversationGroup,
    ConversationShare,
    Message,
)
from domain.conversations.passages import Passage
from domain.ids import ChunkId, ConversationId, GroupId, JobId, MessageId, ShareId, UserId


class ConversationStore(Protocol):
    async def add(self, row: Conversation | ConversationGroup | Message | Citation | ConversationShare) -> None: ...
    async def conversation(
        self, conversation_id: ConversationId, *, lock: bool = False, deleted: bool = False
    ) -> Conversation | None: ...
    async def group(self, group_id: GroupId, *, lock: bool = False) -> ConversationGroup | None: ...
    async def groups(self, owner_id: UserId) -> list[ConversationGroup]:
        """In order. Two who change them at once take turns."""
        ...

    async def delete_group(self, group: ConversationGroup) -> None:
        """Its conversations stand in no group then."""
        ...

    async def message(self, message_id: MessageId, *, lock: bool = False) -> Message | None: ...
    async def path(self, leaf_id: MessageId) -> list[Message]:
        """From the root to the leaf."""
        ...

    async def newest_leaf(self, message_id: MessageId) -> MessageId:
        """Down from a message, always to the newest answer, to where nothing follows."""
        ...

    async def below(self, message_id: MessageId) -> list[MessageId]:
        """The message and everything that follows it, on every path."""
        ...

    async def all_of(self, conversation_id: ConversationId) -> list[MessageId]: ...
    async def any_written(self, ids: Sequence[MessageId]) -> bool:
        """Whether an answer, a title or a summary at one of these messages has not ended."""
        ...

    async def blank(self, ids: Sequence[MessageId]) -> None:
        """Delete messages with all that was said: their texts, prompts, evidence, citations and links."""
        ...

    async def deleted_before(self, moment: datetime, most: int) -> list[Conversation]:
        """Conversations, locked, that were deleted before it and are not yet purged, the oldest first."""
        ...

    async def writing(self, conversation: Conversation) -> list[JobId]:
        """Jobs that have not ended: of its answers, its title, its summary."""
        ...

    async def sources(self, chunk_ids: Sequence[ChunkId]) -> dict[ChunkId, str]:
        """What stands in the documents where these chunks are, whatever the chunks themselves were edited to."""
        ...

    async def keep_evidence(self, job_id: JobId, passages: Sequence[Passage]) -> None:
        """What a job was given to stand on, for whoever asks later."""
        ...

    async def mark_used(self, job_id: JobId, aliases: Sequence[str]) -> None:
        """Of a job's evidence, what the answer refers to."""
        ...

    async def shares(self, conversation_id: ConversationId) -> list[ConversationShare]: ...
    async def share(self, share_id: ShareId) -> ConversationShare | None: ...
    async def share_of(self, token_hash: bytes) -> ConversationShare | None: ...
