"""Reads of the conversations room. What they show is the ACTOR's own, but for links to administrators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy.orm import aliased

from persistence.accounts.reads import ADMINISTERS
from persistence.conversations.tables import (
    citations,
    conversation_groups,
    conversation_shares,
    conversations,
    messages,
)
from persistence.feeds.reads import feed_end
from persistence.knowledge.tables import knowledge_documents
from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn, moment
from persistence.shapes import ACTOR, IDS, TENANT, Shape

SEARCH_CHARS_MAX = 200
PATH_DEFAULT = 100
SNIPPET_OPTIONS = "StartSel=«, StopSel=», MaxWords=30, MinWords=10, MaxFragments=1"

_talk = conversations.c
_message = messages.c
_OWN = (_talk.created_by == ACTOR) & _talk.purged_at.is_(None)
_FEED_END = feed_end(_talk.id)
_HIDDEN = frozenset(
    {"tenant_id", "purged_at", "summary", "summary_upto", "title_job_id", "summary_job_id", "created_by"}
)

CONVERSATIONS = Listing(
    Keyset(
        "conversations", (SortColumn("updated_at", _talk.updated_at, moment), SortColumn("id", _talk.id, UUID)),
        descending=True,
    ),
    conversations,
    where=(_OWN,),
    filters={
        "living": _talk.deleted_at.is_(None) & bindparam("living", type_=Boolean),
        "deleted": _talk.deleted_at.is_not(None) & bindparam("deleted", type_=Boolean),
        "group": _talk.group_id == bindparam("group", type_=UuidType),
        "pinned": _talk.pinned == bindparam("pinned", type_=Boolean),
        "named": func.concat(_talk.title, literal_column("' '"), _talk.topic).ilike(bindparam("named", type_=Text)),
    },
    hidden=_HIDDEN,
    more=(_FEED_END,),
)  # fmt: skip
CONVERSATIONS_BY_ID = Lookup("Conversation", conversations, _OWN, hidden=_HIDDEN, more=(_FEED_END,))

GROUPS_BY_ID = Lookup("ConversationGroup", conversation_groups, conversation_groups.c.owner_id == ACTOR)
GROUPS = Shape(
    select(*(column for column in conversation_groups.columns if column.name != "tenant_id"))
    .where(conversation_groups.c.tenant_id == TENANT, conversation_groups.c.owner_id == ACTOR)
    .order_by(conversation_groups.c.position, conversation_groups.c.id)
)

_OF_MESSAGES = frozenset({"tenant_id", "tsv", "deleted_at"})
_shown = [column for column in messages.columns if column.name not in _OF_MESSAGES]
_own_talks = select(_talk.id).where(_talk.tenant_id == TENANT, _OWN)
_THERE = _message.deleted_at.is_(None)
_IN_OWN = _message.conversation_id.in_(_own_talks) & _THERE

MESSAGES = Listing(
    Keyset("messages", (SortColumn("id", _message.id, UUID),)),
    messages,
    where=(_THERE,),
    parent=_message.conversation_id,
    hidden=_OF_MESSAGES,
)
_before = func.sum(func.octet_length(_message.text) + literal_column("200")).over(order_by=_message.id)
_tree = (
    select(*_shown, _before.label("bytes_"), func.count().over().label("total"))
    .where(_message.tenant_id == TENANT, _message.conversation_id == bindparam("conversation", type_=UuidType), _IN_OWN)
    .subquery("tree")
)  # fmt: skip
TREE = Shape(select(_tree).where(_tree.c.bytes_ <= bindparam("most", type_=BigInteger)).order_by(_tree.c.id))
"""The messages of the conversation `conversation`, oldest first, as many as have about `most` bytes of text; each row
with the `total` that there are."""
MESSAGES_BY_ID = Lookup("Message", messages, _IN_OWN, hidden=_OF_MESSAGES)
CITATIONS_BY_ID = Lookup(
    "Citation", citations, citations.c.message_id.in_(select(_message.id).where(_message.tenant_id == TENANT, _IN_OWN))
)
CITATIONS = Shape(
    select(*(column for column in citations.columns if column.name != "tenant_id"))
    .where(citations.c.tenant_id == TENANT, citations.c.message_id == any_(IDS))
    .order_by(citations.c.message_id, citations.c.rank)
)
_of_citation = (knowledge_documents.c.tenant_id == citations.c.tenant_id) & (
    knowledge_documents.c.id == citations.c.document_id
)
CITED = Shape(
    select(
        citations.c.message_id, citations.c.marker, citations.c.start_char, citations.c.end_char, citations.c.quote,
        citations.c.span_start, citations.c.span_end, knowledge_documents.c.title,
    )
    .select_from(citations.outerjoin(knowledge_documents, _of_citation))
    .where(citations.c.tenant_id == TENANT, citations.c.message_id == any_(IDS))
    .order_by(citations.c.message_id, citations.c.rank)
)  # fmt: skip
"""What messages cite, with the titles of the documents."""
_OF_SHARES = frozenset({"tenant_id", "token_hash"})
SHARES_BY_ID = Lookup(
    "ConversationShare", conversation_shares, or_(conversation_shares.c.created_by == ACTOR, ADMINISTERS),
    hidden=_OF_SHARES,
)  # fmt: skip
TENANT_SHARES = Listing(
    Keyset("conversation_shares", (SortColumn("id", conversation_shares.c.id, UUID),), descending=True),
    conversation_shares,
    hidden=_OF_SHARES,
)
SHARES = Shape(
    select(*(column for column in conversation_shares.columns if column.name not in _OF_SHARES))
    .where(conversation_shares.c.tenant_id == TENANT, conversation_shares.c.conversation_id == any_(IDS))
    .order_by(conversation_shares.c.id)
)


def _paths(leaf: ColumnElement[Any], *where: ColumnElement[bool]) -> Select[Any]:
    """From a leaf upwards, at most `last` messages, the oldest first."""
    last = bindparam("last", type_=Integer)
    start = (
        select(*_shown, (last - literal_column("1")).label("left_"))
        .select_from(conversations.join(messages, (_message.tenant_id == _talk.tenant_id) & (_message.id == leaf)))
        .where(_talk.tenant_id == TENANT, _THERE, *where)
    )
    path = start.cte("path", recursive=True)
    above = aliased(messages)
    step = select(
        *(above.c[column.name] for column in _shown), (path.c.left_ - literal_column("1")).label("left_")
    ).where(above.c.tenant_id == TENANT, above.c.id == path.c.parent_id, path.c.left_ > literal_column("0"))
    whole = path.union_all(step)
    return select(*(whole.c[column.name] for column in _shown)).order_by(whole.c.conversation_id, whole.c.depth)


PATHS = Shape(_paths(_talk.active_leaf_id, _talk.id == any_(IDS)))
"""The active path of each of the conversations `ids`."""
SHARED_PATH = Shape(_paths(bindparam("leaf", type_=UuidType), _talk.id == any_(IDS), _talk.deleted_at.is_(None)))
"""The path to the message `leaf` of a conversation that is not deleted. Whoever asks."""

_near = aliased(messages)
_beside = (
    (_near.c.tenant_id == _message.tenant_id)
    & _near.c.deleted_at.is_(None)
    & (
        (_near.c.parent_id == _message.parent_id)
        | (
            _near.c.parent_id.is_(None)
            & _message.parent_id.is_(None)
            & (_near.c.conversation_id == _message.conversation_id)
        )
    )
)
"""Each half has an index of its own."""
_among = select(_message.id).select_from(messages.join(_near, _beside)).where(
    _message.tenant_id == TENANT, _message.id == any_(IDS)
)  # fmt: skip
SIBLING_COUNTS = Shape(
    _among.add_columns(
        func.count().label("count"), func.count().filter(_near.c.id <= _message.id).label("place")
    ).group_by(_message.id)
)
"""Rows (id, count, place): how many messages have the same parent, itself among them, and which of them it is."""
SIBLINGS = Shape(
    _among.add_columns(*(_near.c[column.name].label(f"near_{column.name}") for column in _shown)).order_by(_near.c.id)
)
"""Rows (id, near_*): every sibling of each of the messages `ids`, itself among them, oldest first."""


def search(tenant_id: UUID, user_id: UUID, query: str, *, whole: bool) -> tuple[Select[Any], Keyset]:
    """Messages whose words match, of conversations that are not deleted, the newest first.

    A snippet has Latin words marked; PostgreSQL cannot mark CJK ones, so their caller asks for the `whole` text.

    Rows (id, conversation_id, role, snippet).
    """
    sought = func.app.search_query(query)
    alive = select(_talk.id).where(
        _talk.tenant_id == tenant_id, _talk.created_by == user_id, _talk.deleted_at.is_(None)
    )
    snippet = _message.text if whole else func.ts_headline("english", _message.text, sought, SNIPPET_OPTIONS)
    statement = select(_message.id, _message.conversation_id, _message.role, snippet.label("snippet")).where(
        _message.tenant_id == tenant_id, _message.tsv.op("@@")(sought), _message.conversation_id.in_(alive)
    )
    return statement, Keyset("message_search", (SortColumn("id", _message.id, UUID),), descending=True)
