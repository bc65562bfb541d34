"""Look-ahead: a page asks its table for the columns that the selection needs, and resolvers read no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
from graphql import (
    GraphQLError,
    GraphQLObjectType,
    execute,
    get_named_type,
    is_leaf_type,
    parse,
    validate,
)
from graphql.execution.collect_fields import collect_fields
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental
from sqlalchemy import text

from app.graphql.compiled import CompiledExecutor
from domain.accounts import Actor
from persistence.database import Database
from persistence.shapes import Shape
from resolvers.reads import TenantReads
from resolvers.root import build_schema
from schema.batched import COLUMNS
from schema.context import Context
from schema.ids import decode_id
from tests.graphql.clients import Person, Site
from tests.graphql.studio import Studio, populated
from tests.graphql.test_query_counts import grow
from workers.runtime import Runtime

SCHEMA = build_schema()


class Listening:
    """A database that remembers which shapes it was asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.texts: list[str] = []

    async def shaped(self, tenant_id: Any, shape: Shape, **values: Any) -> Any:
        self.texts.append(str(shape.statement))
        return await self._database.shaped(tenant_id, shape, **values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


async def actor_of(person: Person) -> Actor:
    actor = await person.site.api.authenticator.authenticate(person.authorization, None)
    assert actor is not None
    return actor


async def context_of(person: Person, database: Any = None) -> Context:
    services, actor = person.site.api.services, await actor_of(person)
    reads = TenantReads(database or person.site.api.database, services.events, actor)
    return Context(actor, reads, services, "request")


@pytest.fixture(scope="module")
async def studio(site: Site, alice: Person, runtime: Runtime, admin: Database) -> Studio:
    made = await populated(alice, runtime)
    await grow(admin, alice, 2)
    return made


async def columns(person: Person, query: str, table: str) -> set[str]:
    """The columns that the statement over a table selects; both executors ask for the same."""
    found: list[set[str]] = []
    for executor in (None, CompiledExecutor):
        listening = Listening(person.site.api.database)
        document = parse(query)
        assert validate(SCHEMA._schema, document) == []
        for _ in range(2):  # the second run is compiled
            context = await context_of(person, listening)
            result: Any = execute(SCHEMA._schema, document, context_value=context, executor_class=executor)
            assert (await result).errors is None
        asked = {tuple(re.findall(rf"app\.{table}\.(\w+)", one)) for one in map(selected, listening.texts)} - {()}
        assert len(asked) == 1, asked
        found += map(set, asked)
    assert found[0] == found[1]
    return found[0]


def selected(statement: str) -> str:
    """What a page's statement lists before its first FROM of a table."""
    return statement.partition("FROM app.")[0] if "LIMIT" in statement else ""


PROJECT_KEY = {"updated_at", "id"}
CHAPTER_KEY = {"path", "id"}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("edges { cursor } pageInfo { endCursor }", set()),
        ("edges { node { __typename } }", set()),
        ("edges { node { title } }", {"title"}),
        ("edges { node { a: title b: genre } }", {"title", "genre"}),
        ("edges { node { ...F } } other: edges { node { language } }", {"title", "language"}),
        ("edges { ... { node { ... on Node { id ... on Project { premise } } } } }", {"premise"}),
        ("edges { node { title @skip(if: true) status @include(if: false) } }", {"title", "status"}),
        ("edges { node { id wordCount chapters { edges { node { title } } } outline { id } } }", set()),
    ],
    ids=["cursors", "typename", "one", "aliases", "fragments", "on interfaces", "conditions", "batched fields"],
)
async def test_a_page_selects_what_is_asked_for_and_its_sort_key(
    studio: Studio, selection: str, expected: set[str]
) -> None:
    query = f"{{ projects(first: 3) {{ {selection} }} }}" + (
        " fragment F on Project { ...G } fragment G on Project { title }" if "...F" in selection else ""
    )
    assert await columns(studio.person, query, "projects") == expected | PROJECT_KEY


async def test_pages_under_parents_select_what_is_asked_for(studio: Studio) -> None:
    query = "{ projects { edges { node { chapters { edges { node { title parentId currentVersion { id } } } } } } } }"
    assert await columns(studio.person, query, "outline_nodes") == CHAPTER_KEY | {
        "title", "parent_id", "current_version_id"}  # fmt: skip


async def test_two_places_of_one_list_each_select_their_own(studio: Studio) -> None:
    listening = Listening(studio.person.site.api.database)
    query = "{ a: projects { edges { node { title } } } b: projects { edges { node { premise } } } }"
    context = await context_of(studio.person, listening)
    result: Any = execute(SCHEMA._schema, parse(query), context_value=context)
    assert (await result).errors is None
    assert sorted("premise" in one for one in listening.texts) == [False, True]


def test_a_field_that_says_nothing_of_its_columns_has_all_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    from schema.batched import _columns

    [parent_id] = [one for one in fields_of("Chapter") if one.python_name == "parent_id"]
    info = cast("Any", type("Info", (), {"schema": SCHEMA}))
    assert _columns("Chapter", {"title", "parentId"}, info) == frozenset({"title", "parent_id"})
    monkeypatch.setattr(parent_id, "metadata", {})
    assert _columns("Chapter", {"title", "parentId"}, info) is None
    assert _columns("Chapter", {"title"}, info) == frozenset({"title"})


# -- what resolvers read ---------------------------------------------------------------------------------------------


class Untold(Exception):
    """A resolver read a column that its field does not name."""


class Only:
    """A row that has some of its columns and no others."""

    def __init__(self, row: Any, allowed: tuple[str, ...]) -> None:
        self.__dict__ |= {name: row[name] if hasattr(row, "keys") else getattr(row, name) for name in allowed}

    def __getattr__(self, name: str) -> Any:
        raise Untold(name)


def fields_of(type_name: str) -> list[Any]:
    return list(cast("Any", SCHEMA.get_type_by_name(type_name)).fields)


def declared() -> Iterator[tuple[str, str, Any]]:
    """(type, GraphQL name, field) of every computed field that names its columns."""
    for type_name, type_ in SCHEMA._schema.type_map.items():
        if not isinstance(type_, GraphQLObjectType) or not hasattr(SCHEMA.get_type_by_name(type_name), "fields"):
            continue
        for field in fields_of(type_name):
            if COLUMNS in field.metadata:
                yield type_name, SCHEMA.config.name_converter.get_graphql_name(field), field


DECLARED = {f"{type_name}.{name}": (type_name, name, field) for type_name, name, field in declared()}


async def resolve(context: Context, type_name: str, name: str, row: Any) -> Any:
    """Ask one field of a row, by graphql-core alone. Raises its error."""
    type_: Any = SCHEMA._schema.type_map[type_name]
    below = "" if is_leaf_type(get_named_type(type_.fields[name].type)) else "{ __typename }"
    document = parse(f'{{ node(id: "any") {{ ... on {type_name} {{ {name} {below} }} }} }}')
    executor: Any = ExecutorThrowingOnIncremental.build(SCHEMA._schema, document, context_value=context)
    query_type = SCHEMA._schema.query_type
    assert query_type is not None
    root = collect_fields(
        SCHEMA._schema, executor.fragments, executor.variable_values, query_type, executor.operation, False
    )
    below_node = executor.collect_subfields(type_, root.grouped_field_set["node"]).grouped_field_set
    try:
        answer = executor.execute_fields(type_, row, None, below_node, None)
        data = await answer if executor.is_awaitable(answer) else answer
        for error in executor.collected_errors.errors:
            raise error
    except GraphQLError as error:
        raise error.original_error or error from None
    return data[name]


def test_most_computed_fields_name_their_columns() -> None:
    assert {"Project.chapters", "Project.id", "Generation.usage", "Job.maxAttempts", "CodexRelation.from"} <= {
        *DECLARED
    }
    assert len(DECLARED) >= 40


NOT_NODES = {"AuditEntry": "audit_entries", "Notification": "notifications"}
"""Tables of types that are found in their lists alone."""
OF_THE_PLATFORM = {"Coupon": "coupons", "PlanVersion": "plan_versions"}
"""Tables without a tenant, of which members see no rows or only some."""


async def row_of(studio: Studio, context: Context, admin: Database, type_name: str) -> Any:
    if (table := OF_THE_PLATFORM.get(type_name)) is not None:
        [row] = await admin.platform_rows(text(f"select * from app.{table} limit 1"))
        return row
    if (table := NOT_NODES.get(type_name)) is None:
        return await context.reads.one(type_name, decode_id(type_name, studio.ids[type_name]))
    any_one = text(f"select * from app.{table} where tenant_id = :t limit 1").bindparams(t=context.actor.tenant_id)
    [row] = await admin.platform_rows(any_one)
    return row


@pytest.mark.parametrize("which", DECLARED)
async def test_a_computed_field_reads_no_column_but_those_it_names(studio: Studio, admin: Database, which: str) -> None:
    type_name, name, field = DECLARED[which]
    context = await context_of(studio.person)
    row = await row_of(studio, context, admin, type_name)
    assert row is not None
    await resolve(context, type_name, name, Only(row, field.metadata[COLUMNS]))
    specialise = getattr(field.base_resolver.wrapped_func, "for_type", None)
    if specialise is not None:
        specialise(type_name)(Only(row, field.metadata[COLUMNS]))


@pytest.mark.parametrize("which", ["Chapter.parentId", "Project.chapters", "Generation.usage"])
async def test_a_field_that_reads_more_than_it_names_is_found(studio: Studio, which: str) -> None:
    type_name, name, _ = DECLARED[which]
    context = await context_of(studio.person)
    row = await context.reads.one(type_name, decode_id(type_name, studio.ids[type_name]))
    with pytest.raises(Untold):
        await resolve(context, type_name, name, Only(row, ("title",) if which != "Generation.usage" else ("id",)))
