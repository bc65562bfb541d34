"""Types of the projects room: projects, outline, chapters, versions."""

from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain import projects as domain
from domain.projects import NodeStatus, OutlineKind, ProjectStatus, VersionOrigin, VersionState
from domain.projects.service import NODES_MAX
from domain.text import clean_filter
from persistence.generation import reads as generation_reads
from persistence.listing import contains
from persistence.projects import reads
from persistence.story import reads as story_reads
from schema.base import Connection, Node, described_enum, mapped
from schema.batched import Call, batched, found, id_of, ids_of, needs, paged, reference
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
        description="The version that was current when this one was made.",
        metadata=id_of("TextVersion", "base_version_id"),
    )
    def base_version_id(self) -> strawberry.ID | None:
        return _global("TextVersion", self.base_version_id)

    generation: LazyGeneration | None = reference(
        "Generation", "generation_id", description="The generation that wrote it."
    )


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

    @strawberry.field(
        description="The node that contains it; null at the top.", metadata=id_of("OutlineNode", "parent_id")
    )
    def parent_id(self) -> strawberry.ID | None:
        return _global("OutlineNode", self.parent_id)

    chapter: Annotated["Chapter", strawberry.lazy("schema.projects.types")] | None = found(
        "Chapter",
        lambda node: node.id if node.kind == OutlineKind.CHAPTER else None,
        description="The same node as a chapter; null for the other kinds.",
        metadata=needs("id", "kind"),
    )


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

    @strawberry.field(
        description="The volume or arc that contains it; null at the top.", metadata=id_of("OutlineNode", "parent_id")
    )
    def parent_id(self) -> strawberry.ID | None:
        return _global("OutlineNode", self.parent_id)

    project: Annotated["Project", strawberry.lazy("schema.projects.types")] = reference(
        "Project", "project_id", description="The project it belongs to."
    )
    current_version: TextVersion | None = reference(
        "TextVersion", "current_version_id", description="The text that counts; null while nothing was written."
    )

    @paged(Connection[TextVersion], "TextVersion", description="Every text it had or could have, newest first.")
    def versions() -> Call:
        return Call(reads.VERSIONS)

    @paged(Connection[LazyGeneration], "Generation", description="Every generation asked for, newest first.")
    def generations() -> Call:
        return Call(generation_reads.GENERATIONS)


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

    @paged(Connection[Chapter], "Chapter", description="Its chapters in reading order.")
    def chapters() -> Call:
        return Call(reads.CHAPTERS)

    @batched(
        description="The whole outline in reading order, at most 2,000 nodes.",
        columns=("id",),
        directives=[ListSize(assumed_size=200)],
    )
    async def outline(projects: list[Any], info: Info) -> list[list[OutlineNode]]:
        return await info.context.reads.lists(reads.OUTLINES, "project_id", ids_of(projects), limit=NODES_MAX)

    @paged(Connection[CodexEntry], "CodexEntry", description="Its characters, places and other entries, by name.")
    def codex_entries(
        filter: Annotated[CodexEntryFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Call:
        wanted = filter or CodexEntryFilter()
        name = clean_filter(wanted.name_contains, "nameContains")
        return Call(story_reads.ENTRIES, {"kind": wanted.kind, "name": contains(name) if name else None})


@strawberry.type(description="Something a search found.")
class SearchHit:
    kind: str = strawberry.field(description="PROJECT or CHAPTER for a title, TEXT for a passage.")
    title: str = strawberry.field(description="The title of the project or chapter.")
    snippet: str = strawberry.field(description="Where it was found; the words sought stand between « and ».")
    project_id: strawberry.Private[Any]
    node_id: strawberry.Private[Any]

    project: Project = found("Project", attrgetter("project_id"), description="The project it lies in.")
    chapter: Chapter | None = found(
        "Chapter", attrgetter("node_id"),
        description="The chapter it lies in; null for a project's title and other outline nodes.",
    )  # fmt: skip
