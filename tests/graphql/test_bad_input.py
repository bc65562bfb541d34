"""Input that cannot be used: each gets its typed error at its field, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.ids import new_id
from persistence.database import Database
from schema.ids import encode_id
from tests.graphql.clients import Person
from tests.graphql.studio import Studio, populated, rows_of
from workers.runtime import Runtime

Input = Callable[[dict[str, str]], dict[str, Any]]


@pytest.fixture(scope="module")
async def studio(alice: Person, runtime: Runtime) -> Studio:
    return await populated(alice, runtime)


def chapter_text(text: str) -> Input:
    return lambda ids: {"chapterId": ids["Chapter"], "text": text, "baseVersionId": ids["CurrentVersion"]}


def generation(**input_: Any) -> Input:
    return lambda ids: {"chapterId": ids["Chapter"], "idempotencyKey": "k", **input_}


def attributes(*pairs: tuple[str, str]) -> Input:
    listed = [{"key": key, "value": value} for key, value in pairs]
    return lambda ids: {"id": ids["CodexEntry"], "attributes": listed}


REFUSED: list[tuple[str, Input, str, str]] = [
    ("projectCreate", lambda _: {"title": ""}, "EMPTY", "title"),
    ("projectCreate", lambda _: {"title": " \n\t "}, "EMPTY", "title"),
    ("projectCreate", lambda _: {"title": "x" * 201}, "TOO_LONG", "title"),
    ("projectCreate", lambda _: {"title": "a\nb"}, "INVALID_CHARACTERS", "title"),
    ("projectCreate", lambda _: {"title": "a\x00b"}, "INVALID_CHARACTERS", "title"),
    ("projectCreate", lambda _: {"title": "a\x1bb"}, "INVALID_CHARACTERS", "title"),
    ("projectCreate", lambda _: {"title": "a\x85b"}, "INVALID_CHARACTERS", "title"),
    ("projectCreate", lambda _: {"title": "x", "language": "english!"}, "BAD_USER_INPUT", "language"),
    ("projectCreate", lambda _: {"title": "x", "premise": "x" * 5_001}, "TOO_LONG", "premise"),
    ("projectCreate", lambda _: {"title": "x", "premise": "\x07"}, "INVALID_CHARACTERS", "premise"),
    ("projectCreate", lambda _: {"title": "x", "styleGuide": "x" * 20_001}, "TOO_LONG", "styleGuide"),
    ("projectCreate", lambda _: {"title": "x", "targetWords": 0}, "BAD_USER_INPUT", "targetWords"),
    ("projectCreate", lambda _: {"title": "x", "targetWords": 10_000_001}, "BAD_USER_INPUT", "targetWords"),
    ("projectUpdate", lambda ids: {"id": ids["Project"], "title": ""}, "EMPTY", "title"),
    ("projectUpdate", lambda ids: {"id": ids["Chapter"], "title": "x"}, "BAD_USER_INPUT", "id"),
    ("projectUpdate", lambda _: {"id": "garbage", "title": "x"}, "BAD_USER_INPUT", "id"),
    ("projectUpdate", lambda _: {"id": "", "title": "x"}, "BAD_USER_INPUT", "id"),
    ("projectUpdate", lambda _: {"id": "ü" * 24, "title": "x"}, "BAD_USER_INPUT", "id"),
    ("projectUpdate", lambda ids: {"id": ids["Project"] + "AAAA", "title": "x"}, "BAD_USER_INPUT", "id"),
    ("projectUpdate", lambda _: {"id": encode_id("Project", new_id()), "title": "x"}, "NOT_FOUND", "id"),
    ("chapterCreate", lambda ids: {"projectId": ids["Job"], "title": "x"}, "BAD_USER_INPUT", "projectId"),
    ("chapterCreate", lambda ids: {"projectId": ids["Project"], "title": "x" * 201}, "TOO_LONG", "title"),
    ("chapterUpdate", lambda ids: {"id": ids["OutlineNode"], "title": "x"}, "BAD_USER_INPUT", "id"),
    ("chapterUpdate", lambda ids: {"id": ids["Chapter"], "plan": "x" * 5_001}, "TOO_LONG", "plan"),
    ("chapterTextUpdate", chapter_text("x" * 500_001), "TOO_LONG", "text"),
    ("chapterTextUpdate", chapter_text("a\x00b"), "INVALID_CHARACTERS", "text"),
    (
        "chapterTextUpdate",
        lambda ids: {"chapterId": ids["Chapter"], "text": "x", "baseVersionId": ids["TextVersion"]},
        "CONFLICT",
        "baseVersionId",
    ),
    (
        "chapterTextUpdate",
        lambda ids: {"chapterId": ids["Chapter"], "text": "x", "baseVersionId": ids["Project"]},
        "BAD_USER_INPUT",
        "baseVersionId",
    ),
    ("chapterTextUpdate", lambda ids: {"chapterId": ids["Project"], "text": "x"}, "BAD_USER_INPUT", "chapterId"),
    ("chapterVersionAccept", lambda ids: {"versionId": ids["Chapter"]}, "BAD_USER_INPUT", "versionId"),
    ("codexEntryCreate", lambda ids: {"projectId": ids["Project"], "kind": "ITEM", "name": " "}, "EMPTY", "name"),
    ("codexEntryUpdate", lambda ids: {"id": ids["CodexEntry"], "aliases": ["x"] * 51}, "LIMIT_REACHED", "aliases"),
    ("codexEntryUpdate", lambda ids: {"id": ids["CodexEntry"], "aliases": [""]}, "EMPTY", "aliases"),
    ("codexEntryUpdate", attributes(*((f"{n}", "x") for n in range(101))), "LIMIT_REACHED", "attributes"),
    ("codexEntryUpdate", attributes(("a", "1"), ("a", "2")), "ALREADY_EXISTS", "attributes"),
    ("codexEntryUpdate", attributes(("a", "\x00")), "INVALID_CHARACTERS", "attributes"),
    ("chapterGenerate", generation(idempotencyKey=""), "EMPTY", "idempotencyKey"),
    ("chapterGenerate", generation(idempotencyKey="k" * 201), "TOO_LONG", "idempotencyKey"),
    ("chapterGenerate", generation(instructions="x" * 20_001), "TOO_LONG", "instructions"),
    ("chapterGenerate", generation(instructions="\x00"), "INVALID_CHARACTERS", "instructions"),
    ("chapterGenerate", generation(targetWords=0), "BAD_USER_INPUT", "targetWords"),
    ("chapterGenerate", generation(targetWords=20_001), "BAD_USER_INPUT", "targetWords"),
    ("chapterGenerate", generation(chapterId="garbage"), "BAD_USER_INPUT", "chapterId"),
    ("chapterGenerate", generation(channelId=encode_id("Channel", new_id())), "NOT_FOUND", "channelId"),
    ("chapterGenerate", generation(model=""), "EMPTY", "model"),
    ("generationCancel", lambda ids: {"id": ids["Job"]}, "BAD_USER_INPUT", "id"),
    ("jobRetry", lambda ids: {"id": ids["Job"], "idempotencyKey": "k"}, "INVALID_STATE", "id"),
    (
        "jobRetry",
        lambda ids: {"id": ids["FailedJob"], "idempotencyKey": "\x00"},
        "INVALID_CHARACTERS",
        "idempotencyKey",
    ),
    ("jobCancel", lambda _: {"id": encode_id("Job", new_id())}, "NOT_FOUND", "id"),
]


async def refusal_of(person: Person, name: str, input_: dict[str, Any]) -> tuple[str, list[str]]:
    if name != "chapterGenerate":
        code, field = await person.refusal(name, **input_)
        assert field is not None
        return code, field
    arm = await person.mutate(name, "... on UserError { code message field }", **input_)
    assert arm["message"].endswith(".")
    return arm["code"], arm["field"]


@pytest.mark.parametrize(
    ("name", "input_", "code", "field"),
    REFUSED,
    ids=[f"{n}-{one[0]}-{one[2]}-{one[3]}" for n, one in enumerate(REFUSED)],
)
async def test_what_cannot_be_used_is_refused_at_its_field_and_changes_nothing(
    studio: Studio, admin: Database, name: str, input_: Input, code: str, field: str
) -> None:
    await studio.person.site.api.uses.stop()  # counts are not written while rows are compared
    before = await rows_of(admin, studio.person.tenant_id)
    assert await refusal_of(studio.person, name, input_(studio.ids)) == (code, ["input", field])
    assert await rows_of(admin, studio.person.tenant_id) == before


TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("projectCreate", {"title": "x" * 200}),
    ("projectCreate", {"title": "x", "premise": "x" * 5_000, "styleGuide": "x" * 20_000, "targetWords": 10_000_000}),
    ("projectCreate", {"title": "👩‍👩‍👧 \u200b 𠮷", "language": "zh-Hant-TW", "premise": "a\tb\r\nc"}),
]


@pytest.mark.parametrize(("name", "input_"), TAKEN)
async def test_what_lies_on_the_edge_is_taken(studio: Studio, name: str, input_: dict[str, Any]) -> None:
    assert (await studio.person.mutate(name, **input_))["userErrors"] == []


async def test_a_text_of_half_a_million_characters_is_taken_in_any_script(alice: Person) -> None:
    project = (await alice.mutate("projectCreate", "project { id }", title="Long"))["project"]["id"]
    chapter = (await alice.mutate("chapterCreate", "chapter { id }", projectId=project, title="1"))["chapter"]["id"]
    base = None
    for text, words in (("word " * 100_000, 100_000), ("长" * 300_000, 300_000)):
        payload = await alice.mutate(
            "chapterTextUpdate", "version { id wordCount }", chapterId=chapter, text=text, baseVersionId=base
        )
        assert payload["userErrors"] == []
        assert payload["version"]["wordCount"] == words
        base = payload["version"]["id"]


LISTS = {
    "projects": "query ($a: String, $n: Int!) { projects(first: $n, after: $a) { edges { cursor } } }",
    "jobs": "query ($a: String, $n: Int!) { jobs(first: $n, after: $a) { edges { cursor } } }",
    "apiTokens": "query ($a: String, $n: Int!) { apiTokens(first: $n, after: $a) { edges { cursor } } }",
    "search": 'query ($a: String, $n: Int!) { search(query: "quillfeather", first: $n, after: $a) { edges { cursor } } }',
    "chapters": "query ($id: ID!, $a: String, $n: Int!) { node(id: $id) { ... on Project { "
    "chapters(first: $n, after: $a) { edges { cursor } } } } }",
    "codexEntries": "query ($id: ID!, $a: String, $n: Int!) { node(id: $id) { ... on Project { "
    "codexEntries(first: $n, after: $a) { edges { cursor } } } } }",
    "versions": "query ($id: ID!, $a: String, $n: Int!) { node(id: $id) { ... on Chapter { "
    "versions(first: $n, after: $a) { edges { cursor } } } } }",
    "generations": "query ($id: ID!, $a: String, $n: Int!) { node(id: $id) { ... on Chapter { "
    "generations(first: $n, after: $a) { edges { cursor } } } } }",
    "relations": "query ($id: ID!, $a: String, $n: Int!) { node(id: $id) { ... on CodexEntry { "
    "relations(first: $n, after: $a) { edges { cursor } } } } }",
}
PARENTS = {"versions": "Chapter", "generations": "Chapter", "relations": "CodexEntry"}


def variables(studio: Studio, name: str, **more: Any) -> dict[str, Any]:
    asked = {"n": 20, **more}
    return asked | ({"id": studio.ids[PARENTS.get(name, "Project")]} if "$id" in LISTS[name] else {})


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_refuses_cursors_and_sizes_that_are_not_its_own(studio: Studio, name: str) -> None:
    cursors = {}
    for other, query in LISTS.items():
        found = await studio.person(query, **variables(studio, other))
        edges = found["edges"] if "edges" in found else found[other]["edges"]
        assert edges, f"{other} has nothing to show"
        cursors[other] = edges[0]["cursor"]
    person, query = studio.person, LISTS[name]
    for other, cursor in cursors.items():
        if other != name:
            assert await person.code(query, **variables(studio, name, a=cursor)) == "BAD_USER_INPUT", other
    for cursor in ("", "garbage", "ü", cursors[name][:-3], cursors[name] + "x" * 5_000):
        assert await person.code(query, **variables(studio, name, a=cursor)) == "BAD_USER_INPUT", cursor
    for number in (0, -1, 101, 2**31 - 1):
        assert await person.code(query, **variables(studio, name, n=number)) == "BAD_USER_INPUT", number
    assert "errors" not in await person.ask(query, **variables(studio, name, a=cursors[name], n=1))


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($id: ID!) { node(id: $id) { id } }", {"id": "garbage"}),
        ("query ($id: ID!) { node(id: $id) { id } }", {"id": "a\x00"}),
        ("query ($q: String!) { search(query: $q) { edges { cursor } } }", {"q": ""}),
        ("query ($q: String!) { search(query: $q) { edges { cursor } } }", {"q": "x" * 201}),
        ("query ($q: String!) { search(query: $q) { edges { cursor } } }", {"q": "a\x00"}),
        ("query ($f: ProjectFilter) { projects(filter: $f) { edges { cursor } } }", {"f": {"titleContains": "a\x00"}}),
        ("query ($f: ProjectFilter) { projects(filter: $f) { edges { cursor } } }", {"f": {"language": "a\x00"}}),
        ("query ($f: JobFilter) { jobs(filter: $f) { edges { cursor } } }", {"f": {"kind": "a\x00"}}),
        (
            "query ($id: ID!, $f: CodexEntryFilter) { node(id: $id) { ... on Project { codexEntries(filter: $f) { "
            "edges { cursor } } } } }",
            {"f": {"nameContains": "a\x00"}},
        ),
        ('{ projects(filter: {titleContains: "a\\u0000"}) { edges { cursor } } }', {}),
    ],
)
async def test_a_query_with_unusable_arguments_is_the_clients_mistake(
    studio: Studio, query: str, variables: dict[str, Any]
) -> None:
    if "$id" in query:
        variables = {"id": studio.ids["Project"], **variables}
    assert await studio.person.code(query, **variables) in {"BAD_USER_INPUT", "EMPTY", "TOO_LONG", "INVALID_CHARACTERS"}


@pytest.mark.parametrize(
    "value", ["garbage", "2026-01-01", "2026-01-01T00:00:00", "", 5, True, ["2026-01-01T00:00:00Z"], {"a": 1}, "9" * 50]
)
async def test_what_is_no_moment_is_the_clients_mistake(alice: Person, value: Any) -> None:
    query = """mutation ($t: DateTime) {
      apiTokenCreate(input: {name: "x", scopes: ["read"], expiresAt: $t}) { token }
    }"""
    assert await alice.code(query, t=value) == "BAD_USER_INPUT"
    if isinstance(value, str):
        assert await alice.code(query.replace("$t)", "$unused)").replace("$t}", f'"{value}"}}')) in {
            "BAD_USER_INPUT",
            "GRAPHQL_VALIDATION_FAILED",
        }


async def test_a_moment_is_read_in_any_offset(alice: Person) -> None:
    made = await alice.mutate(
        "apiTokenCreate", "apiToken { expiresAt }", name="x", scopes=["read"], expiresAt="2999-01-01T08:00:00+08:00"
    )
    assert made["apiToken"]["expiresAt"] == "2999-01-01T00:00:00.000Z"
