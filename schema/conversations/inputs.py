"""What is asked of the conversations room, and what it answers."""

from enum import StrEnum
from typing import Annotated

import strawberry

from domain.conversations.entities import PartType
from domain.conversations.policy import PASSAGES_DEFAULT
from domain.knowledge.policies import RetrievalTrigger
from schema.base import MutationError, Payload, described_enum
from schema.billing.budgets import BudgetExceeded
from schema.conversations.types import Conversation, ConversationGroup, ConversationShare, Message
from schema.generation import ContextTooSmall, Generation, IdempotencyConflict, NoChannel, QuotaExhausted

_KEY = "The same key and input give the same answer for 24 hours; another input is refused."


class ExportFormat(StrEnum):
    """How a conversation is written down."""

    MARKDOWN = "MARKDOWN"
    JSON = "JSON"


described_enum(
    ExportFormat,
    MARKDOWN="For people: the active path, with the words that were cited.",
    JSON="For programs: every message of the tree.",
)


@strawberry.input(description="What of a conversation a model is told, and when passages are looked up.")
class ContextPolicyInput:
    last_messages: int | None = strawberry.field(
        default=None, description="Only so many of the newest, 1 to 500; null for as many as fit."
    )
    max_tokens: int | None = strawberry.field(
        default=None, description="The longest prompt, from 256; null for what the model's window allows."
    )
    summarize: bool = strawberry.field(default=True, description="Whether a summary stands for what is too old to fit.")
    retrieval: RetrievalTrigger = strawberry.field(
        default=RetrievalTrigger.AUTO, description="When passages are looked up."
    )
    passages: int = strawberry.field(default=PASSAGES_DEFAULT, description="How many are looked up, 1 to 20.")


@strawberry.input(description="Which conversations to list. Those that are deleted are listed only when asked for.")
class ConversationFilter:
    group_id: strawberry.ID | None = strawberry.field(default=None, description="Only those in this group.")
    pinned: bool | None = strawberry.field(default=None, description="Only those that are pinned, or are not.")
    deleted: bool = strawberry.field(default=False, description="Those that are deleted, instead of those that live.")
    query: str | None = strawberry.field(default=None, description="Part of the title or topic, in any case.")


@strawberry.input(description="A new conversation.")
class ConversationCreateInput:
    title: str | None = strawberry.field(
        default=None, description="Its title; without one, it gets one after the first answer."
    )
    knowledge_base_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Where passages are looked up, at most 20."
    )
    topic: str | None = strawberry.field(default=None, description="What it is about, up to 200 characters.")
    group_id: strawberry.ID | None = strawberry.field(default=None, description="The group to stand in.")
    project_id: strawberry.ID | None = strawberry.field(default=None, description="The project it belongs to.")
    channel_id: strawberry.ID | None = strawberry.field(default=None, description="The channel that answers.")
    model: str | None = strawberry.field(default=None, description="The model that answers.")
    pinned: bool = strawberry.field(default=False, description="Whether it is kept on top.")
    context_policy: ContextPolicyInput | None = strawberry.field(default=None, description="What a model is told.")
    assistant_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The assistant to begin with: in the version that you have installed, or else in the newest that you "
        "see. Later versions change nothing here.",
    )
    assistant_version_id: strawberry.ID | None = strawberry.field(
        default=None, description="A certain version of an assistant to begin with."
    )


@strawberry.input(description="Changes to a conversation; what is left out stays.")
class ConversationUpdateInput:
    id: strawberry.ID = strawberry.field(description="The conversation.")
    title: str | None = strawberry.field(default=None, description="Its title; an empty one lets a job give it one.")
    knowledge_base_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="All bases that passages are looked up in."
    )
    topic: str | None = strawberry.field(default=None, description="What it is about.")
    group_id: strawberry.ID | None = strawberry.field(default=None, description="The group to stand in.")
    ungrouped: bool = strawberry.field(default=False, description="Take it out of its group.")
    channel_id: strawberry.ID | None = strawberry.field(default=None, description="The channel that answers.")
    any_channel: bool = strawberry.field(default=False, description="Let any channel answer again.")
    model: str | None = strawberry.field(default=None, description="The model; empty for the usual one.")
    pinned: bool | None = strawberry.field(default=None, description="Whether it is kept on top.")
    context_policy: ContextPolicyInput | None = strawberry.field(default=None, description="What a model is told.")


@strawberry.input(
    description="A conversation to delete. It can be restored; answers that are being written are stopped."
)
class ConversationDeleteInput:
    id: strawberry.ID = strawberry.field(description="The conversation.")


@strawberry.input(description="A deleted conversation to have back.")
class ConversationRestoreInput:
    id: strawberry.ID = strawberry.field(description="The conversation.")


@strawberry.input(description="Which path of a conversation is shown and gone on with.")
class ConversationSwitchInput:
    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    message_id: strawberry.ID = strawberry.field(
        description="A message on that path; it goes on to the newest of what follows."
    )


@strawberry.input(description="A message to delete, with everything that follows it.")
class MessageDeleteInput:
    id: strawberry.ID = strawberry.field(description="The message.")


@strawberry.input(description="A new group, behind all others.")
class ConversationGroupCreateInput:
    name: str = strawberry.field(description="Its name.")


@strawberry.input(description="Another name for a group.")
class ConversationGroupRenameInput:
    id: strawberry.ID = strawberry.field(description="The group.")
    name: str = strawberry.field(description="Its name.")


@strawberry.input(description="Another place for a group.")
class ConversationGroupReorderInput:
    id: strawberry.ID = strawberry.field(description="The group.")
    after_id: strawberry.ID | None = strawberry.field(
        default=None, description="The group that it is to stand behind; null puts it first."
    )


@strawberry.input(description="A group to delete. Its conversations stay.")
class ConversationGroupDeleteInput:
    id: strawberry.ID = strawberry.field(description="The group.")


@strawberry.input(description="A part of a message.")
class MessagePartInput:
    type: PartType = strawberry.field(description="TEXT or IMAGE: only models call tools.")
    text: str | None = strawberry.field(default=None, description="The words; of an image, what to say of it.")
    file_id: strawberry.ID | None = strawberry.field(default=None, description="The file of an image.")


@strawberry.input(description="A message to be answered.")
class MessageSendInput:
    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    text: str = strawberry.field(default="", description="The words, up to 50,000 characters with those of its parts.")
    parts: list[MessagePartInput] = strawberry.field(
        default_factory=list, description="More than words; at most 20, the text among them."
    )
    parent_id: strawberry.ID | None = strawberry.field(
        default=None, description="The answer that it follows; the end of the active path if null."
    )
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(
    description="A message to be said otherwise, and answered anew. The one before stays, on its own path."
)
class MessageEditInput:
    message_id: strawberry.ID = strawberry.field(description="A message of the author's.")
    text: str = strawberry.field(default="", description="The words.")
    parts: list[MessagePartInput] = strawberry.field(default_factory=list, description="More than words.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="An answer to be written once more. The one before stays beside it.")
class MessageRegenerateInput:
    message_id: strawberry.ID = strawberry.field(description="The answer.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="A link to be made that lets anybody who has it read along.")
class ConversationShareCreateInput:
    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    days: int = strawberry.field(default=7, description="How long it holds, 1 to 90 days.")
    leaf_id: strawberry.ID | None = strawberry.field(
        default=None, description="The last message to show; the end of the active path if null."
    )


@strawberry.input(description="A link to take back.")
class ConversationShareRevokeInput:
    id: strawberry.ID = strawberry.field(description="The link.")


@strawberry.type(description="The new conversation.")
class ConversationCreatePayload(Payload):
    conversation: Conversation | None = strawberry.field(default=None, description="The conversation.")


@strawberry.type(description="The changed conversation.")
class ConversationUpdatePayload(Payload):
    conversation: Conversation | None = strawberry.field(default=None, description="The conversation.")


@strawberry.type(description="The deleted conversation.")
class ConversationDeletePayload(Payload):
    conversation: Conversation | None = strawberry.field(default=None, description="The conversation.")


@strawberry.type(description="The restored conversation.")
class ConversationRestorePayload(Payload):
    conversation: Conversation | None = strawberry.field(default=None, description="The conversation.")


@strawberry.type(description="The conversation, with another active path.")
class ConversationSwitchPayload(Payload):
    conversation: Conversation | None = strawberry.field(default=None, description="The conversation.")


@strawberry.type(description="The new group.")
class ConversationGroupCreatePayload(Payload):
    conversation_group: ConversationGroup | None = strawberry.field(default=None, description="The group.")


@strawberry.type(description="The renamed group.")
class ConversationGroupRenamePayload(Payload):
    conversation_group: ConversationGroup | None = strawberry.field(default=None, description="The group.")


@strawberry.type(description="The group in its new place.")
class ConversationGroupReorderPayload(Payload):
    conversation_group: ConversationGroup | None = strawberry.field(default=None, description="The group.")


@strawberry.type(description="What was deleted, and where.")
class MessageDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted message's id.")
    conversation: Conversation | None = strawberry.field(default=None, description="The conversation without it.")


@strawberry.type(description="What was deleted.")
class ConversationGroupDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted group's id.")


@strawberry.type(description="The new link.")
class ConversationShareCreatePayload(Payload):
    share: ConversationShare | None = strawberry.field(default=None, description="The link.")
    token: str | None = strawberry.field(
        default=None, description="What `sharedConversation` asks for. Shown only here."
    )


@strawberry.type(description="The link that was taken back.")
class ConversationShareRevokePayload(Payload):
    share: ConversationShare | None = strawberry.field(default=None, description="The link.")


@strawberry.type(
    description="The message is kept, and its answer is being written: subscribe to its generation's events."
)
class MessageAccepted:
    message: Message = strawberry.field(description="The author's message.")
    generation: Generation = strawberry.field(description="What writes the answer, which is its `message`.")
    replayed: bool = strawberry.field(description="Whether the key had done it before.")


_Results = (
    MessageAccepted
    | QuotaExhausted
    | BudgetExceeded
    | ContextTooSmall
    | NoChannel
    | IdempotencyConflict
    | MutationError
)
_WHAT = "An accepted message, or the reason for which it was not accepted."
MessageSendResult = Annotated[_Results, strawberry.union("MessageSendResult", description=_WHAT)]
MessageEditResult = Annotated[_Results, strawberry.union("MessageEditResult", description=_WHAT)]
MessageRegenerateResult = Annotated[_Results, strawberry.union("MessageRegenerateResult", description=_WHAT)]


@strawberry.type(description="A conversation, written down.")
class ConversationExport:
    file_name: str = strawberry.field(description="A name for the file.")
    mime: str = strawberry.field(description="What the text is.")
    text: str = strawberry.field(description="The whole text.")
    truncated: bool = strawberry.field(
        description="Whether the last messages are missing: there are about 5 MB in it at most. `messages` has them all."
    )
