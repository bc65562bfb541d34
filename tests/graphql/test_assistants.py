"""Assistants through HTTP: made, given versions, shared, and used by others."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from domain.accounts import Role
from domain.ids import new_id
from schema.ids import encode_id
from tests.graphql.assistants import VERSION_NODE, give, listed, make, names, publish, published, seen
from tests.graphql.clients import Person, Site

KEY = "sk-" + "a1B2" * 8


@pytest.fixture
async def maker(site: Site) -> Person:
    return await site.tenant()


@pytest.fixture
def word() -> str:
    """A word that no other test's assistants have."""
    return "w" + secrets.token_hex(6)


async def begins_with(person: Person, assistant: str) -> int:
    """The number of the version that a new conversation has."""
    made = await person.mutate(
        "conversationCreate", "conversation { assistantVersion { number } }", assistantId=assistant
    )
    return int(made["conversation"]["assistantVersion"]["number"])


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


async def test_likes_favourites_and_ratings_are_counted_once_for_each_user(site: Site, maker: Person) -> None:
    fan, critic = await site.tenant(), await site.tenant()
    assistant = await published(maker)
    fields = "assistant { statistics { likes favourites ratings rating } viewer { liked favourite rating words } }"
    for _ in range(2):
        made = await fan.mutate("assistantReact", fields, assistantId=assistant, kind="LIKE", on=True)
        assert made["assistant"]["statistics"]["likes"] == 1
    await critic.mutate("assistantReact", assistantId=assistant, kind="FAVOURITE", on=True)
    await fan.mutate("assistantRate", assistantId=assistant, rating=2, words="Dull.")
    made = await fan.mutate("assistantRate", fields, assistantId=assistant, rating=5, words=" Grew on me. ")
    assert made["assistant"]["viewer"] == {"liked": True, "favourite": False, "rating": 5, "words": "Grew on me."}
    made = await critic.mutate("assistantRate", fields, assistantId=assistant, rating=2)
    assert made["assistant"] == {
        "statistics": {"likes": 1, "favourites": 1, "ratings": 2, "rating": 3.5},
        "viewer": {"liked": False, "favourite": True, "rating": 2, "words": ""},
    }
    assert await names(critic, filter={"scope": "FAVOURITES"}) == ["Plotter"]
    assert await names(fan, filter={"scope": "FAVOURITES"}) == []
    for _ in range(2):
        made = await fan.mutate("assistantReact", fields, assistantId=assistant, kind="LIKE", on=False)
        assert made["assistant"]["statistics"]["likes"] == 0
    for wrong in (0, 6):
        refusal = await fan.refusal("assistantRate", assistantId=assistant, rating=wrong)
        assert refusal == ("BAD_USER_INPUT", ["input", "rating"])


async def test_what_is_said_with_ratings_is_shown_newest_first_and_without_names(site: Site, maker: Person) -> None:
    fan, critic = await site.tenant(), await site.tenant()
    assistant = await published(maker)
    query = "query ($id: ID!, $n: Int!) { node(id: $id) { ... on Assistant { reviews(first: $n) { rating words } } } }"
    await fan.mutate("assistantRate", assistantId=assistant, rating=5, words="Fine.")
    await maker.mutate("assistantRate", assistantId=assistant, rating=3)
    await critic.mutate("assistantRate", assistantId=assistant, rating=2, words="Dull.")
    await fan.mutate("assistantReact", assistantId=assistant, kind="LIKE")
    dull, fine = {"rating": 2, "words": "Dull."}, {"rating": 5, "words": "Fine."}
    assert (await maker(query, id=assistant, n=20))["reviews"] == [dull, fine]
    assert (await maker(query, id=assistant, n=1))["reviews"] == [dull]
    await critic.mutate("assistantRate", assistantId=assistant, rating=2)
    assert (await critic(query, id=assistant, n=20))["reviews"] == [fine]
    assert await maker.code(query, id=assistant, n=101) == "BAD_USER_INPUT"
    await maker.mutate("assistantUnpublish", assistantId=assistant)
    assert await fan(query, id=assistant, n=20) is None


async def test_what_a_tenant_says_of_its_own_is_kept_when_it_is_published(site: Site, maker: Person) -> None:
    assistant = await make(maker)
    await give(maker, assistant)
    await maker.mutate("assistantReact", assistantId=assistant, kind="LIKE")
    await maker.mutate("assistantRate", assistantId=assistant, rating=4)
    await publish(maker, assistant)
    stranger = await site.tenant()
    await stranger.mutate("assistantReact", assistantId=assistant, kind="LIKE")
    for person in (maker, stranger):
        counted = (await seen(person, assistant))["statistics"]
        assert (counted["likes"], counted["ratings"], counted["rating"]) == (2, 1, 4.0)


async def test_what_colleagues_say_of_their_own_does_not_become_public_with_it(site: Site, maker: Person) -> None:
    colleague, stranger = await site.member(maker, Role.AUTHOR), await site.tenant()
    query = "query ($id: ID!) { node(id: $id) { ... on Assistant { statistics { ratings } reviews { words } } } }"

    async def read(person: Person) -> tuple[int, list[str]]:
        node = await person(query, id=assistant)
        return node["statistics"]["ratings"], [one["words"] for one in node["reviews"]]

    assistant = await make(maker)
    await give(maker, assistant)
    await publish(maker, assistant, "TENANT")
    await colleague.mutate("assistantRate", assistantId=assistant, rating=5, words="Knows how Mara ends.")
    await publish(maker, assistant)
    assert (await read(stranger), await read(maker)) == ((1, []), (1, ["Knows how Mara ends."]))
    await stranger.mutate("assistantRate", assistantId=assistant, rating=4, words="Fine.")
    for person in (stranger, maker):
        await person.mutate("assistantReact", assistantId=assistant, kind="LIKE")
    assert (await read(stranger), await read(maker)) == ((2, ["Fine."]), (2, ["Fine.", "Knows how Mara ends."]))
    await colleague.mutate("assistantRate", assistantId=assistant, rating=5, words="Said in public.")
    await publish(maker, assistant, "TENANT")
    await maker.mutate("assistantRate", assistantId=assistant, rating=3, words="Said at home.")
    await publish(maker, assistant)
    assert await read(stranger) == (3, ["Said in public.", "Fine."])
    assert await read(colleague) == (3, ["Said at home.", "Said in public.", "Fine."])


async def test_an_installed_one_stays_on_its_version_and_tells_of_a_newer_one(site: Site, maker: Person) -> None:
    user = await site.tenant()
    assistant = await published(maker)
    made = await user.mutate("assistantInstall", "assistant { statistics { installs } }", assistantId=assistant)
    assert made["assistant"]["statistics"] == {"installs": 1}
    await give(maker, assistant, "Better.")
    await publish(maker, assistant)
    [one] = await listed(user, filter={"scope": "INSTALLED"})
    assert (one["viewer"]["installedVersion"]["number"], one["viewer"]["updateAvailable"]) == (1, True)
    assert one["viewer"]["installedVersion"]["prompt"] == "You find plots."
    assert await begins_with(user, assistant) == 1
    await user.mutate("assistantInstall", assistantId=assistant)
    [one] = await listed(user, filter={"scope": "INSTALLED"})
    assert (one["viewer"]["installedVersion"]["number"], one["viewer"]["updateAvailable"]) == (2, False)
    assert one["statistics"]["installs"] == 1
    assert await begins_with(user, assistant) == 2
    assert await listed(maker, filter={"scope": "INSTALLED"}) == []
    await user.mutate("assistantUninstall", assistantId=assistant)
    assert await listed(user, filter={"scope": "INSTALLED"}) == []
    assert (await seen(user, assistant))["statistics"]["installs"] == 0
    refusal = await user.refusal("assistantUninstall", assistantId=assistant)
    assert refusal == ("NOT_FOUND", ["input", "assistantId"])


async def test_the_market_is_searched_in_chinese_and_english(site: Site, maker: Person, word: str) -> None:
    user = await site.tenant()
    await published(maker, "Chapter weaver", description=f"Weaves twisting plots {word}")
    await published(maker, f"悬疑情节设计师 {word}", description="帮助你设计反转")
    await published(maker, "Namer", tags=["悬疑", word])
    assert set(await names(user, search=word)) == {"Chapter weaver", f"悬疑情节设计师 {word}", "Namer"}
    assert await names(user, search=f"twisted plot {word}") == ["Chapter weaver"]
    assert await names(user, search=f"情节 {word}") == [f"悬疑情节设计师 {word}"]
    assert set(await names(user, search=f"悬疑 {word}")) == {f"悬疑情节设计师 {word}", "Namer"}
    assert await names(user, search=f"nothing {word}") == []


async def test_the_market_is_narrowed_by_tags_and_category(site: Site, maker: Person, word: str) -> None:
    user = await site.tenant()
    await published(maker, "Both", category="PLOT", tags=[word, "Long form"])
    await published(maker, "One", category="STYLE", tags=[word])
    assert set(await names(user, tags=[word.upper()])) == {"Both", "One"}
    assert await names(user, tags=[word, "long form"]) == ["Both"]
    assert await names(user, tags=[word], filter={"category": "STYLE"}) == ["One"]
    categories = {one["category"]: one["count"] for one in await user("{ assistantCategories { category count } }")}
    assert len(categories) == 11
    assert min(categories["PLOT"], categories["STYLE"]) >= 1
    tags = await user("{ assistantTags(first: 100) { tag count } }")
    assert {"tag": word, "count": 2} in tags
    assert [one["count"] for one in tags] == sorted((one["count"] for one in tags), reverse=True)


async def test_orders_and_pages_of_the_market(site: Site, maker: Person, word: str) -> None:
    fans = [await site.tenant() for _ in range(2)]
    made = [await published(maker, name, tags=[word]) for name in ("first", "second", "third")]
    for fan in fans:
        await fan.mutate("assistantReact", assistantId=made[1], kind="LIKE")
        await fan.mutate("assistantRate", assistantId=made[0], rating=5)
        await fan.mutate("assistantRate", assistantId=made[1], rating=4)
    await fans[0].mutate("assistantReact", assistantId=made[2], kind="LIKE")
    expected = {
        "NEWEST": ["third", "second", "first"],
        "POPULAR": ["second", "third", "first"],
        "RATING": ["first", "second", "third"],
        "RELEVANCE": ["second", "third", "first"],
    }
    for order, found in expected.items():
        assert await names(fans[0], tags=[word], orderBy=order) == found, order
        paged: list[str] = []
        after = None
        for _ in found:
            page = await fans[0](
                "query ($o: AssistantOrder, $t: [String!], $a: String) { assistants(orderBy: $o, tags: $t, first: 1, "
                "after: $a) { edges { node { name } cursor } } }", o=order, t=[word], a=after,
            )  # fmt: skip
            paged.append(page["edges"][0]["node"]["name"])
            after = page["edges"][0]["cursor"]
        assert paged == found, order


async def test_a_list_with_all_that_belongs_to_it_takes_as_many_statements_however_long(
    site: Site, maker: Person, word: str
) -> None:
    user, database = await site.tenant(), site.api.database
    counts = []
    for _ in range(2):
        for number in range(3):
            assistant = await published(maker, f"{number}", tags=[word])
            await user.mutate("assistantInstall", assistantId=assistant)
        before = database.statements
        await listed(user, tags=[word])
        counts.append(database.statements - before)
    assert counts == [3, 3]  # the list, what the reader says, versions


async def test_a_hundred_likes_at_once_are_a_hundred(site: Site, maker: Person) -> None:
    assistant = await published(maker)
    fans = [await site.tenant() for _ in range(10)]

    async def click(fan: Person, on: bool) -> Any:
        return await fan.mutate("assistantReact", assistantId=assistant, kind="LIKE", on=on)

    await asyncio.gather(*(click(fan, on=True) for fan in fans for _ in range(10)))
    assert (await seen(maker, assistant))["statistics"]["likes"] == 10
    await asyncio.gather(*(click(fan, on=False) for fan in fans[:4] for _ in range(2)))
    assert (await seen(maker, assistant))["statistics"]["likes"] == 6


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
