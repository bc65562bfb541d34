"""What is known of a channel's models: what they can be asked for, and what their tokens are worth."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from domain.ids import JobId
from schema.ids import decode_id
from tests.documents import GENERATE
from tests.fakes.behaviour import Behaviour, expected_text
from tests.fakes.openai_server import FakeOpenAI
from tests.graphql.clients import Site
from tests.graphql.generations import new_chapter
from workers.generation import run_job
from workers.runtime import Runtime

ESTIMATE = "query ($i: GenerationEstimateInput!) { estimateGeneration(input: $i) { channels { channel model } } }"
LEARNED = "{ channels { edges { node { name learnedTokens { model language answers tokensPerCharacter } } } } }"


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as one:
        yield one


async def test_a_model_that_does_not_write_is_offered_to_no_generation(site: Site, fake: FakeOpenAI) -> None:
    person = await site.tenant()
    made = await person.mutate(
        "channelCreate", "channel { models { name modalities tokenizer } }", name="Both", provider="OPENAI_COMPATIBLE",
        baseUrl=fake.base_url, models=["vectors-1", "writer-9"], isDefault=True,
        modelDetails=[{"name": "vectors-1", "modalities": ["EMBEDDING", "EMBEDDING"], "tokenizer": "cl100k_base"}],
    )  # fmt: skip
    assert made["channel"]["models"] == [
        {"name": "vectors-1", "modalities": ["EMBEDDING"], "tokenizer": "cl100k_base"},
        {"name": "writer-9", "modalities": ["TEXT"], "tokenizer": None},
    ]
    chapter = await new_chapter(person)
    usual = await person(ESTIMATE, i={"chapterId": chapter})
    assert usual["channels"] == [{"channel": "Both", "model": "writer-9"}]
    channel = await person("{ channels(first: 1) { edges { node { id } } } }")
    only = {"id": channel["edges"][0]["node"]["id"], "models": ["vectors-1"]}
    await person.mutate("channelUpdate", **only, modelDetails=[{"name": "vectors-1", "modalities": ["EMBEDDING"]}])
    assert (await person(ESTIMATE, i={"chapterId": chapter}))["channels"] == [
        {"channel": "demo", "model": "demo-writer"}
    ]
    assert await person.code(ESTIMATE, i={"chapterId": chapter, "channelId": only["id"]}) == "NO_CHANNEL"


async def test_a_model_that_can_be_asked_for_nothing_is_refused(site: Site, fake: FakeOpenAI) -> None:
    values = {"name": "x", "provider": "OPENAI_COMPATIBLE", "baseUrl": fake.base_url, "models": ["m"]}
    person = await site.tenant()
    details = [{"name": "m", "modalities": []}]
    assert await person.refusal("channelCreate", **values, modelDetails=details) == ("EMPTY", ["input", "models"])


async def test_tokens_of_a_character_are_learned_from_what_providers_counted(
    site: Site, runtime: Runtime, fake: FakeOpenAI
) -> None:
    person, stranger = await site.tenant(), await site.tenant()
    for one in (person, stranger):
        await one.mutate(
            "channelCreate", name="Own", provider="OPENAI_COMPATIBLE", baseUrl=fake.base_url, models=["m"], apiKey="k"
        )
    for language, tokens in (("en", 30), ("en", 50), ("zh", 40)):
        fake.behaviour = Behaviour(tokens=tokens, script=language)
        query = GENERATE.replace("idempotencyKey: $key", 'idempotencyKey: $key, model: "m"')
        chapter = await new_chapter(person, language=language)
        started = await person(query, chapterId=chapter, key=secrets.token_hex(8))
        await run_job(runtime, person.tenant_id, JobId(decode_id("Job", started["generation"]["job"]["id"])))
    learned = {edge["node"]["name"]: edge["node"]["learnedTokens"] for edge in (await person(LEARNED))["edges"]}
    written = {"en": len(expected_text(30) + expected_text(50)), "zh": len(expected_text(40, "zh"))}
    assert learned["Own"] == [
        {"model": "m", "language": "en", "answers": 2, "tokensPerCharacter": round(80 / written["en"], 4)},
        {"model": "m", "language": "zh", "answers": 1, "tokensPerCharacter": round(40 / written["zh"], 4)},
    ]
    assert learned["demo"] == []
    assert [edge["node"]["learnedTokens"] for edge in (await stranger(LEARNED))["edges"]] == [[], []]
