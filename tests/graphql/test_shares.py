"""Links to read along: what they show, to whom, and until when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from persistence.database import Database
from tests.graphql.clients import Person, Site
from tests.graphql.talks import EDIT, ask, begin, path_of, said, send, written
from workers.runtime import Runtime

SHARED = """
query($token: String!) {
  sharedConversation(token: $token) {
    title expiresAt messages { role state text citations { marker quote documentTitle } }
  }
}"""


async def shared(site: Site, token: str) -> Any:
    """As somebody without credentials is shown it."""
    answer = (await site.post(SHARED, {"token": token})).json()
    assert "errors" not in answer, answer
    return answer["data"]["sharedConversation"]


@pytest.fixture
async def talk(alice: Person, runtime: Runtime) -> str:
    made = await begin(alice, title="Lamps")
    await said(alice, runtime, made, "[demo:chunks=5 delay_ms=0] One?")
    return made


async def share(person: Person, talk: str, **values: Any) -> tuple[str, str]:
    """(id, token)"""
    made = await person.mutate("conversationShareCreate", "token share { id }", conversationId=talk, **values)
    return made["share"]["id"], made["token"]


async def test_a_link_shows_the_path_as_it_was_to_anybody(
    site: Site, alice: Person, runtime: Runtime, talk: str
) -> None:
    path = await path_of(alice, talk)
    _, token = await share(alice, talk)
    await said(alice, runtime, talk, "[demo:chunks=5 delay_ms=0] Said later?")
    edited = await ask(alice, EDIT, messageId=path[0]["id"], text="[demo:chunks=5 delay_ms=0] Otherwise?")
    await written(alice, runtime, edited)
    read = await shared(site, token)
    assert read["title"] == "Lamps"
    assert [(one["role"], one["text"]) for one in read["messages"]] == [(one["role"], one["text"]) for one in path]


async def test_nothing_in_it_leads_anywhere(site: Site, alice: Person, talk: str) -> None:
    _, token = await share(alice, talk)
    shown = json.dumps(await shared(site, token))
    path = await path_of(alice, talk)
    for id_ in (talk, alice.tenant_gid, *(one["id"] for one in path)):
        assert id_ not in shown


async def test_a_link_that_was_taken_back_shows_nothing(site: Site, alice: Person, talk: str) -> None:
    id_, token = await share(alice, talk)
    made = await alice.mutate("conversationShareRevoke", "share { revokedAt }", id=id_)
    assert made["share"]["revokedAt"] is not None
    assert await shared(site, token) is None
    again = await alice.mutate("conversationShareRevoke", "share { revokedAt }", id=id_)
    assert again["share"] == made["share"]


async def test_a_link_ends_by_itself(site: Site, alice: Person, talk: str, admin: Database) -> None:
    _, token = await share(alice, talk, days=1)
    ends = datetime.fromisoformat((await shared(site, token))["expiresAt"])
    assert timedelta(hours=23) < ends - datetime.now(UTC) <= timedelta(days=1)
    async with admin.engine.begin() as connection:
        await connection.execute(text("update app.conversation_shares set expires_at = now()"))
    assert await shared(site, token) is None


async def test_a_link_to_what_was_deleted_shows_nothing(site: Site, alice: Person, talk: str) -> None:
    _, token = await share(alice, talk)
    await alice.mutate("conversationDelete", "conversation { id }", id=talk)
    assert await shared(site, token) is None
    await alice.mutate("conversationRestore", "conversation { id }", id=talk)
    assert (await shared(site, token))["title"] == "Lamps"


async def test_what_is_no_token_shows_nothing(site: Site, alice: Person, talk: str) -> None:
    _, token = await share(alice, talk)
    for wrong in ("", "x", token[:-4] + "AAAA", "A" * len(token), "🦊" * 8):
        assert await shared(site, wrong) is None


@pytest.mark.parametrize("days", [0, 91])
async def test_a_link_holds_for_one_to_ninety_days(alice: Person, talk: str, days: int) -> None:
    refused = await alice.refusal("conversationShareCreate", conversationId=talk, days=days)
    assert refused == ("BAD_USER_INPUT", ["input", "days"])
    await share(alice, talk, days=90)


async def test_only_its_author_shares_a_conversation(site: Site, alice: Person, talk: str) -> None:
    admin, editor = await site.member(alice, Role.ADMIN), await site.member(alice, Role.EDITOR)
    refused = await admin.refusal("conversationShareCreate", conversationId=talk)
    assert refused == ("NOT_FOUND", ["input", "conversationId"])
    id_, _ = await share(alice, talk)
    for person in (editor, await site.tenant()):
        assert await person.refusal("conversationShareRevoke", id=id_) == ("NOT_FOUND", ["input", "id"])
        assert await person("query($id: ID!) { node(id: $id) { id } }", id=id_) is None


LINKS = """query($first: Int!, $after: String) { conversationShares(first: $first, after: $after) {
  edges { node { id revokedAt author { displayName } } } pageInfo { endCursor } } }"""


async def test_administrators_list_the_links_of_their_tenant_and_take_them_back(
    site: Site, alice: Person, bob: Person, runtime: Runtime
) -> None:
    author, admin = await site.member(alice, Role.AUTHOR), await site.member(alice, Role.ADMIN)
    talk = await begin(author, title="Lamps")
    await said(author, runtime, talk, "[demo:chunks=5 delay_ms=0] One?")
    first, token = await share(author, talk)
    second, _ = await share(author, talk)
    page = await admin(LINKS, first=1)
    rest = await admin(LINKS, first=1, after=page["pageInfo"]["endCursor"])
    links = [edge["node"] for one in (page, rest) for edge in one["edges"]]
    assert [one["id"] for one in links] == [second, first]
    assert links[0]["author"] == (await author("{ me { user { displayName } } }"))["user"]
    made = await admin.mutate("conversationShareRevoke", "share { id revokedAt }", id=first)
    assert made["share"]["id"] == first and made["share"]["revokedAt"] is not None
    assert await shared(site, token) is None
    assert await bob(LINKS, first=100) == {"edges": [], "pageInfo": {"endCursor": None}}
    assert await author.code(LINKS, first=1) == "FORBIDDEN"


async def test_links_are_in_the_audit_log(alice: Person, talk: str) -> None:
    id_, _ = await share(alice, talk, days=7)
    await alice.mutate("conversationShareRevoke", id=id_)
    query = "query ($id: ID!) { auditEntries(subjectId: $id) { edges { node { action details } } } }"
    entries = [edge["node"] for edge in (await alice(query, id=id_))["edges"]]
    assert entries == [
        {"action": "conversation_share.revoke", "details": {}},
        {"action": "conversation_share.create", "details": {"days": 7}},
    ]


@pytest.mark.parametrize(
    "changes",
    [["delete from app.sessions", "delete from app.memberships"], ["update app.memberships set role = 'VIEWER'"]],
)
async def test_a_link_ends_with_what_its_author_may(
    site: Site, alice: Person, bob: Person, runtime: Runtime, admin: Database, changes: list[str]
) -> None:
    author = await site.member(alice, Role.AUTHOR)
    await site.also_in(author, bob, Role.OWNER)  # what he may in another tenant opens nothing here
    talk = await begin(author, title="Lamps")
    await said(author, runtime, talk, "[demo:chunks=5 delay_ms=0] One?")
    _, token = await share(author, talk)
    assert (await shared(site, token))["title"] == "Lamps"
    async with admin.engine.begin() as connection:
        for change in changes:
            await connection.execute(
                text(f"{change} where tenant_id = :t and user_id = :u"), {"t": alice.tenant_id, "u": author.user_id}
            )
    assert await shared(site, token) is None


async def test_an_empty_conversation_cannot_be_shared(alice: Person) -> None:
    refused = await alice.refusal("conversationShareCreate", conversationId=await begin(alice))
    assert refused == ("INVALID_STATE", ["input", "conversationId"])


async def test_a_conversation_has_at_most_fifty_links_that_hold(alice: Person, talk: str) -> None:
    made = [await share(alice, talk) for _ in range(50)]
    refused = await alice.refusal("conversationShareCreate", conversationId=talk)
    assert refused == ("LIMIT_REACHED", ["input"])
    await alice.mutate("conversationShareRevoke", "share { id }", id=made[0][0])
    await share(alice, talk)


async def test_an_answer_that_is_being_written_is_not_shared(alice: Person) -> None:
    talk = await begin(alice)
    await send(alice, talk, "One?")
    assert await alice.refusal("conversationShareCreate", conversationId=talk) == (
        "INVALID_STATE", ["input", "leafId"])  # fmt: skip


async def test_a_link_shows_the_newest_messages_that_are_asked_for(site: Site, alice: Person, talk: str) -> None:
    _, token = await share(alice, talk)
    query = (
        "query($token: String!, $last: Int!) { sharedConversation(token: $token, last: $last) { messages { text } } }"
    )
    whole, newest = [(await alice(query, token=token, last=last))["messages"] for last in (1_000, 1)]
    assert len(whole) > 1 and newest == whole[-1:]
    for last in (0, 1_001):
        answer = await alice.ask(query, token=token, last=last)
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
