"""Changes of a knowledge base: of its policies, and of its embedding model."""

from __future__ import annotations

from domain.accounts import Role
from tests.graphql.clients import Person, Site
from tests.graphql.test_knowledge import ingested, job_of, new_base
from workers import reembedding
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
