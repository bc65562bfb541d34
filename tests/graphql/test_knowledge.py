"""Knowledge bases and documents through the API."""

from __future__ import annotations

import secrets
from typing import Any

from domain.ids import JobId
from schema.ids import decode_id
from tests.graphql.clients import Person
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
    __typename seq ... on JobProgress { progress note } ... on GenerationFailed { code message } } }"""
PROGRESS = """subscription ($id: ID!, $after: String) { documentProgress(knowledgeBaseId: $id, after: $after) {
    __typename seq cursor at documentId
    ... on DocumentProgressed { state progress chunkCount errorCode errorMessage document { id title } } } }"""


async def new_base(person: Person, **more: Any) -> str:
    given = {"name": "Harbour papers", "embeddingModel": "hash", **more}
    made = await person.mutate("knowledgeBaseCreate", "knowledgeBase { id }", **given)
    assert made["userErrors"] == [], made
    return str(made["knowledgeBase"]["id"])


async def take_in(person: Person, base: str, text: str = NOVEL, **more: Any) -> Any:
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
        ["第一卷 渡口"],
        ["第一卷 渡口", "第一章 夜雨"],
        ["第一卷 渡口", "第一章 夜雨"],
        ["第一卷 渡口", "Chapter 2 The ferry"],
    ]
    assert chunks[2]["text"].startswith("***")
