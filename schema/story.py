"""Types of the story room: the codex."""

from typing import Annotated

import strawberry

from domain import story
from domain.story import CodexInclusion, CodexKind
from persistence.story import reads
from schema.base import Connection, Node, Payload, described_enum, mapped
from schema.batched import Call, needs, paged, reference
from schema.cost import Cost

LazyEntry = Annotated["CodexEntry", strawberry.lazy("schema.story")]

described_enum(
    CodexKind,
    CHARACTER="A person, or what acts like one.",
    PLACE="A place.",
    ORGANISATION="A family, guild, company or state.",
    ITEM="A thing that matters.",
    RULE="A rule of the world.",
    EVENT="Something that happened.",
    CONCEPT="An idea, a language, a kind of magic.",
)
described_enum(
    CodexInclusion,
    ALWAYS="In every prompt.",
    DETECTED="When its name or an alias is mentioned.",
    NEVER="Never: notes for people only.",
)


@strawberry.type(description="A fact of a codex entry.", directives=[Cost(weight=0)])
class CodexAttribute:
    key: str = strawberry.field(description="What it is about, such as `age`.")
    value: str = strawberry.field(description="What is true.")


@mapped(
    story.CodexRelation,
    kind="What the one is to the other, such as `sister of`.",
    note="More about it.",
    created_at="When it was made.",
)
class CodexRelation(Node):
    """How one codex entry stands to another."""

    from_: LazyEntry = reference(
        "CodexEntry", "from_id", name="from", description="The entry that stands in the relation."
    )
    to: LazyEntry = reference("CodexEntry", "to_id", description="The entry it stands in the relation to.")


@mapped(
    story.CodexEntry,
    name="The main name.",
    summary="Who or what it is.",
    created_at="When it was made.",
    updated_at="When it was last changed.",
)
class CodexEntry(Node):
    """A character, place, organisation, item, rule, event or concept of a novel."""

    kind: CodexKind = strawberry.field(description="What it is.")
    inclusion: CodexInclusion = strawberry.field(description="When it goes into a prompt.")
    aliases: list[str] = strawberry.field(description="Other names it is found by.")

    @strawberry.field(description="What is true of it, in the author's order.", metadata=needs("attributes"))
    def attributes(self) -> list[CodexAttribute]:
        return [CodexAttribute(key=one["key"], value=one["value"]) for one in self.attributes]

    @paged(Connection[CodexRelation], "CodexRelation", description="How it stands to others.")
    def relations() -> Call:
        return Call(reads.RELATIONS)


@strawberry.input(description="Which codex entries to list.")
class CodexEntryFilter:
    kind: CodexKind | None = strawberry.field(default=None, description="Only this kind.")
    name_contains: str | None = strawberry.field(default=None, description="Part of the name, in any case.")


@strawberry.input(description="A fact of a codex entry.")
class CodexAttributeInput:
    key: str = strawberry.field(description="What it is about; once an entry.")
    value: str = strawberry.field(description="What is true.")


@strawberry.input(description="A new codex entry.")
class CodexEntryCreateInput:
    project_id: strawberry.ID = strawberry.field(description="The project.")
    kind: CodexKind = strawberry.field(description="What it is.")
    name: str = strawberry.field(description="The main name.")
    summary: str = strawberry.field(default="", description="Who or what it is, up to 5,000 characters.")
    aliases: list[str] = strawberry.field(default_factory=list, description="Other names, up to 50.")
    attributes: list[CodexAttributeInput] = strawberry.field(default_factory=list, description="Facts, up to 100.")
    inclusion: CodexInclusion = strawberry.field(
        default=CodexInclusion.DETECTED, description="When it goes into a prompt."
    )


@strawberry.input(description="Changes to a codex entry; what is left out stays.")
class CodexEntryUpdateInput:
    id: strawberry.ID = strawberry.field(description="The entry.")
    kind: CodexKind | None = strawberry.field(default=None, description="What it is.")
    name: str | None = strawberry.field(default=None, description="The main name.")
    summary: str | None = strawberry.field(default=None, description="Who or what it is.")
    aliases: list[str] | None = strawberry.field(default=None, description="All other names.")
    attributes: list[CodexAttributeInput] | None = strawberry.field(default=None, description="All facts.")
    inclusion: CodexInclusion | None = strawberry.field(default=None, description="When it goes into a prompt.")


@strawberry.input(description="A codex entry to delete, with its relations.")
class CodexEntryDeleteInput:
    id: strawberry.ID = strawberry.field(description="The entry.")


@strawberry.input(description="A new relation between two entries of one project.")
class CodexRelationCreateInput:
    from_id: strawberry.ID = strawberry.field(description="The entry that stands in the relation.")
    to_id: strawberry.ID = strawberry.field(description="The entry it stands in the relation to.")
    kind: str = strawberry.field(description="Such as `sister of`.")
    note: str = strawberry.field(default="", description="More about it.")


@strawberry.input(description="A relation to delete.")
class CodexRelationDeleteInput:
    id: strawberry.ID = strawberry.field(description="The relation.")


@strawberry.type(description="The new entry.")
class CodexEntryCreatePayload(Payload):
    codex_entry: CodexEntry | None = strawberry.field(default=None, description="The entry.")


@strawberry.type(description="The changed entry.")
class CodexEntryUpdatePayload(Payload):
    codex_entry: CodexEntry | None = strawberry.field(default=None, description="The entry.")


@strawberry.type(description="What was deleted.")
class CodexEntryDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted entry's id.")


@strawberry.type(description="The new relation.")
class CodexRelationCreatePayload(Payload):
    codex_relation: CodexRelation | None = strawberry.field(default=None, description="The relation.")


@strawberry.type(description="What was deleted.")
class CodexRelationDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted relation's id.")
