"""Tables of the assistants room.

A tenant's own assistants and installs lie behind its wall. What is published, and what people say of it, is the
platform's: the application reads the first, but for who published it, and neither writes anything of it nor reads the
second but through functions that ask which tenant this is and who is a member of it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Uuid,
    false,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from domain.assistants import entities
from domain.assistants.entities import Category, ReportReason, Visibility
from persistence.accounts.tables import users
from persistence.metadata import (
    PLATFORM,
    SCHEMA,
    mapper_registry,
    metadata,
    of_tenant,
    one_of,
    references,
    tenant_table,
    text,
    timestamp,
)

COUNTERS = ("likes", "favourites", "installs", "ratings", "rating_sum", "conversations")
STANDING = "(rating_sum * 1000 + 15000) / (ratings + 5)"
"""The mean of the ratings in thousandths, as if there were five more of three stars: so that few do not say much."""
WORDS = "app.search_vector(name || ' '::text || description || ' '::text || tags::text)"


def _list(name: str) -> Column[Any]:
    return Column(name, JSONB, nullable=False, server_default="[]")


def _counted() -> list[Column[Any]]:
    """What is said of an assistant, written by the functions of the migration and by nobody else."""
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in COUNTERS] + [
        Column("popularity", BigInteger, Computed("likes + favourites + installs", persisted=True)),
        Column("standing", BigInteger, Computed(STANDING, persisted=True)),
        Column("tsv", TSVECTOR, Computed(WORDS, persisted=True)),
    ]


def _content() -> list[Column[Any]]:
    return [
        Column("number", Integer, nullable=False),
        text("prompt"),
        text("greeting", ""),
        _list("opening_messages"),
        _list("examples"),
        text("model", nullable=True),
        Column("temperature", Double),
        Column("max_output_tokens", Integer),
        _list("tools"),
        text("changelog", ""),
    ]


assistants = tenant_table(
    "assistants",
    Column("id", Uuid, nullable=False),
    Column("owner_id", Uuid, ForeignKey(users.c.id), nullable=False),
    text("name"),
    text("description", ""),
    text("category", Category.OTHER),
    _list("tags"),
    text("visibility", Visibility.PRIVATE),
    Column("current_version_id", Uuid),
    Column("published_version_id", Uuid),
    Column("versions_made", Integer, nullable=False, server_default="0"),
    *_counted(),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("category", Category),
    one_of("visibility", Visibility),
    of_tenant(),
)

assistant_versions = tenant_table(
    "assistant_versions",
    Column("id", Uuid, nullable=False),
    Column("assistant_id", Uuid, nullable=False),
    *_content(),
    _list("knowledge_base_ids"),
    Column("author_id", Uuid, ForeignKey(users.c.id)),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "assistant_id", "number"),
    references("assistant_id", "assistants"),
)

public_assistants = Table(
    "public_assistants",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("publisher_id", Uuid, nullable=False),
    text("publisher"),
    text("name"),
    text("description", ""),
    text("category"),
    _list("tags"),
    Column("current_version_id", Uuid, nullable=False),
    *_counted(),
    timestamp("published_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("withdrawn_at"),
    timestamp("removed_at"),
    one_of("category", Category),
    CheckConstraint("least(likes, favourites, installs, ratings, rating_sum, conversations) >= 0", name="counters"),
    info=PLATFORM,
)
_LISTED: ColumnElement[Any] = literal_column("withdrawn_at is null")
for _order in ("popularity", "standing", "published_at"):
    Index(
        f"public_assistants_{_order}_idx", public_assistants.c[_order], public_assistants.c.id, postgresql_where=_LISTED
    )
for _words in ("tsv", "tags"):
    Index(f"public_assistants_{_words}_idx", public_assistants.c[_words], postgresql_using="gin")

public_assistant_versions = Table(
    "public_assistant_versions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("assistant_id", Uuid, ForeignKey(public_assistants.c.id), nullable=False),
    *_content(),
    timestamp("created_at", default=True),
    UniqueConstraint("assistant_id", "number"),
    info=PLATFORM,
)

assistant_marks = Table(
    "assistant_marks",
    metadata,
    Column("assistant_id", Uuid, nullable=False),
    Column("user_id", Uuid, ForeignKey(users.c.id), nullable=False),
    Column("liked", Boolean, nullable=False, server_default=false()),
    Column("favourite", Boolean, nullable=False, server_default=false()),
    Column("stars", Integer),
    text("words", ""),
    Column("said_in_public", Boolean, nullable=False, server_default=false()),
    timestamp("rated_at"),
    PrimaryKeyConstraint("assistant_id", "user_id"),
    CheckConstraint("stars between 1 and 5", name="stars"),
    CheckConstraint("(stars is null) = (rated_at is null)", name="rated"),
    info=PLATFORM,
)
Index(None, assistant_marks.c.user_id)
Index(
    "assistant_marks_reviews_idx",
    assistant_marks.c.assistant_id,
    assistant_marks.c.rated_at,
    postgresql_where=literal_column("words <> ''"),
)

assistant_reports = Table(
    "assistant_reports",
    metadata,
    Column("assistant_id", Uuid, ForeignKey(public_assistants.c.id), nullable=False),
    Column("user_id", Uuid, ForeignKey(users.c.id), nullable=False),
    text("reason"),
    text("words", ""),
    timestamp("created_at", default=True),
    PrimaryKeyConstraint("assistant_id", "user_id"),
    one_of("reason", ReportReason),
    info=PLATFORM,
)

assistant_installs = tenant_table(
    "assistant_installs",
    Column("user_id", Uuid, nullable=False),
    Column("assistant_id", Uuid, ForeignKey(public_assistants.c.id), nullable=False),
    Column("version_id", Uuid, ForeignKey(public_assistant_versions.c.id), nullable=False),
    timestamp("installed_at", default=True),
    timestamp("updated_at", default=True),
    ForeignKeyConstraint(
        ["tenant_id", "user_id"],
        [f"{SCHEMA}.memberships.tenant_id", f"{SCHEMA}.memberships.user_id"],
        ondelete="CASCADE",
    ),
    key=("user_id", "assistant_id"),
)

_GENERATED = [*COUNTERS, "popularity", "standing", "tsv"]
mapper_registry.map_imperatively(entities.Assistant, assistants, exclude_properties=_GENERATED)
mapper_registry.map_imperatively(entities.AssistantVersion, assistant_versions)
mapper_registry.map_imperatively(entities.AssistantInstall, assistant_installs)
