"""Assistants, their versions, and what is counted and said of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from domain.assistants import entities
from domain.assistants.entities import Category, ReactionKind, ReportReason, Visibility
from domain.assistants.stripping import StripReason
from persistence.assistants import reads
from persistence.paging import PAGE_DEFAULT, check_first
from schema.accounts import User
from schema.base import Connection, Node, described_enum, mapped
from schema.batched import Call, First, batched, found, ids_of, needs, paged, reference
from schema.context import Info
from schema.cost import Cost
from schema.ids import encode_id

described_enum(
    Visibility,
    PRIVATE="Its owner alone.",
    TENANT="Every member of the tenant.",
    PUBLIC="Everybody; of what is not the tenant's own, a copy without secrets.",
)
described_enum(
    Category,
    PLOT="Plots, outlines and twists.",
    CHARACTER="Characters and their voices.",
    WORLD="Worlds, places and rules.",
    DRAFTING="Writing scenes and chapters.",
    STYLE="Style, tone and rhythm.",
    EDITING="Revising, shortening and proofreading.",
    TRANSLATION="Translating between languages.",
    RESEARCH="Facts, history and sources.",
    MARKETING="Blurbs, titles and letters to publishers.",
    ROLEPLAY="Talking with a character.",
    OTHER="Anything else.",
)
described_enum(ReactionKind, LIKE="It is good: everybody sees how many say so.", FAVOURITE="To find it again.")
described_enum(
    ReportReason,
    SPAM="It advertises, or does not do what it says.",
    HARMFUL="It does harm.",
    COPYRIGHT="It is somebody else's work.",
    PRIVACY="It tells what is somebody's own.",
    OTHER="Something else: the words say what.",
)
described_enum(
    StripReason,
    API_KEY="A key to a service.",
    TOKEN="A token, or what looks as random as one.",
    PRIVATE_KEY="A private key.",
    PASSWORD="A password.",
    URL_CREDENTIALS="A password or a key in a URL.",
    KNOWLEDGE_BASE="A knowledge base, which is its tenant's own.",
)


@strawberry.type(description="A question and the answer that an assistant should give.", directives=[Cost(weight=0)])
class AssistantExample:
    user: str = strawberry.field(description="What somebody says.")
    assistant: str = strawberry.field(description="What the assistant answers.")


@strawberry.type(
    description="A tool that an assistant is written for. It is kept with it; no model is told of it here.",
    directives=[Cost(weight=0)],
)
class AssistantTool:
    name: str = strawberry.field(description="Its name.")
    description: str = strawberry.field(description="What it is for.")


@strawberry.type(
    description="How an assistant would be run; a null leaves it to the conversation.", directives=[Cost(weight=0)]
)
class AssistantModelPreferences:
    model: str | None = strawberry.field(description="The model, by its public name.")
    temperature: float | None = strawberry.field(description="0 to 2: how freely it chooses its words.")
    max_output_tokens: int | None = strawberry.field(description="How long an answer may be.")


@mapped(
    entities.AssistantVersion,
    number="Counted from 1.",
    prompt="What the model is told before every conversation.",
    greeting="What the assistant says first; empty for nothing.",
    changelog="What is different from the version before.",
    created_at="When it was made; of another tenant's, when it was published.",
)
class AssistantVersion(Node):
    """One state of an assistant. It is never changed. Of another tenant's it is the published copy."""

    @strawberry.field(
        description="What it says behind its greeting, a message each.", metadata=needs("opening_messages")
    )
    def opening_messages(self) -> list[str]:
        return list(self.opening_messages)

    @strawberry.field(description="How it should answer.", metadata=needs("examples"))
    def examples(self) -> list[AssistantExample]:
        return [AssistantExample(**one) for one in self.examples]

    @strawberry.field(description="The tools that it is written for.", metadata=needs("tools"))
    def tools(self) -> list[AssistantTool]:
        return [AssistantTool(**one) for one in self.tools]

    @strawberry.field(description="How to run it.", metadata=needs("model", "temperature", "max_output_tokens"))
    def model_preferences(self) -> AssistantModelPreferences:
        return AssistantModelPreferences(
            model=self.model, temperature=self.temperature, max_output_tokens=self.max_output_tokens
        )

    @strawberry.field(
        description="The knowledge bases that it looks things up in; none of another tenant's.",
        metadata=needs("knowledge_base_ids"),
    )
    def knowledge_base_ids(self) -> list[strawberry.ID]:
        return [strawberry.ID(encode_id("KnowledgeBase", UUID(one))) for one in self.knowledge_base_ids]


@strawberry.type(description="What is counted of an assistant, over all tenants.", directives=[Cost(weight=0)])
class AssistantStatistics:
    likes: int = strawberry.field(description="How many like it.")
    favourites: int = strawberry.field(description="How many keep it among their favourites.")
    installs: int = strawberry.field(description="How often it is installed.")
    ratings: int = strawberry.field(description="How many have rated it.")
    rating: float | None = strawberry.field(description="The mean of the ratings, 1 to 5; null while there are none.")
    conversations: int = strawberry.field(description="How many conversations were begun with it.")


@strawberry.type(description="What you have to do with an assistant.", directives=[Cost(weight=0)])
class AssistantViewer:
    liked: bool = strawberry.field(description="Whether you like it.")
    favourite: bool = strawberry.field(description="Whether it is among your favourites.")
    rating: int | None = strawberry.field(description="Your rating, 1 to 5; null for none.")
    words: str = strawberry.field(description="What you said with it; empty for nothing.")
    installed_version: AssistantVersion | None = strawberry.field(
        description="The version that you have installed; null when it is not installed, or not public any more."
    )
    update_available: bool = strawberry.field(
        description="Whether a newer version than the installed one is published."
    )


@strawberry.type(description="What somebody said with a rating.", directives=[Cost(weight=0)])
class AssistantReview:
    rating: int = strawberry.field(description="1 to 5.")
    words: str = strawberry.field(description="What was said.")
    at: datetime = strawberry.field(description="When it was said.")


@mapped(
    entities.Assistant,
    name="What it is called.",
    description="What it is for.",
    created_at="When it was made; of another tenant's, when it was first published.",
    updated_at="When it was last changed; of another tenant's, published.",
)
class Assistant(Node):
    """A prompt with what belongs to it: one of the tenant's own, or a published one of another."""

    category: Category = strawberry.field(description="What it helps with.")
    visibility: Visibility = strawberry.field(description="Who sees it.")
    owner: User | None = reference("User", "owner_id", description="Whose it is; null for one of another tenant.")
    current_version: AssistantVersion | None = found(
        "AssistantVersion", lambda row: row.current_version_id, metadata=needs("current_version_id"),
        description="The newest version; of what you may not change, the published one. Null while there is none.",
    )  # fmt: skip
    published_version: AssistantVersion | None = found(
        "AssistantVersion", lambda row: row.published_version_id, metadata=needs("published_version_id"),
        description="The version that others see: the tenant's members, and everybody when it is public. Null while it "
        "is private.",
    )  # fmt: skip

    @strawberry.field(description="Whose it is, by name, for one of another tenant.", metadata=needs("publisher"))
    def publisher(self) -> str | None:
        return self.publisher  # type: ignore[return-value]

    @strawberry.field(description="Words that it is found by.", metadata=needs("tags"))
    def tags(self) -> list[str]:
        return list(self.tags)

    @strawberry.field(
        description="What is counted of it.",
        metadata=needs("likes", "favourites", "installs", "ratings", "rating_sum", "conversations"),
    )
    def statistics(self) -> AssistantStatistics:
        row: Any = self
        return AssistantStatistics(
            likes=row.likes, favourites=row.favourites, installs=row.installs, ratings=row.ratings,
            rating=row.rating_sum / row.ratings if row.ratings else None, conversations=row.conversations,
        )  # fmt: skip

    @paged(
        Connection[AssistantVersion], "AssistantVersion",
        description="Its versions, newest first; of what you may not change, those up to the published one.",
    )  # fmt: skip
    def versions() -> Call:
        return Call(reads.VERSIONS)

    @batched(
        description="The newest ratings with words, without names. What the tenant's members said before it was "
        "public, the tenant alone reads.",
        columns=("id",),
    )
    async def reviews(assistants: list[Any], info: Info, first: First = PAGE_DEFAULT) -> list[list[AssistantReview]]:
        most, ids = check_first(first), ids_of(assistants)
        found = await info.context.reads.lists(reads.REVIEWS, "assistant_id", ids, first=most)
        return [[AssistantReview(rating=one.stars, words=one.words, at=one.rated_at) for one in each] for each in found]

    @batched(description="What you have to do with it.", columns=("id", "installed_version_id", "published_version_id"))
    async def viewer(assistants: list[Any], info: Info) -> list[AssistantViewer]:
        said = await info.context.reads.values(reads.MARKS, None, ids_of(assistants))
        installed = await info.context.reads.many("AssistantVersion", [one.installed_version_id for one in assistants])
        return [_viewer(*each) for each in zip(assistants, said, installed, strict=True)]


def _viewer(assistant: Any, said: Any, installed: Any) -> AssistantViewer:
    return AssistantViewer(
        liked=said is not None and said.liked, favourite=said is not None and said.favourite,
        rating=said.stars if said is not None else None, words=said.words if said is not None else "",
        installed_version=installed,
        update_available=installed is not None and installed.id != assistant.published_version_id,
    )  # fmt: skip


@strawberry.type(description="What was left out of a published copy.", directives=[Cost(weight=0)])
class AssistantStripped:
    path: str = strawberry.field(description="Where it stood, such as `examples[2].user`.")
    reason: StripReason = strawberry.field(description="Why it is left out.")


@strawberry.type(description="What publishing an assistant to everybody would show now.")
class AssistantPublishPreview:
    name: str = strawberry.field(description="Its name.")
    description: str = strawberry.field(description="What it is for.")
    tags: list[str] = strawberry.field(description="Its tags.")
    prompt: str = strawberry.field(description="The prompt of its current version.")
    stripped: list[AssistantStripped] = strawberry.field(description="What would be left out.")


@strawberry.type(description="How many published assistants a category has.", directives=[Cost(weight=0)])
class AssistantCategoryCount:
    category: Category = strawberry.field(description="The category.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="How many published assistants have a tag.", directives=[Cost(weight=0)])
class AssistantTagCount:
    tag: str = strawberry.field(description="The tag.")
    count: int = strawberry.field(description="How many.")
