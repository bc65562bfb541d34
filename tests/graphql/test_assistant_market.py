"""Assistants as others use them: what they say of them, install, and find in the market."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from domain.accounts import Role
from tests.graphql.assistants import begins_with, give, listed, make, names, publish, published, seen
from tests.graphql.clients import Person, Site


@pytest.fixture
async def maker(site: Site) -> Person:
    return await site.tenant()


@pytest.fixture
def word() -> str:
    """A word that no other test's assistants have."""
    return "w" + secrets.token_hex(6)


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
