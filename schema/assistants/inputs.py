"""What can be done with assistants, and what comes of it."""

from enum import StrEnum

import strawberry

from domain.assistants.entities import Category, ReactionKind, ReportReason, Visibility
from schema.assistants.types import Assistant, AssistantStripped, AssistantVersion
from schema.base import Payload, described_enum


class AssistantScope(StrEnum):
    """Which assistants a list shows, of those that you see."""

    ALL = "ALL"
    MINE = "MINE"
    TENANT = "TENANT"
    MARKET = "MARKET"
    INSTALLED = "INSTALLED"
    FAVOURITES = "FAVOURITES"


class AssistantOrder(StrEnum):
    """How a list of assistants is sorted."""

    RELEVANCE = "RELEVANCE"
    POPULAR = "POPULAR"
    NEWEST = "NEWEST"
    RATING = "RATING"


described_enum(
    AssistantScope,
    ALL="The tenant's and the published ones.",
    MINE="Those that you own.",
    TENANT="The tenant's.",
    MARKET="The published ones, the tenant's own among them.",
    INSTALLED="The published ones that you have installed.",
    FAVOURITES="Those among your favourites.",
)
described_enum(
    AssistantOrder,
    RELEVANCE="What fits the searched words best comes first; without any, as POPULAR.",
    POPULAR="The most likes, favourites and installs come first.",
    NEWEST="What was published last comes first, or made, where it is not published.",
    RATING="The best rated come first. Few ratings count less than many.",
)


@strawberry.input(description="Which assistants to list.")
class AssistantFilter:
    scope: AssistantScope = strawberry.field(default=AssistantScope.ALL, description="Of which set.")
    category: Category | None = strawberry.field(default=None, description="Only of this category.")


# -- making ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="An assistant to make. It is yours alone until it is published.")
class AssistantCreateInput:
    name: str = strawberry.field(description="What it is called, up to 200 characters.")
    description: str = strawberry.field(default="", description="What it is for, up to 5,000 characters.")
    category: Category = strawberry.field(default=Category.OTHER, description="What it helps with.")
    tags: list[str] = strawberry.field(
        default_factory=list, description="Up to 10 words that it is found by, of up to 40 characters each."
    )


@strawberry.input(description="What to change of an assistant; what is null or absent stays as it is.")
class AssistantUpdateInput:
    id: strawberry.ID = strawberry.field(description="The assistant.")
    name: str | None = strawberry.field(default=None, description="What it is called.")
    description: str | None = strawberry.field(default=None, description="What it is for.")
    category: Category | None = strawberry.field(default=None, description="What it helps with.")
    tags: list[str] | None = strawberry.field(default=None, description="All its tags.")


@strawberry.input(description="An assistant to delete.")
class AssistantDeleteInput:
    id: strawberry.ID = strawberry.field(description="The assistant.")


@strawberry.input(description="A question and the answer that an assistant should give.")
class AssistantExampleInput:
    user: str = strawberry.field(description="What somebody says, up to 5,000 characters.")
    assistant: str = strawberry.field(description="What the assistant answers, up to 5,000 characters.")


@strawberry.input(description="Something that an assistant may use.")
class AssistantToolInput:
    name: str = strawberry.field(description="Up to 64 letters, digits, hyphens and underscores.")
    description: str = strawberry.field(default="", description="What it is for, up to 5,000 characters.")


@strawberry.input(description="How an assistant would be run; a null leaves it to the conversation.")
class AssistantModelPreferencesInput:
    model: str | None = strawberry.field(default=None, description="The model, by its public name.")
    temperature: float | None = strawberry.field(default=None, description="0 to 2.")
    max_output_tokens: int | None = strawberry.field(default=None, description="1 to 1,000,000.")


@strawberry.input(description="A new version of an assistant. An assistant has up to 200.")
class AssistantVersionCreateInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")
    prompt: str = strawberry.field(description="What the model is told, up to 20,000 characters.")
    greeting: str = strawberry.field(default="", description="What it says first, up to 5,000 characters.")
    opening_messages: list[str] = strawberry.field(
        default_factory=list, description="Up to 10 messages behind its greeting, of up to 500 characters each."
    )
    examples: list[AssistantExampleInput] = strawberry.field(default_factory=list, description="Up to 20.")
    model_preferences: AssistantModelPreferencesInput | None = strawberry.field(
        default=None, description="How to run it."
    )
    tools: list[AssistantToolInput] = strawberry.field(default_factory=list, description="Up to 20.")
    knowledge_base_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Up to 20 knowledge bases to look things up in."
    )
    changelog: str = strawberry.field(default="", description="What is different, up to 5,000 characters.")


@strawberry.input(description="To whom to show an assistant's current version.")
class AssistantPublishInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")
    visibility: Visibility = strawberry.field(
        default=Visibility.PUBLIC, description="TENANT or PUBLIC. To hide it, use `assistantUnpublish`."
    )
    category: Category | None = strawberry.field(default=None, description="As it is if null.")
    tags: list[str] | None = strawberry.field(default=None, description="All its tags; as they are if null.")


@strawberry.input(description="An assistant that somebody thinks of publishing.")
class AssistantPublishPreviewInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")


@strawberry.input(description="An assistant to show to its owner alone.")
class AssistantUnpublishInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")


@strawberry.type(description="The new assistant.")
class AssistantCreatePayload(Payload):
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")


@strawberry.type(description="The assistant as it is now.")
class AssistantUpdatePayload(Payload):
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")


@strawberry.type(description="What was deleted.")
class AssistantDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted assistant's id.")


@strawberry.type(description="The new version, and its assistant as it is now.")
class AssistantVersionCreatePayload(Payload):
    version: AssistantVersion | None = strawberry.field(default=None, description="The version.")
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")


@strawberry.type(description="The assistant as it is shown now, and what was left out of the copy for everybody.")
class AssistantPublishPayload(Payload):
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")
    stripped: list[AssistantStripped] = strawberry.field(
        default_factory=list, description="What was left out; empty for TENANT, which sees all of it."
    )


@strawberry.type(description="The assistant as it is shown now.")
class AssistantUnpublishPayload(Payload):
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")


# -- using -----------------------------------------------------------------------------------------------------------


@strawberry.input(description="A like or a favourite to give or to take back.")
class AssistantReactInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")
    kind: ReactionKind = strawberry.field(description="How to mark it.")
    on: bool = strawberry.field(default=True, description="Whether it should be so; false takes it back.")


@strawberry.input(description="A rating. A second one takes the first one's place.")
class AssistantRateInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")
    rating: int = strawberry.field(description="1 to 5.")
    words: str = strawberry.field(default="", description="Why, up to 2,000 characters.")


@strawberry.input(description="A published assistant to put among your own, in its published version.")
class AssistantInstallInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")


@strawberry.input(description="An installed assistant to be rid of.")
class AssistantUninstallInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")


@strawberry.input(description="What is wrong with a published assistant. A second report takes the first one's place.")
class AssistantReportInput:
    assistant_id: strawberry.ID = strawberry.field(description="The assistant.")
    reason: ReportReason = strawberry.field(description="What is wrong.")
    words: str = strawberry.field(default="", description="More of it, up to 5,000 characters.")


@strawberry.type(description="The assistant as it is now.")
class AssistantReactPayload(Payload):
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")


@strawberry.type(description="The assistant as it is now.")
class AssistantRatePayload(Payload):
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")


@strawberry.type(description="The assistant as it is now.")
class AssistantInstallPayload(Payload):
    assistant: Assistant | None = strawberry.field(default=None, description="The assistant.")


@strawberry.type(description="The assistant as it is now.")
class AssistantUninstallPayload(Payload):
    assistant: Assistant | None = strawberry.field(
        default=None, description="The assistant; null when it is not public any more."
    )


@strawberry.type(description="Whether the report was taken.")
class AssistantReportPayload(Payload):
    reported_id: strawberry.ID | None = strawberry.field(default=None, description="The reported assistant's id.")
