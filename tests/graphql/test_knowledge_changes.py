"""Changes of a knowledge base: of its policies, of its embedding model, of its chunks."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import text

from domain.accounts import Role
from domain.ids import JobId
from domain.knowledge.documents import CHUNK_CHARS_MAX
from persistence.database import Database
from schema.ids import decode_id
from tests.graphql.clients import Person, Site
from tests.graphql.test_knowledge import CHUNKS, ingested, job_of, new_base, read
from workers import reembedding
from workers.ingestion import run_job
from workers.runtime import Runtime


async def test_a_policy_keeps_what_is_left_out_and_begins_with_what_is_documented(alice: Person) -> None:
    asked = (
        "knowledgeBase { id chunkPolicy { unit size overlap } retrievalPolicy { vectorWeight topK reranker trigger } }"
    )
    made = await alice.mutate("knowledgeBaseCreate", asked, name="x", retrievalPolicy={"topK": 5}, chunkPolicy={})
    base = made["knowledgeBase"].pop("id")
    assert made["knowledgeBase"] == {
        "chunkPolicy": {"unit": "CHARACTERS", "size": 600, "overlap": 80},
        "retrievalPolicy": {"vectorWeight": 0.4, "topK": 5, "reranker": "OVERLAP", "trigger": "AUTO"},
    }
    first = {"vectorWeight": 0.9, "reranker": "NONE", "trigger": "NEVER"}
    await alice.mutate("knowledgeBaseUpdate", asked, id=base, retrievalPolicy=first, chunkPolicy={"overlap": 120})
    changed = await alice.mutate(
        "knowledgeBaseUpdate", asked, id=base, retrievalPolicy={"topK": 9}, chunkPolicy={"size": 800}
    )
    assert changed["knowledgeBase"] == {
        "id": base, "chunkPolicy": {"unit": "CHARACTERS", "size": 800, "overlap": 120},
        "retrievalPolicy": first | {"topK": 9},
    }  # fmt: skip
    smaller = await alice.mutate("knowledgeBaseUpdate", asked, id=base, chunkPolicy={"size": 200})
    assert smaller["knowledgeBase"]["chunkPolicy"]["overlap"] == 100, "half of what it is cut into is the most"


async def test_a_base_is_given_another_model_and_answers_meanwhile(site: Site, alice: Person, runtime: Runtime) -> None:
    base = await new_base(alice)
    await ingested(alice, runtime, base)
    parts = "knowledgeBase { embeddingModel nextEmbeddingModel job { id kind state } }"
    search = "query ($input: KnowledgeSearchInput!) { knowledgeSearch(input: $input) { hits { text } } }"
    asked = {"knowledgeBaseIds": [base], "query": "ferry fog", "mode": "VECTOR", "first": 1}
    before = await alice(search, input=asked)
    begun = (await alice.mutate("knowledgeBaseUpdate", parts, id=base, embeddingModel="multilingual-e5-small"))[
        "knowledgeBase"
    ]
    assert (begun["embeddingModel"], begun["nextEmbeddingModel"]) == ("hash", "multilingual-e5-small")
    assert (begun["job"]["kind"], begun["job"]["state"]) == ("knowledge.reembed", "QUEUED")
    assert await alice.refusal("knowledgeBaseUpdate", id=base, embeddingModel="hash") == (
        "INVALID_STATE", ["input", "embeddingModel"])  # fmt: skip
    assert await alice.refusal("knowledgeBaseUpdate", id=base, embeddingModel="no-such") == (
        "INVALID_STATE", ["input", "embeddingModel"])  # fmt: skip
    assert await alice(search, input=asked) == before
    await reembedding.run_job(runtime, alice.tenant_id, job_of(begun))
    ended = await alice(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on KnowledgeBase {{ {parts[16:-2]} }} }} }}", id=base
    )
    assert (ended["embeddingModel"], ended["nextEmbeddingModel"], ended["job"]["state"]) == (
        "multilingual-e5-small", None, "SUCCEEDED")  # fmt: skip
    assert "ferry" in (await alice(search, input=asked))["hits"][0]["text"].lower()
    assert await alice.refusal("knowledgeBaseUpdate", id=base, embeddingModel="no-such") == (
        "BAD_USER_INPUT", ["input", "embeddingModel"])  # fmt: skip
    # In a base that is nobody else's, the job is nobody else's either.
    other = await site.member(alice, Role.ADMIN)
    own = await new_base(alice, scope="USER")
    job = (await alice.mutate("knowledgeBaseUpdate", parts, id=own, embeddingModel="multilingual-e5-small"))[
        "knowledgeBase"
    ]["job"]["id"]
    for name in ("jobCancel", "jobRetry"):
        more = {"idempotencyKey": "k"} if name == "jobRetry" else {}
        assert (await other.refusal(name, id=job, **more))[0] == "NOT_FOUND"
    assert await other("query ($id: ID!) { node(id: $id) { id } }", id=job) is None
    await alice.mutate("knowledgeBaseDelete", "deletedId", id=own)
    assert (await alice("query ($id: ID!) { node(id: $id) { ... on Job { state } } }", id=job))["state"] == "CANCELLED"


async def test_chunks_are_edited_and_switched(alice: Person, runtime: Runtime, admin: Database) -> None:
    document = await ingested(alice, runtime, await new_base(alice))
    chunk = (await alice(CHUNKS, id=document["id"]))["chunks"]["edges"][1]["node"]
    parts = "chunk { id text edited enabled tokens span { start end } document { state job { id } } }"
    unchanged = await alice.mutate("chunkUpdate", parts, id=chunk["id"], text=chunk["text"], enabled=True)
    assert unchanged["chunk"]["document"] == {"state": "READY", "job": {"id": document["job"]["id"]}}
    edited = (await alice.mutate("chunkUpdate", parts, id=chunk["id"], text="雾散了。"))["chunk"]
    assert (edited["text"], edited["edited"], edited["span"]) == ("雾散了。", True, chunk["span"])
    assert edited["document"]["state"] == "PENDING"
    assert edited["document"]["job"] != unchanged["chunk"]["document"]["job"]
    off = (await alice.mutate("chunkUpdate", parts, id=chunk["id"], enabled=False))["chunk"]
    assert off["enabled"] is False and off["document"]["job"] == edited["document"]["job"]
    await run_job(runtime, alice.tenant_id, JobId(decode_id("Job", off["document"]["job"]["id"])))
    assert (await read(alice, document["id"]))["state"] == "READY"
    asked = text("select enabled from app.chunk_vectors where chunk_id = :id")
    for enabled in (True, False):
        switched = (await alice.mutate("chunkUpdate", parts, id=chunk["id"], enabled=enabled))["chunk"]
        assert (switched["enabled"], switched["document"]) == (enabled, off["document"] | {"state": "READY"})
        [row] = await admin.platform_rows(asked.bindparams(id=decode_id("Chunk", chunk["id"])))
        assert row.enabled is enabled
    assert await alice.refusal("chunkUpdate", id=chunk["id"], text=" ") == ("EMPTY", ["input", "text"])
    most = "x" * CHUNK_CHARS_MAX
    assert await alice.refusal("chunkUpdate", id=chunk["id"], text=most + "x") == ("TOO_LONG", ["input", "text"])
    assert (await alice.mutate("chunkUpdate", parts, id=chunk["id"], text=most))["userErrors"] == []


async def test_cutting_anew_that_fails_leaves_the_chunks_as_they_were_to_be_changed_and_tried_again(
    alice: Person, runtime: Runtime
) -> None:
    document = await ingested(alice, runtime, await new_base(alice))
    chunk = (await alice(CHUNKS, id=document["id"]))["chunks"]["edges"][0]["node"]["id"]

    async def stopped() -> Any:
        again = await alice.mutate(
            "documentReingest", "document { job { id } }", id=document["id"], idempotencyKey=secrets.token_hex(8)
        )
        assert await alice.refusal("chunkUpdate", id=chunk, enabled=False) == ("INVALID_STATE", ["input", "id"])
        await alice.mutate("jobCancel", id=again["document"]["job"]["id"])
        left = await read(alice, document["id"])
        assert (left["state"], left["chunkCount"]) == ("FAILED", document["chunkCount"])
        return left

    async def retried(left: Any) -> Any:
        again = await alice.mutate("jobRetry", "job { id }", id=left["job"]["id"], idempotencyKey=secrets.token_hex(8))
        await run_job(runtime, alice.tenant_id, job_of(again))
        return await read(alice, document["id"])

    assert (await retried(await stopped()))["version"] == 2
    chunk = (await alice(CHUNKS, id=document["id"]))["chunks"]["edges"][0]["node"]["id"]
    await stopped()
    assert (await alice.mutate("chunkUpdate", id=chunk, enabled=False))["userErrors"] == []
    await run_job(runtime, alice.tenant_id, job_of(await read(alice, document["id"])))
    kept = await read(alice, document["id"])
    assert (kept["state"], kept["version"]) == ("READY", 2)
    assert (await alice(CHUNKS, id=document["id"]))["chunks"]["edges"][0]["node"]["enabled"] is False
