"""A chapter's text and its versions: nothing is overwritten, nothing is lost, and a stale edit is told so."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from domain.ids import JobId
from schema.ids import decode_id
from tests.documents import GENERATE, TEXT_UPDATE
from tests.graphql.clients import Person, Site
from tests.graphql.generations import new_chapter
from workers.generation import run_job
from workers.runtime import Runtime

VERSIONS = """query ($id: ID!) {
  node(id: $id) { ... on Chapter {
    status wordCount currentVersion { id } versions { edges { node { id number state origin baseVersionId } } }
  } }
}"""


@pytest.fixture
async def chapter(alice: Person) -> str:
    return await new_chapter(alice)


async def save(alice: Person, chapter: str, text: str, base: str | None = None) -> Any:
    return await alice(TEXT_UPDATE, chapterId=chapter, text=text, base=base)


async def saved(alice: Person, chapter: str, text: str, base: str | None = None) -> str:
    payload = await save(alice, chapter, text, base)
    assert payload["userErrors"] == []
    return str(payload["version"]["id"])


async def generated(alice: Person, runtime: Runtime, chapter: str, key: str) -> str:
    """The candidate that a finished generation left."""
    started = await alice(GENERATE, chapterId=chapter, key=key, instructions="[demo:chunks=5 delay_ms=0]")
    await run_job(runtime, alice.tenant_id, JobId(decode_id("Job", started["generation"]["job"]["id"])))
    state = await alice(
        "query ($id: ID!) { node(id: $id) { ... on Generation { version { id } } } }", id=started["generation"]["id"]
    )
    return str(state["version"]["id"])


async def states(alice: Person, chapter: str) -> list[tuple[int, str, str]]:
    """(number, state, origin) of each version, newest first."""
    found = await alice(VERSIONS, id=chapter)
    return [(v["number"], v["state"], v["origin"]) for v in (edge["node"] for edge in found["versions"]["edges"])]


async def test_an_authors_text_becomes_the_current_version_at_once(alice: Person, chapter: str) -> None:
    payload = await save(alice, chapter, "Two words.\n\n两个字")
    version = payload["version"]
    assert (version["number"], version["state"], version["wordCount"]) == (1, "CURRENT", 5)
    assert payload["chapter"] == {"id": chapter, "wordCount": 5, "currentVersion": {
        "id": version["id"], "text": "Two words.\n\n两个字"}}  # fmt: skip
    assert (await alice(VERSIONS, id=chapter))["status"] == "DRAFT"


async def test_an_edit_archives_the_version_it_was_made_on(alice: Person, chapter: str) -> None:
    first = await saved(alice, chapter, "one")
    second = await saved(alice, chapter, "two", first)
    found = await alice(VERSIONS, id=chapter)
    assert found["currentVersion"]["id"] == second
    assert [edge["node"]["baseVersionId"] for edge in found["versions"]["edges"]] == [first, None]
    assert await states(alice, chapter) == [(2, "CURRENT", "HUMAN"), (1, "ARCHIVED", "HUMAN")]


@pytest.mark.parametrize("base", ["first", "none"])
async def test_a_stale_edit_is_refused_and_shown_the_chapter_as_it_is(alice: Person, chapter: str, base: str) -> None:
    first = await saved(alice, chapter, "one")
    second = await saved(alice, chapter, "two", first)
    payload = await save(alice, chapter, "lost?", first if base == "first" else None)
    assert payload["version"] is None
    assert [(e["code"], e["field"]) for e in payload["userErrors"]] == [("CONFLICT", ["input", "baseVersionId"])]
    assert payload["chapter"]["currentVersion"] == {"id": second, "text": "two"}
    assert len(await states(alice, chapter)) == 2


async def test_of_ten_edits_on_one_version_at_once_one_wins(alice: Person, chapter: str) -> None:
    base = await saved(alice, chapter, "base")
    payloads = await asyncio.gather(*(save(alice, chapter, f"edit {n}", base) for n in range(10)))
    outcome = Counter(p["userErrors"][0]["code"] if p["userErrors"] else "saved" for p in payloads)
    assert outcome == {"saved": 1, "CONFLICT": 9}
    [winner] = [p["version"] for p in payloads if p["version"]]
    assert all(p["chapter"]["currentVersion"]["id"] == winner["id"] for p in payloads)
    assert await states(alice, chapter) == [(2, "CURRENT", "HUMAN"), (1, "ARCHIVED", "HUMAN")]


async def test_a_generated_text_waits_as_a_candidate_until_it_is_accepted(
    alice: Person, chapter: str, runtime: Runtime
) -> None:
    mine = await saved(alice, chapter, "mine")
    candidate = await generated(alice, runtime, chapter, "k1")
    assert await states(alice, chapter) == [(2, "CANDIDATE", "DEMO"), (1, "CURRENT", "HUMAN")]
    payload = await alice.mutate(
        "chapterVersionAccept", "version { id state } chapter { status currentVersion { id } }", versionId=candidate,
        baseVersionId=mine,
    )  # fmt: skip
    assert payload["version"] == {"id": candidate, "state": "CURRENT"}
    assert payload["chapter"] == {"status": "ACCEPTED", "currentVersion": {"id": candidate}}
    assert await states(alice, chapter) == [(2, "CURRENT", "DEMO"), (1, "ARCHIVED", "HUMAN")]
    again = await alice.mutate("chapterVersionAccept", "version { state }", versionId=candidate, baseVersionId=mine)
    assert (again["version"], again["userErrors"]) == ({"state": "CURRENT"}, [])


async def test_a_candidate_older_than_the_current_text_can_be_accepted(
    alice: Person, chapter: str, runtime: Runtime
) -> None:
    candidate = await generated(alice, runtime, chapter, "k2")
    await saved(alice, chapter, "written meanwhile")
    payload = await alice.mutate("chapterVersionAccept", "version { state }", versionId=candidate)
    assert (payload["version"], payload["userErrors"]) == ({"state": "CURRENT"}, [])
    assert await states(alice, chapter) == [(2, "ARCHIVED", "HUMAN"), (1, "CURRENT", "DEMO")]


async def test_an_author_can_go_back_to_any_version_and_forth_again(alice: Person, chapter: str) -> None:
    first = await saved(alice, chapter, "one")
    second = await saved(alice, chapter, "two two", first)
    third = await saved(alice, chapter, "three three three", second)
    for version, words in ((first, 1), (third, 3), (second, 2), (first, 1)):
        payload = await alice.mutate(
            "chapterVersionAccept", "chapter { wordCount currentVersion { id } }", versionId=version
        )
        assert payload["userErrors"] == []
        assert payload["chapter"] == {"wordCount": words, "currentVersion": {"id": version}}
    assert await states(alice, chapter) == [(3, "ARCHIVED", "HUMAN"), (2, "ARCHIVED", "HUMAN"), (1, "CURRENT", "HUMAN")]


async def test_accepting_over_a_text_that_has_changed_is_refused(alice: Person, chapter: str, runtime: Runtime) -> None:
    first = await saved(alice, chapter, "one")
    candidate = await generated(alice, runtime, chapter, "k3")
    await saved(alice, chapter, "two", first)
    for stale in (first, None):
        refusal = await alice.refusal("chapterVersionAccept", versionId=candidate, baseVersionId=stale)
        assert refusal == ("CONFLICT", ["input", "baseVersionId"])
    assert (await states(alice, chapter))[1] == (2, "CANDIDATE", "DEMO")


async def test_a_rejected_candidate_is_kept_and_may_be_accepted_after_all(
    alice: Person, chapter: str, runtime: Runtime
) -> None:
    candidate = await generated(alice, runtime, chapter, "k4")
    payload = await alice.mutate("chapterVersionReject", "version { state }", versionId=candidate)
    assert payload["version"] == {"state": "REJECTED"}
    await alice.mutate("chapterVersionAccept", versionId=candidate)
    assert await states(alice, chapter) == [(1, "CURRENT", "DEMO")]
    refusal = await alice.refusal("chapterVersionReject", versionId=candidate)
    assert refusal == ("INVALID_STATE", ["input", "versionId"])


async def test_a_demo_text_says_that_it_is_one(site: Site, alice: Person, chapter: str, runtime: Runtime) -> None:
    version = await generated(alice, runtime, chapter, "k5")
    found = await alice(
        "query ($id: ID!) { node(id: $id) { ... on TextVersion { origin model channel generation { state } } } }",
        id=version,
    )
    assert found == {"origin": "DEMO", "model": "demo-writer", "channel": "demo", "generation": {"state": "COMPLETED"}}
