"""Messages are found again, in Chinese and in English, and only by who has said them or was answered."""

from __future__ import annotations

from typing import Any

import pytest

from domain.accounts import Role
from tests.graphql.clients import Person, Site
from tests.graphql.talks import begin, send

SEARCH = """
query($query: String!, $first: Int! = 20, $after: String) {
  messageSearch(query: $query, first: $first, after: $after) {
    edges { cursor node { snippet message { text role } conversation { title } } } pageInfo { hasNextPage endCursor }
  }
}"""
SAID = [
    "The lanterns were burning along the quay.",
    "雾笛在清晨响了两次，没有人回答。",
    "A lantern for the ninth guest.",
]


@pytest.fixture(scope="module")
async def talker(site: Site) -> Person:
    person = await site.tenant()
    for n, words in enumerate(SAID):
        await send(person, await begin(person, title=f"Talk {n}"), words)
    return person


async def found(person: Person, query: str, **more: Any) -> list[str]:
    edges = (await person(SEARCH, query=query, **more))["edges"]
    return [edge["node"]["message"]["text"] for edge in edges]


async def test_english_words_are_found_in_any_form_the_newest_first(talker: Person) -> None:
    assert await found(talker, "lantern") == [SAID[2], SAID[0]]
    assert await found(talker, "burn quay") == [SAID[0]]
    assert await found(talker, '"ninth guest"') == [SAID[2]]


async def test_chinese_is_found_as_it_stands(talker: Person) -> None:
    assert await found(talker, "雾笛") == [SAID[1]]
    assert await found(talker, "清晨响了两次") == [SAID[1]]
    assert await found(talker, "笛雾") == []


async def test_a_snippet_marks_what_was_sought(talker: Person) -> None:
    [english] = (await talker(SEARCH, query="quay"))["edges"]
    assert english["node"]["snippet"] == "lanterns were burning along the «quay»"
    [chinese] = (await talker(SEARCH, query="清晨"))["edges"]
    assert chinese["node"]["snippet"] == "雾笛在«清晨»响了两次，没有人回答。"
    assert chinese["node"]["conversation"]["title"] == "Talk 1"


async def test_hits_come_in_pages(talker: Person) -> None:
    first = await talker(SEARCH, query="lantern", first=1)
    assert first["pageInfo"]["hasNextPage"] is True
    assert await found(talker, "lantern", first=1, after=first["pageInfo"]["endCursor"]) == [SAID[0]]


async def test_deleted_conversations_and_those_of_others_are_not_searched(site: Site, talker: Person) -> None:
    talk = await begin(talker, title="Gone")
    await send(talker, talk, "A zeppelin over the quay.")
    assert await found(talker, "zeppelin") == ["A zeppelin over the quay."]
    for other in (await site.member(talker, Role.ADMIN), await site.tenant()):
        assert await found(other, "zeppelin") == []
    await talker.mutate("conversationDelete", "conversation { id }", id=talk)
    assert await found(talker, "zeppelin") == []


@pytest.mark.parametrize(
    ("query", "code"), [("", "EMPTY"), ("a" * 201, "TOO_LONG"), ("two\nlines", "INVALID_CHARACTERS")]
)
async def test_a_query_is_a_short_line(talker: Person, query: str, code: str) -> None:
    assert await talker.code(SEARCH, query=query) == code


async def test_a_query_of_two_hundred_characters_is_asked(talker: Person) -> None:
    assert await found(talker, "a" * 200) == []
