"""Assistants as their makers and users ask for them."""

from __future__ import annotations

from typing import Any

from tests.graphql.clients import Person

VERSION = """id number prompt greeting openingMessages changelog createdAt examples { user assistant }
  tools { name description } modelPreferences { model temperature maxOutputTokens } knowledgeBaseIds"""
ASSISTANT = """id name description category tags visibility publisher owner { id }
  currentVersion { id number prompt } publishedVersion { id number }
  statistics { likes favourites installs ratings rating conversations }
  viewer { liked favourite rating words updateAvailable installedVersion { id number prompt } }"""
LIST = f"""query ($search: String, $tags: [String!], $filter: AssistantFilter, $orderBy: AssistantOrder, $first: Int! = 50,
    $after: String) {{
  assistants(search: $search, tags: $tags, filter: $filter, orderBy: $orderBy, first: $first, after: $after) {{
    edges {{ node {{ {ASSISTANT} }} cursor }} pageInfo {{ hasNextPage endCursor }}
  }} }}"""
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Assistant {{ {ASSISTANT} }} }} }}"
VERSION_NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on AssistantVersion {{ {VERSION} }} }} }}"


async def make(person: Person, name: str = "Plotter", /, **values: Any) -> str:
    """The id of a new assistant without a version."""
    made = await person.mutate("assistantCreate", "assistant { id }", name=name, **values)
    return str(made["assistant"]["id"])


async def give(person: Person, assistant: str, prompt: str = "You find plots.", **values: Any) -> Any:
    """A new version of it."""
    made = await person.mutate(
        "assistantVersionCreate", f"version {{ {VERSION} }}", assistantId=assistant, prompt=prompt, **values
    )
    assert made["userErrors"] == [], made
    return made["version"]


async def publish(person: Person, assistant: str, visibility: str = "PUBLIC", **values: Any) -> Any:
    """What was left out."""
    given = {"assistantId": assistant, "visibility": visibility, **values}
    made = await person.mutate("assistantPublish", f"assistant {{ {ASSISTANT} }} stripped {{ path reason }}", **given)
    assert made["userErrors"] == [], made
    return made["stripped"]


async def published(person: Person, name: str = "Plotter", /, **values: Any) -> str:
    """The id of a new one with a version, for everybody."""
    prompt = values.pop("prompt", "You find plots.")
    assistant = await make(person, name, **values)
    await give(person, assistant, prompt)
    await publish(person, assistant)
    return assistant


async def listed(person: Person, **values: Any) -> list[Any]:
    return [edge["node"] for edge in (await person(LIST, **values))["edges"]]


async def names(person: Person, **values: Any) -> list[str]:
    return [one["name"] for one in await listed(person, **values)]


async def seen(person: Person, assistant: str) -> Any:
    """As the person sees it; None where he does not."""
    return await person(NODE, id=assistant)


async def begins_with(person: Person, assistant: str) -> int:
    """The number of the version that a new conversation has."""
    made = await person.mutate(
        "conversationCreate", "conversation { assistantVersion { number } }", assistantId=assistant
    )
    return int(made["conversation"]["assistantVersion"]["number"])
