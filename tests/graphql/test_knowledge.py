"""Knowledge bases and documents through the API."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from sqlalchemy import text

from domain.accounts import Role
from domain.ids import JobId
from persistence.database import Database
from schema.ids import decode_id
from schema.knowledge.types import TEXT_CHARS_MAX
from tests import file_samples as samples
from tests.graphql.clients import Person, Site
from tests.graphql.uploading import uploaded
from workers.ingestion import run_job
from workers.runtime import Runtime

NOVEL = """第一卷 渡口

第一章 夜雨

雨下了一夜，灯还亮着。老周说：“船不等人。”他把缆绳又系紧了一圈。

***

天亮的时候，雾比雨更重。

Chapter 2 The ferry

The ferry left before the fog did. Nobody on the quay said a word.
"""
DOCUMENT = (
    "id title state progress errorCode errorMessage characters chunkCount pages mimeType language version readyAt "
    "job { id kind state } knowledgeBase { id }"
)
CHUNKS = """query ($id: ID!, $first: Int, $after: String) { node(id: $id) { ... on Document {
    characters text(start: 0, end: 20000)
    chunks(first: $first, after: $after) { pageInfo { hasNextPage endCursor } edges { node {
        id text position span { start end } headingPath page tokens enabled edited document { id } } } } } } }"""
JOB_EVENTS = """subscription ($id: ID!) { jobEvents(id: $id) {
    __typename seq ... on JobProgress { progress note } ... on JobFailed { code message } } }"""
PROGRESS = """subscription ($id: ID!, $after: String) { documentProgress(knowledgeBaseId: $id, after: $after) {
    __typename seq cursor at documentId
    ... on DocumentProgressed { state progress chunkCount errorCode errorMessage document { id title } } } }"""


async def new_base(person: Person, **more: Any) -> str:
    given = {"name": "Harbour papers", "embeddingModel": "hash", **more}
    made = await person.mutate("knowledgeBaseCreate", "knowledgeBase { id }", **given)
    assert made["userErrors"] == [], made
    return str(made["knowledgeBase"]["id"])


async def take_in(person: Person, base: str, text: str | None = NOVEL, **more: Any) -> Any:
    given = {"title": "The ferry", "idempotencyKey": secrets.token_hex(8), "text": text, **more}
    given = {name: value for name, value in given.items() if value is not None}
    return await person.mutate("documentCreate", f"document {{ {DOCUMENT} }}", knowledgeBaseId=base, **given)


def job_of(document: Any) -> JobId:
    return JobId(decode_id("Job", document["job"]["id"]))


async def ingested(person: Person, runtime: Runtime, base: str, text: str = NOVEL, **more: Any) -> Any:
    made = await take_in(person, base, text, **more)
    assert made["userErrors"] == [], made
    await run_job(runtime, person.tenant_id, job_of(made["document"]))
    return await read(person, made["document"]["id"])


async def read(person: Person, id_: str) -> Any:
    return await person(f"query ($id: ID!) {{ node(id: $id) {{ ... on Document {{ {DOCUMENT} }} }} }}", id=id_)


async def test_a_text_becomes_chunks_that_stand_where_they_say(alice: Person, runtime: Runtime) -> None:
    base = await new_base(alice)
    document = await ingested(alice, runtime, base)
    assert (document["state"], document["progress"], document["errorCode"]) == ("READY", 100, None)
    assert (document["job"]["state"], document["job"]["kind"]) == ("SUCCEEDED", "knowledge.ingest")
    found = await alice(CHUNKS, id=document["id"], first=50)
    chunks = [edge["node"] for edge in found["chunks"]["edges"]]
    assert [one["position"] for one in chunks] == list(range(document["chunkCount"]))
    for one in chunks:
        assert found["text"][one["span"]["start"] : one["span"]["end"]] == one["text"]
    assert [one["headingPath"] for one in chunks] == [
        ["第一卷 渡口", "第一章 夜雨"],
        ["第一卷 渡口", "第一章 夜雨"],
        ["第一卷 渡口", "Chapter 2 The ferry"],
    ]
    assert chunks[0]["text"].startswith("第一卷 渡口")
    assert chunks[1]["text"].startswith("***")


async def test_a_file_that_was_uploaded_is_taken_in_and_ingested_again(alice: Person, runtime: Runtime) -> None:
    base = await new_base(alice, chunkPolicy={"size": 100, "overlap": 20})
    file = await uploaded(alice, "渡口.txt", (NOVEL + "雨下了一夜。" * 60).encode("gb18030"))
    made = await take_in(alice, base, text=None, fileId=file["id"], title=None)
    await run_job(runtime, alice.tenant_id, job_of(made["document"]))
    document = await read(alice, made["document"]["id"])
    assert (document["title"], document["state"], document["mimeType"]) == ("渡口.txt", "READY", "text/plain")
    assert (await alice(CHUNKS, id=document["id"]))["text"].startswith("第一卷 渡口")
    await alice.mutate("knowledgeBaseUpdate", id=base, chunkPolicy={"size": 2_000})
    before = document["chunkCount"]
    again = await alice.mutate("documentReingest", f"document {{ {DOCUMENT} }}", id=document["id"], idempotencyKey="a")
    assert again["document"]["state"] == "PENDING"
    same = await alice.mutate("documentReingest", f"document {{ {DOCUMENT} }}", id=document["id"], idempotencyKey="a")
    assert same["document"]["job"] == again["document"]["job"]
    assert await alice.refusal("documentReingest", id=document["id"], idempotencyKey="b") == (
        "INVALID_STATE", ["input", "id"])  # fmt: skip
    await run_job(runtime, alice.tenant_id, job_of(again["document"]))
    document = await read(alice, document["id"])
    assert (document["state"], document["version"]) == ("READY", 2)
    assert document["chunkCount"] < before


async def test_a_file_that_cannot_be_read_says_why_on_the_document_and_on_its_jobs_stream(
    alice: Person, runtime: Runtime, admin: Database
) -> None:
    file = await uploaded(alice, "ferry.md", b"Once more. " * 9)
    base = await new_base(alice)
    made = await take_in(alice, base, text=None, fileId=file["id"])
    async with admin.engine.begin() as connection:
        gone = text("update app.files set deleted_at = now() where id = :id")
        await connection.execute(gone, {"id": decode_id("File", file["id"])})
    job = made["document"]["job"]["id"]
    async with alice.socket() as ws:
        await ws.subscribe("1", JOB_EVENTS, id=job)
        await run_job(runtime, alice.tenant_id, job_of(made["document"]))
        events = [event async for event in ws.events("1")]
    assert events[-1]["__typename"] == "JobFailed"
    assert events[-1]["code"] == "FILE_MISSING"
    document = await read(alice, made["document"]["id"])
    assert (document["state"], document["errorCode"], document["job"]["state"]) == ("FAILED", "FILE_MISSING", "FAILED")
    assert document["errorMessage"] == events[-1]["message"]


async def test_only_files_for_knowledge_are_taken_in(alice: Person) -> None:
    base = await new_base(alice)
    file = await uploaded(alice, "ferry.md", b"Something else. ", "ATTACHMENT")
    for given, refusal in (
        ({"fileId": file["id"]}, ("BAD_USER_INPUT", ["input", "fileId"])),
        ({"fileId": base}, ("BAD_USER_INPUT", ["input", "fileId"])),
        ({}, ("BAD_USER_INPUT", ["input"])),
        ({"fileId": file["id"], "text": "x"}, ("BAD_USER_INPUT", ["input"])),
        ({"text": " \n"}, ("EMPTY", ["input", "text"])),
        ({"text": "x", "title": ""}, ("EMPTY", ["input", "title"])),
        ({"text": "x" * 500_001}, ("TOO_LONG", ["input", "text"])),
    ):
        values = {"title": "T", "idempotencyKey": secrets.token_hex(8), "knowledgeBaseId": base, **given}
        assert await alice.refusal("documentCreate", **values) == refusal
    made = await take_in(alice, base, "x" * 500_000)
    assert made["document"]["characters"] == 500_000


async def test_into_somebodys_own_base_go_files_that_nobody_else_sees(
    site: Site, alice: Person, runtime: Runtime
) -> None:
    colleague = await site.member(alice, Role.ADMIN)
    base = await new_base(alice, scope="USER")
    file = await uploaded(alice, "diary.md", b"Nobody is to read this. ", "ATTACHMENT")
    made = await take_in(alice, base, text=None, title=None, fileId=file["id"])
    await run_job(runtime, alice.tenant_id, job_of(made["document"]))
    assert (await read(alice, made["document"]["id"]))["state"] == "READY"
    for id_ in (file["id"], made["document"]["id"]):
        assert await colleague("query ($id: ID!) { node(id: $id) { id } }", id=id_) is None
    values = {"title": "T", "idempotencyKey": "k"}
    own = await new_base(colleague, scope="USER")
    assert await colleague.refusal("documentCreate", knowledgeBaseId=own, fileId=file["id"], **values) == (
        "NOT_FOUND", ["input", "fileId"])  # fmt: skip
    picture = await uploaded(alice, "lamp.png", samples.PNG, "ATTACHMENT")
    assert await alice.refusal("documentCreate", knowledgeBaseId=base, fileId=picture["id"], **values) == (
        "BAD_USER_INPUT", ["input", "fileId"])  # fmt: skip


async def test_the_same_key_gives_the_same_document_and_the_same_content_none(alice: Person) -> None:
    base = await new_base(alice)
    one = await take_in(alice, base, idempotencyKey="k1")
    assert (await take_in(alice, base, idempotencyKey="k1"))["document"]["id"] == one["document"]["id"]
    values = {"knowledgeBaseId": base, "title": "T"}
    assert await alice.refusal("documentCreate", **values, text="Other.", idempotencyKey="k1") == (
        "IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])  # fmt: skip
    assert await alice.refusal("documentCreate", **values, text=NOVEL, idempotencyKey="k2") == (
        "ALREADY_EXISTS", ["input"])  # fmt: skip
    await alice.mutate("documentDelete", id=one["document"]["id"])
    assert (await take_in(alice, base, idempotencyKey="k2"))["userErrors"] == []


async def test_ten_who_take_the_same_in_at_once_make_one_document(alice: Person) -> None:
    base = await new_base(alice)
    made = await asyncio.gather(*(take_in(alice, base) for _ in range(10)))
    assert sorted(len(one["userErrors"]) for one in made) == [0] + [1] * 9


async def test_a_base_of_a_user_is_seen_by_nobody_else(site: Site, alice: Person, runtime: Runtime) -> None:
    other = await site.member(alice, Role.ADMIN)
    base = await new_base(alice, scope="USER")
    document = await ingested(alice, runtime, base)
    chunk = (await alice(CHUNKS, id=document["id"]))["chunks"]["edges"][0]["node"]["id"]
    for id_ in (base, document["id"], chunk):
        assert await alice("query ($id: ID!) { node(id: $id) { id } }", id=id_) == {"id": id_}
        assert await other("query ($id: ID!) { node(id: $id) { id } }", id=id_) is None
    listed = "{ knowledgeBases(first: 100) { edges { node { id } } } }"
    assert base in [edge["node"]["id"] for edge in (await alice(listed))["edges"]]
    assert base not in [edge["node"]["id"] for edge in (await other(listed))["edges"]]
    values = {"text": "x", "title": "T", "idempotencyKey": "z"}
    assert (await other.refusal("documentCreate", knowledgeBaseId=base, **values))[0] == "NOT_FOUND"
    for name, more in (
        ("knowledgeBaseUpdate", {"id": base, "name": "x"}), ("knowledgeBaseDelete", {"id": base}),
        ("documentUpdate", {"id": document["id"], "title": "x"}), ("documentDelete", {"id": document["id"]}),
        ("documentReingest", {"id": document["id"], "idempotencyKey": "q"}), ("chunkUpdate", {"id": chunk, "text": "x"}),
    ):  # fmt: skip
        assert await other.refusal(name, **more) == ("NOT_FOUND", ["input", "id"]), name
    async with other.socket() as ws:
        await ws.subscribe("1", PROGRESS, id=base)
        assert await ws.code_of("1") == "NOT_FOUND"


async def test_a_base_of_a_project_needs_one_that_lives_and_goes_out_of_sight_with_it(alice: Person) -> None:
    project = (await alice.mutate("projectCreate", "project { id }", title="T"))["project"]["id"]
    for more in ({"scope": "PROJECT"}, {"projectId": project}, {"scope": "USER", "projectId": project}):
        assert await alice.refusal("knowledgeBaseCreate", name="x", **more) == (
            "BAD_USER_INPUT", ["input", "projectId"])  # fmt: skip
    base = await new_base(alice, scope="PROJECT", projectId=project)
    listed = "query ($p: ID!) { knowledgeBases(filter: {projectId: $p, scope: PROJECT}) { edges { node { id } } } }"
    assert [edge["node"]["id"] for edge in (await alice(listed, p=project))["edges"]] == [base]
    await alice.mutate("projectDelete", id=project)
    assert await alice("query ($id: ID!) { node(id: $id) { id } }", id=base) is None
    assert (await alice(listed, p=project))["edges"] == []
    assert await alice.refusal("knowledgeBaseUpdate", id=base, name="x") == ("NOT_FOUND", ["input", "id"])
    assert await alice.refusal("knowledgeBaseCreate", name="x", scope="PROJECT", projectId=project) == (
        "NOT_FOUND", ["input", "projectId"])  # fmt: skip


async def test_policies_and_models_are_checked(alice: Person) -> None:
    for more, refusal in (
        ({"name": " "}, ("EMPTY", ["input", "name"])),
        ({"name": "x" * 201}, ("TOO_LONG", ["input", "name"])),
        ({"description": "x" * 5_001}, ("TOO_LONG", ["input", "description"])),
        ({"embeddingModel": "no-such"}, ("BAD_USER_INPUT", ["input", "embeddingModel"])),
        ({"embeddingModel": "text-embedding-v4"}, ("NO_CHANNEL", None)),
        ({"chunkPolicy": {"size": 99}}, ("BAD_USER_INPUT", ["input", "chunkPolicy", "size"])),
        ({"chunkPolicy": {"size": 100, "overlap": 51}}, ("BAD_USER_INPUT", ["input", "chunkPolicy", "overlap"])),
        ({"retrievalPolicy": {"topK": 51}}, ("BAD_USER_INPUT", ["input", "retrievalPolicy", "topK"])),
    ):
        assert await alice.refusal("knowledgeBaseCreate", **{"name": "x", **more}) == refusal
    base = await new_base(alice, chunkPolicy={"unit": "TOKENS", "size": 50, "overlap": 25})
    asked = "chunkPolicy { unit size overlap } retrievalPolicy { vectorWeight topK reranker trigger } embeddingModel"
    made = await alice.mutate(
        "knowledgeBaseUpdate", f"knowledgeBase {{ {asked} }}", id=base, retrievalPolicy={"vectorWeight": 0.5, "topK": 3}
    )
    assert made["knowledgeBase"] == {
        "chunkPolicy": {"unit": "TOKENS", "size": 50, "overlap": 25}, "embeddingModel": "hash",
        "retrievalPolicy": {"vectorWeight": 0.5, "topK": 3, "reranker": "OVERLAP", "trigger": "AUTO"},
    }  # fmt: skip


async def test_a_text_is_read_in_parts_and_no_more_at_a_time(alice: Person, runtime: Runtime) -> None:
    document = await ingested(alice, runtime, await new_base(alice), "灯还亮着。" * 5_000)
    asked = "query ($id: ID!, $start: Int, $end: Int) { node(id: $id) { ... on Document { text(start: $start, end: $end) } } }"
    assert (await alice(asked, id=document["id"], start=5, end=10))["text"] == "灯还亮着。"
    assert len((await alice(asked, id=document["id"], start=0))["text"]) == TEXT_CHARS_MAX
    assert len((await alice(asked, id=document["id"], start=3, end=3 + TEXT_CHARS_MAX))["text"]) == TEXT_CHARS_MAX
    assert (await alice(asked, id=document["id"], start=30_000))["text"] == ""
    for start, end in ((0, TEXT_CHARS_MAX + 1), (-1, 5), (5, 4)):
        assert await alice.code(asked, id=document["id"], start=start, end=end) == "BAD_USER_INPUT"


async def test_progress_is_told_in_order_and_from_where_one_left(alice: Person, runtime: Runtime) -> None:
    base = await new_base(alice)
    document = await ingested(alice, runtime, base)
    await alice.mutate("documentDelete", id=document["id"])
    events = await watched(alice, base, until="DocumentDeleted")
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1))
    assert {one["documentId"] for one in events} == {document["id"]}
    states = [one.get("state") for one in events]
    assert list(dict.fromkeys(states)) == ["PENDING", "PARSING", "CHUNKING", "EMBEDDING", "READY", None]
    progress = [one["progress"] for one in events[:-1]]
    assert progress == sorted(progress) and progress[-1] == 100
    rest = await watched(alice, base, until="DocumentDeleted", after=events[2]["cursor"])
    assert rest == events[3:]


async def watched(person: Person, base: str, *, until: str, after: str | None = None) -> list[dict[str, Any]]:
    found = []
    async with person.socket() as ws:
        await ws.subscribe("1", PROGRESS, id=base, after=after)
        async for event in ws.events("1"):
            found.append(event)
            if event["__typename"] == until:
                break
    return found


async def test_a_page_of_a_base_watches_from_what_it_has_read(alice: Person, runtime: Runtime) -> None:
    base = await new_base(alice)
    ends = []
    for words in ("One.", "Two.", "Three."):
        shown = await alice("query ($id: ID!) { node(id: $id) { ... on KnowledgeBase { eventsCursor } } }", id=base)
        listed = await alice("{ knowledgeBases(first: 1) { edges { node { eventsCursor } } } }")
        assert listed["edges"][0]["node"] == shown
        ends.append((words, shown["eventsCursor"]))
        await ingested(alice, runtime, base, f"{words} {NOVEL}", title=words)
    for n, (_, cursor) in enumerate(ends):
        titles: list[str] = []
        async with alice.socket() as ws:
            await ws.subscribe("1", PROGRESS, id=base, after=cursor)
            async for event in ws.events("1"):
                titles.append(event["document"]["title"])
                if titles[-1] == "Three." and event["state"] == "READY":
                    break
        assert list(dict.fromkeys(titles)) == [words for words, _ in ends[n:]]


async def test_a_job_is_cancelled_and_tried_again_as_any_other(alice: Person, runtime: Runtime) -> None:
    base = await new_base(alice)
    made = (await take_in(alice, base))["document"]
    cancelled = await alice.mutate("jobCancel", "job { state }", id=made["job"]["id"])
    assert cancelled["job"]["state"] == "CANCELLED"
    document = await read(alice, made["id"])
    assert (document["state"], document["errorCode"]) == ("FAILED", "CANCELLED")
    parts = "job { id kind retryOf } generation { id }"
    again = await alice.mutate("jobRetry", parts, id=made["job"]["id"], idempotencyKey="r")
    assert (again["job"]["kind"], again["job"]["retryOf"], again["generation"]) == (
        "knowledge.ingest", made["job"]["id"], None)  # fmt: skip
    same = await alice.mutate("jobRetry", parts, id=made["job"]["id"], idempotencyKey="r")
    assert same == again
    await run_job(runtime, alice.tenant_id, JobId(decode_id("Job", again["job"]["id"])))
    document = await read(alice, made["id"])
    assert (document["state"], document["job"]["id"]) == ("READY", again["job"]["id"])
    assert await alice.refusal("jobRetry", id=again["job"]["id"], idempotencyKey="s") == (
        "INVALID_STATE", ["input", "id"])  # fmt: skip


async def test_a_deleted_base_is_gone_with_all_in_it_and_its_jobs_end(alice: Person, runtime: Runtime) -> None:
    base = await new_base(alice)
    document = await ingested(alice, runtime, base)
    waiting = (await take_in(alice, base, "Something else."))["document"]
    chunk = (await alice(CHUNKS, id=document["id"]))["chunks"]["edges"][0]["node"]["id"]
    assert (await alice.mutate("knowledgeBaseDelete", "deletedId", id=base))["deletedId"] == base
    for id_ in (base, document["id"], chunk):
        assert await alice("query ($id: ID!) { node(id: $id) { id } }", id=id_) is None
    job = await alice("query ($id: ID!) { node(id: $id) { ... on Job { state } } }", id=waiting["job"]["id"])
    assert job == {"state": "CANCELLED"}
    assert await alice.refusal("knowledgeBaseDelete", id=base) == ("NOT_FOUND", ["input", "id"])


async def test_a_level_of_documents_and_chunks_is_one_statement(site: Site, alice: Person, runtime: Runtime) -> None:
    query = """{ knowledgeBases(first: 10) { edges { node { name documentCount documents(first: 5) { edges { node {
        title chunks(first: 5) { edges { node { text } } } } } } } } } }"""
    counts = []
    for n in range(2):
        await ingested(alice, runtime, await new_base(alice), f"{NOVEL}{n}")
        await alice(query)  # what the plan of the query costs once
        before = site.api.database.statements
        found = await alice(query)
        counts.append(site.api.database.statements - before)
        assert found["edges"][0]["node"]["documentCount"] == 1
    assert counts == [4, 4]
