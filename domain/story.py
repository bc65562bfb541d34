"""Story: the codex of characters, places and things, with aliases, attributes and relations."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import EntryId, ProjectId, RelationId, TenantId, new_id
from domain.text import LINE_CHARS_MAX, NOTE_CHARS_MAX, clean_line, clean_text

ALIASES_MAX = 50
ATTRIBUTES_MAX = 100
ENTRIES_MAX = 5_000


class CodexKind(StrEnum):
    """What a codex entry is about."""

    CHARACTER = "CHARACTER"
    PLACE = "PLACE"
    ORGANISATION = "ORGANISATION"
    ITEM = "ITEM"
    RULE = "RULE"
    EVENT = "EVENT"
    CONCEPT = "CONCEPT"


class CodexInclusion(StrEnum):
    """When an entry goes into a prompt: always, when it is mentioned, or never."""

    ALWAYS = "ALWAYS"
    DETECTED = "DETECTED"
    NEVER = "NEVER"


@dataclass(eq=False)
class CodexEntry:
    """`attributes` is a list of {"key", "value"} in the author's order."""

    tenant_id: TenantId
    id: EntryId
    project_id: ProjectId
    kind: str
    name: str
    summary: str = ""
    aliases: list[str] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)
    inclusion: str = CodexInclusion.DETECTED
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(eq=False)
class CodexRelation:
    tenant_id: TenantId
    id: RelationId
    project_id: ProjectId
    from_id: EntryId
    to_id: EntryId
    kind: str
    note: str = ""
    created_at: datetime | None = None


class StoryStore(Protocol):
    """The story room of a unit of work."""

    async def entry(self, entry_id: EntryId) -> CodexEntry | None: ...
    async def entries(self, project_id: ProjectId) -> list[CodexEntry]: ...
    async def count_entries(self, project_id: ProjectId) -> int: ...
    async def relation(self, relation_id: RelationId) -> CodexRelation | None: ...
    async def relation_exists(self, from_id: EntryId, to_id: EntryId, kind: str) -> bool: ...
    async def delete_relations_of(self, entry_id: EntryId) -> None: ...
    async def delete_relation(self, relation: CodexRelation) -> None: ...
    async def add(self, row: CodexEntry | CodexRelation) -> None: ...


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """New values of an entry; None leaves a field as it is."""

    kind: CodexKind | None = None
    name: str | None = None
    summary: str | None = None
    aliases: list[str] | None = None
    attributes: list[dict[str, str]] | None = None
    inclusion: CodexInclusion | None = None


def apply_draft(entry: CodexEntry, draft: EntryDraft) -> None:
    """Raises Rejected with the field at fault; the entry may then be half changed and must not be kept."""
    if draft.kind is not None:
        entry.kind = draft.kind
    if draft.name is not None:
        entry.name = clean_line(draft.name, "name")
    if draft.summary is not None:
        entry.summary = clean_text(draft.summary, "summary", chars_max=NOTE_CHARS_MAX)
    if draft.inclusion is not None:
        entry.inclusion = draft.inclusion
    if draft.aliases is not None:
        entry.aliases = _clean_aliases(draft.aliases)
    if draft.attributes is not None:
        entry.attributes = _clean_attributes(draft.attributes)


def _clean_aliases(values: list[str]) -> list[str]:
    if len(values) > ALIASES_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {ALIASES_MAX} aliases.", "input", "aliases")
    return list(dict.fromkeys(clean_line(value, "aliases") for value in values))


def _clean_attributes(values: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(values) > ATTRIBUTES_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {ATTRIBUTES_MAX} attributes.", "input", "attributes")
    cleaned = [
        {
            "key": clean_line(value["key"], "attributes"),
            "value": clean_text(value["value"], "attributes", chars_max=NOTE_CHARS_MAX),
        }
        for value in values
    ]
    if len({value["key"] for value in cleaned}) < len(cleaned):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "Two attributes have the same key.", "input", "attributes")
    return cleaned


async def create_entry(story: StoryStore, actor: Actor, project_id: ProjectId, draft: EntryDraft) -> CodexEntry:
    actor.require(Permission.WRITE)
    if await story.count_entries(project_id) >= ENTRIES_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A project has at most {ENTRIES_MAX:,} codex entries.")
    entry = CodexEntry(actor.tenant_id, EntryId(new_id()), project_id, draft.kind or CodexKind.CHARACTER, "")
    apply_draft(entry, draft)
    if not entry.name:
        raise Rejected(ErrorCode.EMPTY, "This must not be empty.", "input", "name")
    await story.add(entry)
    return entry


async def update_entry(
    story: StoryStore, actor: Actor, entry_id: EntryId, draft: EntryDraft, now: datetime
) -> CodexEntry:
    actor.require(Permission.WRITE)
    entry = await _entry(story, entry_id, "id")
    apply_draft(entry, draft)
    entry.updated_at = now
    return entry


async def delete_entry(story: StoryStore, actor: Actor, entry_id: EntryId, now: datetime) -> CodexEntry:
    """Hides the entry and removes its relations."""
    actor.require(Permission.WRITE)
    entry = await _entry(story, entry_id, "id")
    entry.deleted_at = now
    await story.delete_relations_of(entry_id)
    return entry


async def relate(
    story: StoryStore, actor: Actor, *, from_id: EntryId, to_id: EntryId, kind: str, note: str
) -> CodexRelation:
    """Raises Rejected for an entry of another project, an entry related to itself, or a relation told twice."""
    actor.require(Permission.WRITE)
    one, other = await _entry(story, from_id, "fromId"), await _entry(story, to_id, "toId")
    if one.project_id != other.project_id:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "Both entries must belong to one project.", "input", "toId")
    if one.id == other.id:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "An entry cannot relate to itself.", "input", "toId")
    label = clean_line(kind, "kind")
    if await story.relation_exists(from_id, to_id, label):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "This relation exists.", "input", "kind")
    text = clean_text(note, "note", chars_max=LINE_CHARS_MAX)
    relation = CodexRelation(actor.tenant_id, RelationId(new_id()), one.project_id, from_id, to_id, label, text)
    await story.add(relation)
    return relation


async def unrelate(story: StoryStore, actor: Actor, relation_id: RelationId) -> CodexRelation:
    actor.require(Permission.WRITE)
    relation = await story.relation(relation_id)
    if relation is None:
        raise NotFound("The relation", "input", "id")
    await story.delete_relation(relation)
    return relation


async def _entry(story: StoryStore, entry_id: EntryId, field_name: str) -> CodexEntry:
    entry = await story.entry(entry_id)
    if entry is None:
        raise NotFound("The codex entry", "input", field_name)
    return entry
