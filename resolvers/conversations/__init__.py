"""Root fields of the conversations room."""

from resolvers.conversations.messages import MessageMutations
from resolvers.conversations.reading import ConversationQueries, ConversationSubscriptions
from resolvers.conversations.sharing import SharedQueries, ShareMutations
from resolvers.conversations.shelves import ConversationMutations, GroupMutations

__all__ = [
    "ConversationMutations",
    "ConversationQueries",
    "ConversationSubscriptions",
    "GroupMutations",
    "MessageMutations",
    "ShareMutations",
    "SharedQueries",
]
