"""What happens to a conversation."""

from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import strawberry

from domain.conversations.entities import TalkEvent
from domain.feeds import FeedEvent
from schema.batched import found
from schema.conversations.types import Conversation, Message
from schema.events import StreamEvent


@strawberry.interface(description="An event of a conversation.")
class ConversationEvent(StreamEvent):
    pass


@strawberry.type(description="Something was said, and its answer is going to be written.")
class MessageAdded(ConversationEvent):
    message_id: strawberry.Private[UUID]
    question_id: strawberry.Private[UUID]

    message: Message | None = found("Message", attrgetter("message_id"), description="The answer to be.")
    question: Message | None = found("Message", attrgetter("question_id"), description="What it answers.")


@strawberry.type(description="An answer has been written to its end.")
class MessageEnded(ConversationEvent):
    message_id: strawberry.Private[UUID]

    message: Message | None = found("Message", attrgetter("message_id"), description="The answer.")


@strawberry.type(
    description="The conversation itself has changed: its title, group, policy, active path, or that it lives."
)
class ConversationChanged(ConversationEvent):
    conversation_id: strawberry.Private[UUID]

    conversation: Conversation | None = found(
        "Conversation", attrgetter("conversation_id"), description="The conversation."
    )


CONVERSATION_EVENT_TYPES = [MessageAdded, MessageEnded, ConversationChanged]


def conversation_event(event: FeedEvent) -> Any:
    place = {"seq": event.seq, "cursor": event.cursor, "at": event.at or datetime.min}
    match TalkEvent(event.type):
        case TalkEvent.MESSAGE_ADDED:
            ids = {"message_id": UUID(event.data["message"]), "question_id": UUID(event.data["question"])}
            return MessageAdded(**place, **ids)  # type: ignore[arg-type]
        case TalkEvent.MESSAGE_ENDED:
            return MessageEnded(**place, message_id=UUID(event.data["message"]))  # type: ignore[arg-type]
        case TalkEvent.CHANGED:
            return ConversationChanged(**place, conversation_id=event.feed_id)  # type: ignore[arg-type]
