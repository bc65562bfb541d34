"""What mutations and lists of the projects room take, and what its mutations answer."""

from enum import StrEnum

import strawberry
from strawberry import UNSET

from domain.projects import OutlineKind, ProjectStatus
from schema.base import OrderDirection, Payload, described_enum
from schema.projects.types import Chapter, OutlineNode, Project, TextVersion


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
