"""`operationExplain`: what would answer a query, for those who run the platform and for nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text as sql

from app.settings import Limits, Settings
from domain.accounts import Role
from domain.integrations import DocumentMode, document_hash
from persistence.database import Database
from tests.conftest import opened_site
from tests.documents import EVENTS
from tests.graphql.clients import Person, Site

EXPLAIN = "query ($i: OperationExplainInput!) { operationExplain(input: $i) { engine reason cost sql plan } }"
SHELF = "query Shelf($first: Int = 20) { projects(first: $first) { edges { node { id title } } } }"
COUNTED = "query Counted { projects { edges { node { title words: wordCount } } } }"
CREATE = 'mutation Create { projectCreate(input: {title: "x", language: "en"}) { project { id } } }'
CHAPTERS_AFTER = '{ projects { edges { node { chapters(after: "x") { edges { cursor } } } } } }'
ODD_TITLE = """O'Neil \\' "$1" -- 雨"""


def sha(text: str) -> str:
    return f"sha256:{document_hash(text)}"


async def explained(person: Person, text: str | None = None, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await person(EXPLAIN, i={"text": text, **more})
    return answer


async def refused(person: Person, text: str | None = None, **more: Any) -> tuple[str, str]:
    """(code, message) of the only error."""
    answer = await person.ask(EXPLAIN, i={"text": text, **more})
    [error] = answer["errors"]
    assert (answer["data"], error["path"]) == (None, ["operationExplain"])
    return error["extensions"]["code"], error["message"]


def nodes_of(plan: str) -> Iterator[dict[str, Any]]:
    """Every node of a plan in JSON."""

    def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", ()):
            yield from walk(child)

    yield from walk(json.loads(plan)[0]["Plan"])


async def titles_read(person: Person, text: str, **variables: Any) -> int:
    """How many projects a statement read when it ran."""
    found = await explained(person, text, variables=variables, analyze=True)
    [node] = [one for one in nodes_of(found["plan"]) if one.get("Relation Name") == "projects"]
    return int(node["Actual Rows"] * node["Actual Loops"])


@pytest.fixture(scope="module")
async def operator(site: Site) -> Person:
    """A platform administrator with two projects."""
    person = await site.tenant(platform_admin=True)
    for title in ("Plain", ODD_TITLE):
        await person.mutate("projectCreate", title=title, language="en")
    return person


@pytest.fixture(scope="module")
async def stranger(site: Site) -> Person:
    """Somebody with five projects in a tenant of their own."""
    person = await site.tenant()
    for n in range(5):
        await person.mutate("projectCreate", title=f"Secret {n}", language="en")
    return person


# -- what answers ----------------------------------------------------------------------------------------------------


async def test_a_query_of_columns_is_a_sql_plan_and_is_not_run(operator: Person) -> None:
    found = await explained(operator, SHELF, variables={"first": 7})
    assert (found["engine"], found["reason"], found["cost"]) == ("SQL_PLAN", None, 1 + 7)
    assert {one["Relation Name"] for one in nodes_of(found["plan"]) if "Relation Name" in one} == {"projects"}
    assert "Actual" not in found["plan"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (COUNTED, "Project.wordCount is worked out by the server."),
        ("{ me { role } }", "Query.me is worked out by the server."),
        ("{ __schema { queryType { name } } }", "Query.__schema is worked out by the server."),
        ("{ __typename }", "Nothing of it is in the database."),
        ("{ projects { edges { node { id } } } queues { name } }", "Query.queues is worked out by the server."),
        ("{ projects(first: 101) { edges { cursor } } }", "`first` is refused: Between 1 and 100 at a time."),
        ('{ projects(after: "x") { edges { cursor } } }', "`after` is refused: This is not a cursor of this API."),
        (CHAPTERS_AFTER, "A cursor is given for a list under a parent."),
    ],
)
async def test_what_is_compiled_says_why_it_is_no_sql_plan(operator: Person, text: str, reason: str) -> None:
    found = await explained(operator, text, analyze=True)
    assert (found["engine"], found["reason"], found["sql"], found["plan"]) == ("COMPILED", reason, None, None)


async def test_a_node_is_planned_by_the_type_of_its_id(operator: Person) -> None:
    [project, *_] = (await operator("{ projects { edges { node { id } } } }"))["edges"]
    text = "query ($id: ID!) { node(id: $id) { id ... on Chapter { title } ... on Project { wordCount } } }"
    made = await operator.mutate("chapterCreate", "chapter { id }", projectId=project["node"]["id"], title="One")
    ids = made["chapter"]["id"], project["node"]["id"], operator.tenant_gid, "garbage"
    found = [await explained(operator, text, variables={"id": one}) for one in ids]
    assert [(one["engine"], one["reason"]) for one in found] == [
        ("SQL_PLAN", None),
        ("COMPILED", "Project.wordCount is worked out by the server."),
        ("COMPILED", "Tenant is not kept in one table."),
        ("COMPILED", "`id` is refused: This is not an id of this API."),
    ]


@pytest.mark.parametrize(
    ("compiled", "engine", "reason"),
    [
        (True, "COMPILED", "SQL plans are turned off."),
        (False, "STOCK", "SQL plans are turned off. Compiled execution is turned off."),
    ],
)
async def test_ways_that_are_turned_off_answer_nothing(
    settings: Settings, operator: Person, compiled: bool, engine: str, reason: str
) -> None:
    off = settings.model_copy(update={"sql_plans": False, "compiled_execution": compiled})
    async with opened_site(off) as site:
        person = Person(**{**vars(operator), "site": site})
        found = await explained(person, SHELF)
    assert (found["engine"], found["reason"]) == (engine, reason)


# -- the statement ---------------------------------------------------------------------------------------------------


async def prepared_statements(site: Site) -> set[str]:
    """What the sessions that answer by plans have been asked so far."""
    pool = site.api.database._pool
    assert pool is not None
    async with asyncio.timeout(10):
        sessions = [await pool.acquire() for _ in range(pool.get_size())]
    rows = [await one.fetch("select statement from pg_prepared_statements") for one in sessions]
    for one in sessions:
        await pool.release(one)
    return {row["statement"] for some in rows for row in some}


async def test_the_text_is_what_postgresql_was_sent(site: Site, operator: Person) -> None:
    text = 'query { projects(first: 3, filter: {language: "en"}) { edges { node { id createdAt } } pageInfo { endCursor } } }'
    answers = [await operator(text) for _ in range(3)]
    assert answers[0]["edges"] != []
    sent = await prepared_statements(site)
    assert (await explained(operator, text))["sql"] in sent
    assert (await explained(operator, text.replace("id createdAt", "id")))["sql"] not in sent


async def test_the_plan_is_the_one_for_any_values(operator: Person) -> None:
    """Requests are answered by generic plans, in which parameters are still parameters."""
    plan = (await explained(operator, SHELF))["plan"]
    assert str(operator.tenant_id) not in plan
    assert any("$" in str(one.get("Index Cond", one.get("Filter", ""))) for one in nodes_of(plan))


async def test_analyze_runs_it_with_the_values_of_the_request(operator: Person) -> None:
    assert await titles_read(operator, SHELF, first=100) == 2
    assert await titles_read(operator, SHELF, first=1) == 1
    found = "query ($t: String!) { projects(filter: {titleContains: $t}) { edges { node { id } } } }"
    for part in ("'", "\\", '"$1"', "-- 雨", ODD_TITLE):
        assert await titles_read(operator, found, t=part) == 1, part
    assert await titles_read(operator, found, t="nowhere") == 0
    paged = "query ($a: String) { projects(first: 1, after: $a) { edges { node { id } } pageInfo { endCursor } } }"
    cursor = (await operator(paged))["pageInfo"]["endCursor"]
    assert await titles_read(operator, paged, a=cursor) == 1


async def test_analyze_says_what_it_took(operator: Person) -> None:
    plan = (await explained(operator, SHELF, analyze=True))["plan"]
    [whole] = json.loads(plan)
    assert whole["Execution Time"] > 0
    assert "Shared Hit Blocks" in whole["Plan"]


async def test_it_is_run_by_the_applications_role_within_the_actors_tenant(
    site: Site, operator: Person, stranger: Person
) -> None:
    assert await titles_read(operator, SHELF) == 2
    plan = (await explained(operator, SHELF))["plan"]
    assert "InitPlan" in {one.get("Subplan Name", "").split(" ")[0] for one in nodes_of(plan)}, "row security asks"
    await site.also_in(operator, stranger, Role.VIEWER)
    there = Person(**{**vars(operator), "headers": {"x-tenant": stranger.tenant_gid}})
    assert await titles_read(there, SHELF) == 5


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [*Role])
async def test_no_role_in_a_tenant_is_enough(site: Site, stranger: Person, role: Role) -> None:
    member = stranger if role is Role.OWNER else await site.member(stranger, role)
    assert (await refused(member, SHELF))[0] == "FORBIDDEN"
    assert (await refused(member, "{"))[0] == "FORBIDDEN"


async def test_a_token_needs_both_rights(operator: Person) -> None:
    for scopes, allowed in (
        (["read", "admin", "developer"], False), (["platform"], False), (["platform", "read"], True),
    ):  # fmt: skip
        made = await operator.mutate("apiTokenCreate", "token", name="key", scopes=scopes)
        answer = await operator.with_token(made["token"]).ask(EXPLAIN, i={"text": SHELF})
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        assert codes == ([] if allowed else ["FORBIDDEN"]), scopes


async def test_no_token_of_a_client_application_is_enough(operator: Person) -> None:
    scopes = ["read", "platform"]
    made = await operator.mutate("clientAppCreate", "clientApp { id }", name="Tool", mode="LOG", scopes=scopes)
    app_id = made["clientApp"]["id"]
    made = await operator.mutate("apiTokenCreate", "token", name="key", scopes=scopes, clientAppId=app_id)
    expected = "FORBIDDEN", "A client application's token explains no operations."
    assert await refused(operator.with_token(made["token"]), SHELF) == expected


# -- what cannot be explained ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("input_", "code", "message"),
    [
        ({}, "BAD_USER_INPUT", "Give one of `documentId` and `text`."),
        ({"text": SHELF, "documentId": sha(SHELF)}, "BAD_USER_INPUT", "Give one of `documentId` and `text`."),
        ({"documentId": sha("none")}, "PERSISTED_DOCUMENT_NOT_FOUND", f"There is no trusted document {sha('none')}."),
        ({"documentId": "nonsense"}, "PERSISTED_DOCUMENT_NOT_FOUND", "There is no trusted document of this id."),
        ({"text": "{"}, "GRAPHQL_PARSE_FAILED", "Syntax Error: Expected Name, found <EOF>."),
        ({"text": ""}, "GRAPHQL_PARSE_FAILED", "Syntax Error: Unexpected <EOF>."),
        (
            {"text": "{ no nor }"}, "GRAPHQL_VALIDATION_FAILED",
            "Cannot query field 'no' on type 'Query'. Cannot query field 'nor' on type 'Query'. Did you mean 'node'?",
        ),
        ({"text": "{ " + "a: __typename " * 16 + "}"}, "COST_LIMIT_EXCEEDED", "The operation has more than 15 aliases."),
        ({"text": "query A { __typename } query B { __typename }"}, "BAD_REQUEST",
         "Name the operation to run with `operationName`."),
        ({"text": "query ($id: ID!) { node(id: $id) { id } }"}, "BAD_USER_INPUT",
         "Variable '$id' has invalid value: Expected a value of non-null type 'ID!' to be provided."),
        ({"text": SHELF, "variables": [1]}, "BAD_USER_INPUT", "`variables` must be an object."),
        ({"text": SHELF, "variables": {"first": "x"}}, "BAD_USER_INPUT",
         "Variable '$first' has invalid value: Int cannot represent non-integer value: 'x'"),
        ({"text": CREATE, "analyze": True}, "BAD_USER_INPUT", "Only queries can be explained, and this is a mutation."),
        ({"text": EVENTS}, "BAD_USER_INPUT", "Only queries can be explained, and this is a subscription."),
    ],
)  # fmt: skip
async def test_what_would_be_refused_is_refused_alike(
    operator: Person, input_: dict[str, Any], code: str, message: str
) -> None:
    assert await refused(operator, **input_) == (code, message)


async def test_words_of_the_schema_are_for_those_who_are_shown_it(settings: Settings, operator: Person) -> None:
    async with opened_site(settings.model_copy(update={"introspection": "developers"})) as site:
        person = Person(**{**vars(operator), "site": site})
        assert (await refused(person, "{ nod }"))[1].endswith(" Did you mean 'node' or 'nodes'?")
        made = await person.mutate("apiTokenCreate", "token", name="key", scopes=["platform", "read"])
        token = person.with_token(made["token"])
        assert (await refused(token, "{ nod }"))[1] == "Cannot query field 'nod' on type 'Query'."
        assert (await refused(token, "{ __schema { queryType { name } } }"))[0] == "INTROSPECTION_DISABLED"


async def test_a_mutation_is_not_run(operator: Person) -> None:
    before = await operator("{ projects(first: 100) { edges { node { title } } } }")
    await refused(operator, CREATE, analyze=True)
    assert await operator("{ projects(first: 100) { edges { node { title } } } }") == before


async def test_one_of_several_operations_is_named(operator: Person) -> None:
    both = f"{SHELF} {COUNTED}"
    assert (await explained(operator, both, operationName="Shelf"))["engine"] == "SQL_PLAN"
    assert (await explained(operator, both, operationName="Counted"))["engine"] == "COMPILED"


# -- registered documents --------------------------------------------------------------------------------------------


async def registered(owner: Person, text: str) -> str:
    """The id of a new application of the owner with this document."""
    made = await owner.mutate("clientAppCreate", "clientApp { id }", name="Reader")
    app_id: str = made["clientApp"]["id"]
    documents = [{"hash": sha(text), "text": text}]
    await owner.mutate("trustedDocumentsRegister", "registered", clientAppId=app_id, documents=documents)
    return app_id


async def test_documents_of_the_product_and_of_the_tenants_applications_are_found(
    site: Site, operator: Person, stranger: Person
) -> None:
    await registered(operator, SHELF)
    assert (await explained(operator, documentId=sha(SHELF)))["engine"] == "SQL_PLAN"
    own = next(one for one in site.api.documents._first_party if "query Projects" in _text_of(site, one))
    assert (await explained(operator, documentId=f"sha256:{own}"))["cost"] > 0
    await registered(stranger, COUNTED)
    assert (await refused(operator, documentId=sha(COUNTED)))[0] == "PERSISTED_DOCUMENT_NOT_FOUND"


def _text_of(site: Site, hash_: str) -> str:
    return site.api.documents._first_party[hash_].text


async def test_an_explanation_is_no_use_of_a_document(site: Site, operator: Person) -> None:
    text = "query Unused { projects { edges { cursor } } }"
    app_id = await registered(operator, text)
    await explained(operator, documentId=sha(text), analyze=True)
    await site.api.uses.flush()
    query = "query ($id: ID!) { node(id: $id) { ... on ClientApp { documents { edges { node { useCount } } } } } }"
    assert await operator(query, id=app_id) == {"documents": {"edges": [{"node": {"useCount": 0}}]}}


async def test_where_text_may_not_be_sent_it_is_not_explained(settings: Settings, operator: Person) -> None:
    strict = settings.model_copy(update={"first_party_mode": DocumentMode.REQUIRE})
    async with opened_site(strict) as site:
        [own] = [one for one in site.api.documents._first_party if "query OperationExplain(" in _text_of(site, one)]

        async def ask(text: str) -> Any:
            body = {"documentId": f"sha256:{own}", "variables": {"input": {"text": text}}}
            headers = {"authorization": operator.authorization}
            return (await site.http.post("/graphql", json=body, headers=headers)).json()

        [error] = (await ask(SHELF))["errors"]
        assert error["extensions"]["code"] == "PERSISTED_DOCUMENT_NOT_FOUND"
        assert (await ask(_text_of(site, own)))["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"  # its variables


# -- limits ----------------------------------------------------------------------------------------------------------


async def test_the_cost_limit_refuses_at_its_edge(settings: Settings, operator: Person) -> None:
    async with opened_site(settings.model_copy(update={"limits": Limits(query_cost_max=21)})) as site:
        person = Person(**{**vars(operator), "site": site})
        assert (await explained(person, SHELF, variables={"first": 20}))["cost"] == 21
        answer = await person.ask(EXPLAIN, i={"text": SHELF, "variables": {"first": 21}})
    [error] = answer["errors"]
    assert (
        error["extensions"].items() >= {"code": "COST_LIMIT_EXCEEDED", "cost": {"requested": 22, "limit": 21}}.items()
    )


async def test_what_is_analyzed_costs_what_it_may_cost(settings: Settings, operator: Person) -> None:
    limits = Limits(cost_bucket_max=100, cost_restored_per_s=0.01)
    async with opened_site(settings.model_copy(update={"limits": limits})) as site:
        person = Person(**{**vars(operator), "site": site})

        async def left(**more: Any) -> int:
            answer = await person.ask(EXPLAIN, i={"text": SHELF, **more})
            assert "errors" not in answer, answer
            return int(answer["extensions"]["cost"]["bucket"]["remaining"])

        assert await left() == 99
        assert await left() == 98
        await left(analyze=True, variables={"first": 46})  # 1 + 47
        assert await left() == 49
        assert await refused(person, SHELF, analyze=True, variables={"first": 49}) == (
            "RATE_LIMITED", "The operation may cost 50, and 48 is left. Try again in 200 s."
        )  # fmt: skip


async def test_the_time_limit_ends_the_statement_as_well(settings: Settings, operator: Person, admin: Database) -> None:
    limits = Limits(query_timeout_s=0.5)
    busy = "select count(*) from pg_stat_activity where state = 'active' and query ilike 'explain%' and datname = current_database()"
    async with opened_site(settings.model_copy(update={"limits": limits})) as site:
        person = Person(**{**vars(operator), "site": site})
        await explained(person, SHELF, analyze=True)
        async with admin.engine.begin() as connection:
            await connection.execute(sql("lock table app.projects in access exclusive mode"))
            answer = await person.ask(EXPLAIN, i={"text": SHELF, "analyze": True})
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["TIMEOUT"]
            assert (await connection.execute(sql(busy))).scalar() == 0
        assert (await explained(person, SHELF, analyze=True))["engine"] == "SQL_PLAN"
