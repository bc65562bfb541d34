"""Assistants through HTTP: made, given versions, shared, and used by others."""

from __future__ import annotations

from typing import Any

import pytest

from domain.accounts import Role
from domain.ids import new_id
from schema.ids import encode_id
from tests.graphql.assistants import VERSION_NODE, begins_with, give, listed, make, names, publish, published, seen
from tests.graphql.clients import Person, Site

KEY = "sk-" + "a1B2" * 8


@pytest.fixture
async def maker(site: Site) -> Person:
    return await site.tenant()


async def test_an_assistant_is_made_given_versions_changed_and_deleted(maker: Person) -> None:
    assistant = await make(maker, " Plotter ", description="Finds plots.", category="PLOT", tags=["Long Plots", "#art"])
    made = await seen(maker, assistant)
    me = (await maker("{ me { user { id } } }"))["user"]["id"]
    assert (made["name"], made["category"], made["tags"]) == ("Plotter", "PLOT", ["long-plots", "art"])
    assert (made["visibility"], made["owner"], made["currentVersion"]) == ("PRIVATE", {"id": me}, None)
    base = encode_id("KnowledgeBase", new_id())
    first = await give(
        maker, assistant, "You find plots.", greeting="Hello.", openingMessages=["Begin."], changelog="First.",
        examples=[{"user": "A ship?", "assistant": "It sinks."}], tools=[{"name": "search", "description": "Looks up."}],
        modelPreferences={"model": "demo-writer", "temperature": 0.5, "maxOutputTokens": 800}, knowledgeBaseIds=[base],
    )  # fmt: skip
    assert {**first, "id": "", "createdAt": ""} == {
        "id": "", "number": 1, "prompt": "You find plots.", "greeting": "Hello.", "openingMessages": ["Begin."],
        "changelog": "First.", "createdAt": "", "examples": [{"user": "A ship?", "assistant": "It sinks."}],
        "tools": [{"name": "search", "description": "Looks up."}], "knowledgeBaseIds": [base],
        "modelPreferences": {"model": "demo-writer", "temperature": 0.5, "maxOutputTokens": 800},
    }  # fmt: skip
    second = await give(maker, assistant, "You find better plots.")
    assert (second["number"], second["modelPreferences"]["temperature"]) == (2, None)
    assert (await seen(maker, assistant))["currentVersion"]["id"] == second["id"]
    assert await maker(VERSION_NODE, id=first["id"]) == first
    await maker.mutate("assistantUpdate", id=assistant, description="", tags=[])
    now = await seen(maker, assistant)
    assert (now["name"], now["description"], now["tags"]) == ("Plotter", "", [])
    assert (await maker.mutate("assistantDelete", "deletedId", id=assistant))["deletedId"] == assistant
    assert await seen(maker, assistant) is None
    assert await maker(VERSION_NODE, id=first["id"]) is None
    assert await maker.refusal("assistantDelete", id=assistant) == ("NOT_FOUND", ["input", "id"])


async def test_versions_come_newest_first_in_pages(maker: Person) -> None:
    assistant = await make(maker)
    for number in range(3):
        await give(maker, assistant, f"Prompt {number}.")
    query = """query ($id: ID!, $after: String) { node(id: $id) { ... on Assistant {
      versions(first: 2, after: $after) { edges { node { number prompt } } pageInfo { endCursor hasNextPage } } } } }"""
    page = (await maker(query, id=assistant))["versions"]
    rest = (await maker(query, id=assistant, after=page["pageInfo"]["endCursor"]))["versions"]
    assert [edge["node"]["number"] for edge in [*page["edges"], *rest["edges"]]] == [3, 2, 1]
    assert (page["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)


async def test_a_private_one_is_its_owners_alone_and_the_tenants_is_the_tenants(site: Site, maker: Person) -> None:
    member, stranger = await site.member(maker, Role.VIEWER), await site.tenant()
    assistant = await make(maker)
    version = await give(maker, assistant)
    for other in (member, stranger):
        assert await seen(other, assistant) is None
        assert await other(VERSION_NODE, id=version["id"]) is None
        assert await listed(other, filter={"scope": "TENANT"}) == []
    await publish(maker, assistant, "TENANT")
    assert (await seen(member, assistant))["visibility"] == "TENANT"
    assert await member(VERSION_NODE, id=version["id"]) == version
    assert await names(member) == ["Plotter"]
    assert await seen(stranger, assistant) is None
    unpublished = await maker.mutate("assistantUnpublish", "assistant { visibility }", assistantId=assistant)
    assert unpublished["assistant"] == {"visibility": "PRIVATE"}
    assert await seen(member, assistant) is None


async def test_its_owner_or_an_administrator_changes_it(site: Site, maker: Person) -> None:
    author, admin = await site.member(maker, Role.AUTHOR), await site.member(maker, Role.ADMIN)
    assistant = await make(maker)
    await give(maker, assistant)
    assert await admin.refusal("assistantUpdate", id=assistant, name="x") == ("NOT_FOUND", ["input", "id"])
    await publish(maker, assistant, "TENANT")
    assert await author.refusal("assistantUpdate", id=assistant, name="x") == ("FORBIDDEN", ["input", "id"])
    for name, given in (
        ("assistantVersionCreate", {"prompt": "x"}), ("assistantPublish", {}), ("assistantUnpublish", {}),
    ):  # fmt: skip
        refusal = await author.refusal(name, assistantId=assistant, **given)
        assert refusal == ("FORBIDDEN", ["input", "assistantId"])
    assert (await give(admin, assistant))["number"] == 2
    mine = await make(author, "Mine")
    assert (await give(author, mine))["number"] == 1


async def test_a_published_one_is_everybodys_without_what_is_secret(site: Site, maker: Person) -> None:
    stranger = await site.tenant()
    assistant = await make(maker, "Plotter", description=f"Ask with {KEY}", tags=["plots"])
    base = encode_id("KnowledgeBase", new_id())
    prompt = f"Use the key {KEY} with https://me:hunter2@db.example/x."
    version = await give(
        maker, assistant, prompt, knowledgeBaseIds=[base],
        examples=[{"user": "the password: open-sesame", "assistant": "Yes."}],
    )  # fmt: skip
    left_out = [
        {"path": "description", "reason": "API_KEY"},
        {"path": "prompt", "reason": "URL_CREDENTIALS"},
        {"path": "prompt", "reason": "API_KEY"},
        {"path": "examples[0].user", "reason": "PASSWORD"},
        {"path": "knowledgeBaseIds[0]", "reason": "KNOWLEDGE_BASE"},
    ]
    preview = """query ($id: ID!) { assistantPublishPreview(input: {assistantId: $id}) {
      name description tags prompt stripped { path reason } } }"""
    beforehand = await maker(preview, id=assistant)
    assert beforehand["stripped"] == left_out
    assert await publish(maker, assistant) == left_out
    copy = await stranger(VERSION_NODE, id=version["id"])
    assert copy["prompt"] == beforehand["prompt"] == "Use the key [removed] with https://[removed]@db.example/x."
    assert (copy["knowledgeBaseIds"], copy["examples"][0]["user"]) == ([], "the password: [removed]")
    shown = await seen(stranger, assistant)
    assert (shown["description"], shown["owner"], shown["publisher"]) == ("Ask with [removed]", None, "Owner")
    assert shown["currentVersion"]["id"] == shown["publishedVersion"]["id"] == version["id"]
    own = await seen(maker, assistant)
    assert own["currentVersion"]["prompt"] == prompt
    assert await stranger(preview, id=assistant) is None


async def test_a_new_version_is_the_makers_until_it_is_published(site: Site, maker: Person) -> None:
    stranger = await site.tenant()
    assistant = await published(maker)
    second = await give(maker, assistant, "Better.")
    await maker.mutate("assistantUpdate", id=assistant, name="Renamed")
    shown = await seen(stranger, assistant)
    assert (shown["name"], shown["currentVersion"]["number"]) == ("Plotter", 1)
    assert await stranger(VERSION_NODE, id=second["id"]) is None
    own = await seen(maker, assistant)
    assert (own["currentVersion"]["number"], own["publishedVersion"]["number"]) == (2, 1)
    await publish(maker, assistant)
    shown = await seen(stranger, assistant)
    assert (shown["name"], shown["currentVersion"]["number"]) == ("Renamed", 2)


@pytest.mark.parametrize("visibility", ["TENANT", "PUBLIC"])
async def test_the_tenants_members_see_no_draft_either(site: Site, maker: Person, visibility: str) -> None:
    member, admin = await site.member(maker, Role.EDITOR), await site.member(maker, Role.ADMIN)
    versions = "query ($id: ID!) { node(id: $id) { ... on Assistant { versions { edges { node { number } } } } } }"

    async def seen_by(person: Person) -> tuple[Any, Any, list[int]]:
        shown, listing = await seen(person, assistant), await person(versions, id=assistant)
        numbers = [edge["node"]["number"] for edge in listing["versions"]["edges"]]
        return (shown["currentVersion"] or {}).get("number"), (shown["publishedVersion"] or {}).get("number"), numbers

    assistant = await make(maker)
    for prompt in ("One.", "Two."):
        await give(maker, assistant, prompt)
    assert await seen_by(maker) == (2, None, [2, 1])
    await publish(maker, assistant, visibility)
    draft = await give(maker, assistant, "Three.")
    for person in (maker, admin):
        assert await seen_by(person) == (3, 2, [3, 2, 1])
        assert (await person(VERSION_NODE, id=draft["id"]))["prompt"] == "Three."
    assert await seen_by(member) == (2, 2, [2, 1])
    assert await member(VERSION_NODE, id=draft["id"]) is None
    refusal = await member.refusal("conversationCreate", assistantVersionId=draft["id"])
    assert refusal == ("NOT_FOUND", ["input", "assistantVersionId"])
    assert [await begins_with(one, assistant) for one in (maker, admin, member)] == [3, 3, 2]
    await publish(maker, assistant, visibility)
    assert await seen_by(member) == (3, 3, [3, 2, 1])
    await maker.mutate("assistantUnpublish", assistantId=assistant)
    assert await seen_by(maker) == (3, None, [3, 2, 1])
    assert await seen(member, assistant) is None
    refusal = await member.refusal("conversationCreate", assistantId=assistant)
    assert refusal == ("NOT_FOUND", ["input", "assistantId"])


@pytest.mark.parametrize("hide", ["assistantUnpublish", "assistantDelete", "TENANT"])
async def test_what_is_withdrawn_is_nobody_elses(site: Site, maker: Person, hide: str) -> None:
    stranger = await site.tenant()
    assistant = await published(maker)
    version = (await seen(stranger, assistant))["currentVersion"]["id"]
    await stranger.mutate("assistantInstall", assistantId=assistant)
    if hide == "TENANT":
        await publish(maker, assistant, "TENANT")
    else:
        await maker.mutate(hide, **{"id" if hide == "assistantDelete" else "assistantId": assistant})
    assert await seen(stranger, assistant) is None
    assert await stranger(VERSION_NODE, id=version) is None
    assert await listed(stranger, filter={"scope": "INSTALLED"}) == []
    for name, given in (
        ("assistantReact", {"kind": "LIKE"}), ("assistantRate", {"rating": 5}), ("assistantInstall", {}),
        ("assistantReport", {"reason": "SPAM"}),
    ):  # fmt: skip
        refusal = await stranger.refusal(name, assistantId=assistant, **given)
        assert refusal == ("NOT_FOUND", ["input", "assistantId"]), name


async def test_what_cannot_be_published_is_refused(maker: Person) -> None:
    assistant = await make(maker)
    refusal = await maker.refusal("assistantPublish", assistantId=assistant)
    assert refusal == ("INVALID_STATE", ["input", "assistantId"])
    await give(maker, assistant)
    refusal = await maker.refusal("assistantPublish", assistantId=assistant, visibility="PRIVATE")
    assert refusal == ("BAD_USER_INPUT", ["input", "visibility"])


async def test_publishing_is_in_the_audit_log(maker: Person) -> None:
    assistant = await published(maker)
    await maker.mutate("assistantUnpublish", assistantId=assistant)
    await maker.mutate("assistantDelete", id=assistant)
    query = "query ($id: ID!) { auditEntries(subjectId: $id) { edges { node { action details } } } }"
    entries = [edge["node"] for edge in (await maker(query, id=assistant))["edges"]]
    assert [one["action"] for one in entries] == ["assistant.delete", "assistant.unpublish", "assistant.publish"]
    assert entries[-1]["details"] == {"visibility": "PUBLIC", "stripped": 0}


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"prompt": "x" * 20_001}, "TOO_LONG", "prompt"),
        ({"prompt": " "}, "EMPTY", "prompt"),
        ({"examples": [{"user": "a", "assistant": "b"}] * 21}, "LIMIT_REACHED", "examples"),
        ({"openingMessages": ["x"] * 11}, "LIMIT_REACHED", "openingMessages"),
        ({"tools": [{"name": "no blanks"}]}, "BAD_USER_INPUT", "tools"),
    ],
)
async def test_what_cannot_be_a_version_is_refused(
    maker: Person, change: dict[str, Any], code: str, field: str
) -> None:
    assistant = await make(maker)
    given = {"assistantId": assistant, "prompt": "x", **change}
    assert await maker.refusal("assistantVersionCreate", **given) == (code, ["input", field])
    assert (await seen(maker, assistant))["currentVersion"] is None


async def test_the_edges_of_what_can_be_a_version(maker: Person) -> None:
    made = await give(
        maker, await make(maker, "n" * 200), "x" * 20_000, examples=[{"user": "a", "assistant": "b"}] * 20,
        openingMessages=["x"] * 10,
    )  # fmt: skip
    assert (len(made["prompt"]), len(made["examples"]), len(made["openingMessages"])) == (20_000, 20, 10)
