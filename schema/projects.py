"""Types of the projects room: projects, outline, chapters, versions."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry import UNSET

from domain import projects as domain
from domain.projects import NodeStatus, OutlineKind, ProjectStatus, VersionOrigin, VersionState
from domain.projects.service import NODES_MAX
from domain.text import clean_filter
from persistence.generation import reads as generation_reads
from persistence.listing import contains
from persistence.projects import reads
from persistence.story import reads as story_reads
from schema.base import After, Connection, First, Node, OrderDirection, Payload, described_enum, mapped
from schema.batched import batched, columns_of, ids_of, needs
from schema.context import Info
from schema.cost import Cost, ListSize
from schema.ids import encode_id
from schema.story import CodexEntry, CodexEntryFilter

if TYPE_CHECKING:
    from schema.generation import Generation

LazyGeneration = Annotated["Generation", strawberry.lazy("schema.generation")]

described_enum(ProjectStatus, ACTIVE="Being worked on.", ARCHIVED="Put aside; still readable.")
described_enum(
    OutlineKind,
    VOLUME="A book of a series, or a part of a book.",
    ARC="A run of chapters with one dramatic question.",
    CHAPTER="The unit that is written and generated.",
    SCENE="A part of a chapter.",
)
described_enum(
    NodeStatus,
    PLANNED="No text yet.",
    GENERATING="A generation is writing it.",
    DRAFT="It has a text.",
    ACCEPTED="Its author has accepted a generated text.",
)
described_enum(
    VersionOrigin,
    HUMAN="An author's own words.",
    AI="Written by a model.",
    IMPORT="Brought in from a file.",
    DEMO="Written by the built-in demo engine, which is no language model.",
)
described_enum(
    VersionState,
    CANDIDATE="Waits for its author's decision.",
    CURRENT="The chapter's text.",
    ARCHIVED="Was the chapter's text before.",
    REJECTED="Its author did not want it.",
)


def _global(type_name: str, value: Any) -> strawberry.ID | None:
    return strawberry.ID(encode_id(type_name, value)) if value is not None else None


@mapped(
    domain.TextVersion,
    number="Counts up within the chapter, from 1.",
    word_count="Latin words and CJK characters.",
    created_at="When it was written.",
    model="The model that wrote it; null for a person's own text.",
    channel="The channel it came through; null for a person's own text.",
    note="What its author said of the change.",
)
class TextVersion(Node):
    """One state of a chapter's text. It never changes: an edit makes a new version."""

    text: str = strawberry.field(description="The whole text.", directives=[Cost(weight=5)])
    origin: VersionOrigin = strawberry.field(description="Who wrote it.")
    state: VersionState = strawberry.field(description="Where it stands.")

    @strawberry.field(
        description="The version that was current when this one was made.", metadata=needs("base_version_id")
    )
    def base_version_id(self) -> strawberry.ID | None:
        return _global("TextVersion", self.base_version_id)

    @strawberry.field(description="The generation that wrote it.", metadata=needs("generation_id"))
    async def generation(self, info: Info) -> LazyGeneration | None:
        if self.generation_id is None:
            return None
        return await info.context.reads.one("Generation", self.generation_id)


@mapped(
    domain.OutlineNode,
    title="The heading.",
    summary="What happens in it, in a few lines.",
    position="Sorts the node among its siblings, bytewise.",
    word_count="Words of the current text.",
)
class OutlineNode(Node):
    """A volume, arc, chapter or scene in the outline of a project. Any level may be left out."""

    kind: OutlineKind = strawberry.field(description="Its level.")
    status: NodeStatus = strawberry.field(description="How far it is.")

    @strawberry.field(description="How many levels lie above it.", metadata=needs("path"))
    def depth(self) -> int:
        return self.path.count("/")

    @strawberry.field(description="The node that contains it; null at the top.", metadata=needs("parent_id"))
    def parent_id(self) -> strawberry.ID | None:
        return _global("OutlineNode", self.parent_id)

    @strawberry.field(description="The same node as a chapter; null for the other kinds.")
    async def chapter(self, info: Info) -> Annotated["Chapter", strawberry.lazy("schema.projects")] | None:
        if self.kind != OutlineKind.CHAPTER:
            return None
        return await info.context.reads.one("Chapter", self.id)


@mapped(
    domain.OutlineNode,
    title="The heading.",
    plan="What the chapter is to do; goes into the prompt.",
    position="Sorts the chapter among its siblings, bytewise.",
    word_count="Words of the current text.",
    created_at="When it was made.",
    updated_at="When it was last changed.",
)
class Chapter(Node):
    """An outline node that is written and generated. Its text is the current version's."""

    status: NodeStatus = strawberry.field(description="How far it is.")

    @strawberry.field(description="The volume or arc that contains it; null at the top.", metadata=needs("parent_id"))
    def parent_id(self) -> strawberry.ID | None:
        return _global("OutlineNode", self.parent_id)

    @strawberry.field(description="The project it belongs to.", metadata=needs("project_id"))
    async def project(self, info: Info) -> Annotated["Project", strawberry.lazy("schema.projects")]:
        return await info.context.reads.one("Project", self.project_id)

    @strawberry.field(
        description="The text that counts; null while nothing was written.", metadata=needs("current_version_id")
    )
    async def current_version(self, info: Info) -> TextVersion | None:
        if self.current_version_id is None:
            return None
        return await info.context.reads.one("TextVersion", self.current_version_id)

    @batched(description="Every text it had or could have, newest first.", columns=("id",))
    async def versions(
        chapters: list[Any], info: Info, first: First = 20, after: After = None
    ) -> list[Connection[TextVersion]]:
        columns = columns_of(info, "TextVersion", "edges", "node")
        return await info.context.reads.pages(reads.VERSIONS, ids_of(chapters), first, after, columns)

    @batched(description="Every generation asked for, newest first.", columns=("id",))
    async def generations(
        chapters: list[Any], info: Info, first: First = 20, after: After = None
    ) -> list[Connection[LazyGeneration]]:
        columns = columns_of(info, "Generation", "edges", "node")
        return await info.context.reads.pages(generation_reads.GENERATIONS, ids_of(chapters), first, after, columns)


@mapped(
    domain.Project,
    title="The novel's title.",
    language="The language it is written in, a BCP 47 tag.",
    genre="Its genre, in the author's words.",
    premise="What it is about; goes into every prompt.",
    style_guide="How it is to be written; goes into every prompt.",
    target_words="How long it is to become.",
    created_at="When it was made.",
    updated_at="When the project itself was last changed.",
    deleted_at="When it was deleted; null while it lives.",
)
class Project(Node):
    """A novel: its outline, its chapters, its codex."""

    status: ProjectStatus = strawberry.field(description="Whether it is being worked on.")

    @batched(description="Words of all current texts.", columns=("id",), directives=[Cost(weight=1)])
    async def word_count(projects: list[Any], info: Info) -> list[int]:
        words = await info.context.reads.values(reads.PROJECT_WORDS, "words", ids_of(projects))
        return [int(count or 0) for count in words]

    @batched(description="Its chapters in reading order.", columns=("id",))
    async def chapters(
        projects: list[Any], info: Info, first: First = 20, after: After = None
    ) -> list[Connection[Chapter]]:
        columns = columns_of(info, "Chapter", "edges", "node")
        return await info.context.reads.pages(reads.CHAPTERS, ids_of(projects), first, after, columns)

    @batched(
        description="The whole outline in reading order, at most 2,000 nodes.",
        columns=("id",),
        directives=[ListSize(assumed_size=200)],
    )
    async def outline(projects: list[Any], info: Info) -> list[list[OutlineNode]]:
        return await info.context.reads.lists(reads.OUTLINES, "project_id", ids_of(projects), limit=NODES_MAX)

    @batched(description="Its characters, places and other entries, by name.", columns=("id",))
    async def codex_entries(
        projects: list[Any], info: Info, first: First = 20, after: After = None,
        filter: Annotated[CodexEntryFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> list[Connection[CodexEntry]]:  # fmt: skip
        wanted = filter or CodexEntryFilter()
        name = clean_filter(wanted.name_contains, "nameContains")
        return await info.context.reads.pages(
            story_reads.ENTRIES, ids_of(projects), first, after, columns_of(info, "CodexEntry", "edges", "node"),
            kind=wanted.kind, name=contains(name) if name else None,
        )  # fmt: skip


@strawberry.type(description="Something a search found.")
class SearchHit:
    kind: str = strawberry.field(description="PROJECT or CHAPTER for a title, TEXT for a passage.")
    title: str = strawberry.field(description="The title of the project or chapter.")
    snippet: str = strawberry.field(description="Where it was found; the words sought stand between « and ».")
    project_id: strawberry.Private[Any]
    node_id: strawberry.Private[Any]

    @strawberry.field(description="The project it lies in.")
    async def project(self, info: Info) -> Project:
        return await info.context.reads.one("Project", self.project_id)

    @strawberry.field(description="The chapter it lies in; null for a project's title and other outline nodes.")
    async def chapter(self, info: Info) -> Chapter | None:
        return await info.context.reads.one("Chapter", self.node_id) if self.node_id else None


@strawberry.input(description="Which projects to list.")
class ProjectFilter:
    status: ProjectStatus | None = strawberry.field(default=None, description="Only those in this state.")
    deleted: bool = strawberry.field(default=False, description="The deleted ones instead of the living.")
    title_contains: str | None = strawberry.field(default=None, description="Part of the title, in any case.")
    language: str | None = strawberry.field(default=None, description="Only those in this language.")


class ProjectOrderField(StrEnum):
    """What projects can be sorted by."""

    UPDATED_AT = "UPDATED_AT"
    CREATED_AT = "CREATED_AT"
    TITLE = "TITLE"


described_enum(
    ProjectOrderField, UPDATED_AT="The last change.", CREATED_AT="When it was made.", TITLE="The title, bytewise."
)


@strawberry.input(description="How to sort projects; ties are broken by id.")
class ProjectOrder:
    field: ProjectOrderField = strawberry.field(description="By what.")
    direction: OrderDirection = strawberry.field(description="Which way.")


@strawberry.input(description="A new project.")
class ProjectCreateInput:
    title: str = strawberry.field(description="The novel's title, up to 200 characters.")
    language: str = strawberry.field(default="en", description="A BCP 47 language tag, such as en or zh.")
    genre: str = strawberry.field(default="", description="In the author's words.")
    premise: str = strawberry.field(default="", description="What it is about, up to 5,000 characters.")
    style_guide: str = strawberry.field(default="", description="How it is to be written, up to 20,000 characters.")
    target_words: int | None = strawberry.field(default=None, description="How long it is to become.")


@strawberry.input(description="Changes to a project; what is left out stays.")
class ProjectUpdateInput:
    id: strawberry.ID = strawberry.field(description="The project.")
    title: str | None = strawberry.field(default=None, description="The novel's title.")
    language: str | None = strawberry.field(default=None, description="A BCP 47 language tag.")
    genre: str | None = strawberry.field(default=None, description="In the author's words.")
    premise: str | None = strawberry.field(default=None, description="What it is about.")
    style_guide: str | None = strawberry.field(default=None, description="How it is to be written.")
    target_words: int | None = strawberry.field(default=None, description="How long it is to become.")
    status: ProjectStatus | None = strawberry.field(default=None, description="Whether it is being worked on.")


@strawberry.input(description="A project to delete. It can be restored.")
class ProjectDeleteInput:
    id: strawberry.ID = strawberry.field(description="The project.")


@strawberry.input(description="A deleted project to bring back.")
class ProjectRestoreInput:
    id: strawberry.ID = strawberry.field(description="The project.")


@strawberry.input(description="A new outline node.")
class OutlineNodeCreateInput:
    project_id: strawberry.ID = strawberry.field(description="The project.")
    kind: OutlineKind = strawberry.field(description="Its level; a parent's level must be higher.")
    title: str = strawberry.field(description="The heading.")
    summary: str = strawberry.field(default="", description="What happens in it.")
    parent_id: strawberry.ID | None = strawberry.field(default=None, description="The node to put it in.")
    after_id: strawberry.ID | None = strawberry.field(default=None, description="The sibling before it; last if null.")


@strawberry.input(description="Changes to an outline node; what is left out stays.")
class OutlineNodeUpdateInput:
    id: strawberry.ID = strawberry.field(description="The node.")
    title: str | None = strawberry.field(default=None, description="The heading.")
    summary: str | None = strawberry.field(default=None, description="What happens in it.")


@strawberry.input(description="A new place for an outline node and all that is in it.")
class OutlineNodeMoveInput:
    id: strawberry.ID = strawberry.field(description="The node.")
    parent_id: strawberry.ID | None = strawberry.field(default=None, description="Where to; the top if null.")
    after_id: strawberry.ID | None = strawberry.field(default=None, description="The sibling before it; first if null.")


@strawberry.input(description="An outline node to delete with all that is in it.")
class OutlineNodeDeleteInput:
    id: strawberry.ID = strawberry.field(description="The node.")


@strawberry.input(description="A new chapter.")
class ChapterCreateInput:
    project_id: strawberry.ID = strawberry.field(description="The project.")
    title: str = strawberry.field(description="The heading.")
    plan: str = strawberry.field(default="", description="What the chapter is to do, up to 5,000 characters.")
    parent_id: strawberry.ID | None = strawberry.field(default=None, description="The volume or arc to put it in.")
    after_id: strawberry.ID | None = strawberry.field(default=None, description="The sibling before it; last if null.")


@strawberry.input(description="Changes to a chapter; what is left out stays.")
class ChapterUpdateInput:
    id: strawberry.ID = strawberry.field(description="The chapter.")
    title: str | None = strawberry.field(default=None, description="The heading.")
    plan: str | None = strawberry.field(default=None, description="What the chapter is to do.")


@strawberry.input(description="An author's own text for a chapter.")
class ChapterTextUpdateInput:
    chapter_id: strawberry.ID = strawberry.field(description="The chapter.")
    text: str = strawberry.field(description="The whole new text, up to 500,000 characters.")
    base_version_id: strawberry.ID | None = strawberry.field(
        default=None, description="The current version that was edited; null for a chapter without text."
    )
    note: str = strawberry.field(default="", description="What was changed.")


@strawberry.input(description="A version to make current.")
class ChapterVersionAcceptInput:
    version_id: strawberry.ID = strawberry.field(description="The version.")
    base_version_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="The current version it replaces; when given, CONFLICT if it is current no more."
    )


@strawberry.input(description="A candidate that is not wanted.")
class ChapterVersionRejectInput:
    version_id: strawberry.ID = strawberry.field(description="The version.")


@strawberry.type(description="The new project.")
class ProjectCreatePayload(Payload):
    project: Project | None = strawberry.field(default=None, description="The project.")


@strawberry.type(description="The changed project.")
class ProjectUpdatePayload(Payload):
    project: Project | None = strawberry.field(default=None, description="The project.")


@strawberry.type(description="The deleted project.")
class ProjectDeletePayload(Payload):
    project: Project | None = strawberry.field(default=None, description="The project.")


@strawberry.type(description="The restored project.")
class ProjectRestorePayload(Payload):
    project: Project | None = strawberry.field(default=None, description="The project.")


@strawberry.type(description="The new node.")
class OutlineNodeCreatePayload(Payload):
    outline_node: OutlineNode | None = strawberry.field(default=None, description="The node.")


@strawberry.type(description="The changed node.")
class OutlineNodeUpdatePayload(Payload):
    outline_node: OutlineNode | None = strawberry.field(default=None, description="The node.")


@strawberry.type(description="The moved node.")
class OutlineNodeMovePayload(Payload):
    outline_node: OutlineNode | None = strawberry.field(default=None, description="The node.")


@strawberry.type(description="What was deleted.")
class OutlineNodeDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted node's id.")


@strawberry.type(description="The new chapter.")
class ChapterCreatePayload(Payload):
    chapter: Chapter | None = strawberry.field(default=None, description="The chapter.")


@strawberry.type(description="The changed chapter.")
class ChapterUpdatePayload(Payload):
    chapter: Chapter | None = strawberry.field(default=None, description="The chapter.")


@strawberry.type(description="The new version, which is current now.")
class ChapterTextUpdatePayload(Payload):
    version: TextVersion | None = strawberry.field(default=None, description="The version.")
    chapter: Chapter | None = strawberry.field(default=None, description="Its chapter; on CONFLICT as it is now.")


@strawberry.type(description="The version, which is current now.")
class ChapterVersionAcceptPayload(Payload):
    version: TextVersion | None = strawberry.field(default=None, description="The version.")
    chapter: Chapter | None = strawberry.field(default=None, description="Its chapter.")


@strawberry.type(description="The rejected version.")
class ChapterVersionRejectPayload(Payload):
    version: TextVersion | None = strawberry.field(default=None, description="The version.")
