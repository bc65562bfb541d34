"""Any valid query has the same answer from every executor: the product's own schema and data, operations at random.

FUZZ_OPERATIONS sets how many operations are made (6,000 otherwise).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from graphql import GraphQLSchema, validate
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, bindparam, text

from app.graphql.compiled import batches, completion, plan, resolution, selection
from app.graphql.compiled.path import as_path
from app.graphql.compiled.resolution import DEFINITION
from domain.accounts import Actor
from domain.ids import new_id
from persistence import bodies, json_text
from persistence.database import Database
from resolvers.root import build_schema
from schema.base import TABLES
from schema.batched import GLOBAL_ID, PAGED, REFERENCE
from schema.ids import encode_id
from tests.graphql.clients import Person, Site
from tests.graphql.coverage import explorer, reachable
from tests.graphql.executors import (
    Answer,
    Compiled,
    Planned,
    Run,
    Stock,
    errors_of,
    excusable,
    parsed,
    same_data,
)
from tests.graphql.generator import Operation, Pool, Writer
from tests.graphql.studio import MARKER, Studio, populated
from tests.graphql.test_query_counts import grow
from workers.runtime import Runtime

OPERATIONS = int(os.environ.get("FUZZ_OPERATIONS", "6000"))
WEIGHTS = {"node": 5, "nodes": 6, "projects": 6, "jobs": 4, "search": 3, "workers": 1, "queues": 1, "wallet": 1}

CHOICES = 600
"""Bytes, of which an operation takes what it needs."""
AT_ONCE = 4
"""Operations that run side by side, as they do in the product."""
# graphql-core leaves the coroutines of siblings that it cancels at once to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"
)

GROW = (
    # A title that is there already, a deleted project, and texts at the edge of what may be.
    "insert into app.projects (tenant_id, id, title, language, target_words, deleted_at) values "
    "(:t, gen_random_uuid(), 'P', 'zh', 5, null), (:t, gen_random_uuid(), '', 'en', null, now()), "
    "(:t, gen_random_uuid(), e'\\u4e8c\\n\"\\\\', 'zh', 0, null)",
    # More words than an Int can count, in one project of many: its field fails, and it may not be null.
    "update app.outline_nodes set word_count = 2147483647 where tenant_id = :t and project_id = "
    "(select project_id from app.outline_nodes where tenant_id = :t and title = 'C' order by project_id limit 1)",
    # Chapters without a text, one that is deleted.
    "insert into app.outline_nodes (tenant_id, id, project_id, parent_id, kind, title, position, path, deleted_at) "
    "select tenant_id, gen_random_uuid(), project_id, id, k, 'inner', k, path || '/' || k, "
    "case k when 'ARC' then now() end from app.outline_nodes, unnest(array['CHAPTER', 'ARC', 'SCENE']) as k "
    "where tenant_id = :t and kind = 'VOLUME'",
    # Entries with values that the schema does not allow: fields fail in lists and below.
    "insert into app.codex_entries (tenant_id, id, project_id, kind, name, aliases, attributes, deleted_at) "
    "select :t, gen_random_uuid(), project_id, 'PLACE', n, a::jsonb, b::jsonb, case n when 'gone' then now() end "
    "from (select project_id from app.codex_entries where tenant_id = :t limit 1) as p, (values "
    "('one', '[null, \"a\"]', '[]'), ('two', '[1, true]', '[{\"key\": \"k\", \"value\": null}]'), "
    "('three', '[]', '[{\"key\": \"k\"}]'), ('gone', '[]', '[]'), ('four', '[\"x\"]', '[]')) as v (n, a, b)",
    # Relations to what is deleted: `from` and `to` may not be null.
    "insert into app.codex_relations (tenant_id, id, project_id, from_id, to_id, kind) "
    "select a.tenant_id, gen_random_uuid(), a.project_id, a.id, b.id, 'knows' "
    "from app.codex_entries a, app.codex_entries b where a.tenant_id = :t and b.tenant_id = :t "
    "and a.project_id = b.project_id and a.id <> b.id and (b.name = 'gone' or a.name in ('one', 'four'))",
)
HARVEST = """query ($f: Int!, $q: String!) {
  projects(first: 20) { edges { cursor node { id
    chapters(first: $f) { edges { cursor node { id
      versions(first: $f) { edges { cursor node { id } } } generations { edges { cursor node { id } } } } } }
    outline { id } codexEntries(first: $f) { edges { cursor node { id
      relations(first: $f) { edges { cursor node { id } } } } } } } } }
  titles: projects(orderBy: {field: TITLE, direction: ASC}) { edges { cursor } }
  jobs(first: 5) { edges { cursor node { id generation { id events(first: 5) { endCursor } } } } }
  apiTokens(first: 5) { edges { cursor node { id } } }
  search(query: $q) { edges { cursor } }
}"""


@dataclass(repr=False)
class World:
    """Where operations run, and what they may ask for."""

    schema: GraphQLSchema
    stock: Stock
    compiled: Compiled
    pool: Pool
    people: tuple[Actor | None, ...]
    tally: Counter[str] = field(default_factory=Counter)

    def operations(
        self, writer: type[Writer], weights: dict[str, int]
    ) -> st.SearchStrategy[list[tuple[Operation, Actor | None]]]:
        def made(choices: bytes) -> tuple[Operation, Actor | None]:
            below = Choices(choices)
            actor = self.people[below(len(self.people))]
            return writer(self.schema, self.pool, below, weights).operation(), actor

        one = st.binary(min_size=CHOICES, max_size=CHOICES).map(made)
        return st.lists(one, min_size=AT_ONCE, max_size=AT_ONCE)

    async def hold_equal(self, operation: Operation, actor: Actor | None, runs: tuple[Run, ...]) -> None:
        """Every run gives the stock answer, or declines."""
        asked: tuple[Run, ...] = (self.stock, *runs)
        for variables in operation.settings:
            expected, *answers = await asyncio.gather(*(run(operation.text, variables, actor) for run in asked))
            assert expected is not None
            self.tally["answers"] += 1
            self.tally["with errors"] += "errors" in expected
            self.tally["with data"] += expected.get("data") is not None
            for said in answers:
                if said is None:
                    self.tally["declined"] += 1
                elif not same_data(expected, said):
                    raise Different(operation, variables, expected, said)
                elif errors_of(expected) != errors_of(said):
                    self.tally["another error first"] += 1
                    every = await self.stock(operation.unpropagated, variables, actor)
                    if not excusable(expected, said, every):
                        raise Different(operation, variables, expected, said)


class Different(AssertionError):
    def __init__(self, operation: Operation, variables: Any, expected: Answer, said: Answer) -> None:
        super().__init__(f"{operation.text}\n{variables}\nexpected {expected}\nbut was  {said}")


class Choices:
    """Numbers out of bytes: the smallest ones when there are none left. One draw for an operation, not hundreds."""

    def __init__(self, choices: bytes) -> None:
        self._left = iter(choices)

    def __call__(self, n: int) -> int:
        return (next(self._left, 0) * 256 + next(self._left, 0)) % n


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """Errors are made on purpose here: none needs a traceback."""
    logger = logging.getLogger("fabula.graphql")
    logger.disabled = True
    gc.freeze()  # what was imported is not looked through again and again
    yield
    gc.unfreeze()
    gc.collect()
    logger.disabled = False


@pytest.fixture(scope="module")
async def world(site: Site, alice: Person, bob: Person, runtime: Runtime, admin: Database, quiet: None) -> World:
    studio, stranger = await populated(alice, runtime), await populated(bob, runtime)
    await grow(admin, alice, 4)
    async with admin.engine.begin() as connection:
        for statement in GROW:
            await connection.execute(text(statement), {"t": alice.tenant_id})
    authenticate = site.api.authenticator.authenticate
    people = [await authenticate(person.authorization, None) for person in (alice, bob)]
    schema = build_schema()._schema
    services = site.api.services
    stock = Stock(schema, services)
    harvest = await stock(HARVEST, {"f": 3, "q": MARKER}, people[0])
    assert "errors" not in harvest, harvest
    pool = pool_of(studio, stranger, harvest["data"])
    return World(schema, stock, Compiled(schema, services), pool, (*people[:1] * 12, *people[1:], None))


def pool_of(studio: Studio, stranger: Studio, said: Any) -> Pool:
    ids, cursors = {*studio.ids.values()}, dict[str, list[str]]()
    gather_values(said, "", ids, cursors)
    strange = (*stranger.ids.values(), encode_id("Project", new_id()), "", "!", "cGo=", "é")
    every_cursor = [one for some in cursors.values() for one in some]
    refused = ("", "garbage", "WzFd", *every_cursor[:3])
    values: dict[str, tuple[Any, ...]] = {
        "ID": (*sorted(ids) * 3, *strange),
        "projectId": (*sorted(one for one in ids if one.startswith(encode_id("Project", new_id())[:3])), *strange[:3]),
        "String": ("C", MARKER, "", "%", "en"),
        "query": (MARKER, f'"{MARKER}"', "Novel", "二", "", "C", "x" * 201),
        "language": ("en", "zh", "EN", ""),
        "nameContains": ("e", "_", "%", "Mei", ""),
        "titleContains": ("P", "ovel", "\\", "二", "\x00"),
        "kind": ("CHAPTER_GENERATE", "chapter.generate", ""),
        "Int": (*(1, 2, 3, 4, 1, 2, 3, 20) * 4, 0, -1, 101),
        "Boolean": (True, False, False),
        "DateTime": ("2026-01-31T12:00:00Z", "2030-12-31T23:59:59.999+14:00", "2026-01-31T12:00:00", "yesterday"),
        "JSON": (5, [1, "text"], {}),
        "after": (*every_cursor, *refused),
    }
    for name, some in cursors.items():
        values[f"{name}.after"] = (*some * 2, *refused)
    values["events.after"] = (*cursors["events"] * 3, *refused)
    return Pool(values)


def gather_values(said: Any, name: str, ids: set[str], cursors: dict[str, list[str]]) -> None:
    """Ids and, by the field whose list they lead through, cursors of an answer."""
    for key, value in said.items():
        if key == "id":
            ids.add(value)
        elif key in {"cursor", "endCursor"} and value:
            cursors.setdefault(name, []).append(value)
        elif isinstance(value, dict):
            gather_values(value, name if key == "node" else key.replace("titles", "projects"), ids, cursors)
        elif isinstance(value, list):
            for one in value:
                gather_values(one, name, ids, cursors)


EXAMPLES = settings(
    max_examples=-(-OPERATIONS // AT_ONCE), deadline=None, database=None, derandomize="FUZZ_OPERATIONS" not in os.environ,
    suppress_health_check=[*HealthCheck], phases=[Phase.generate, Phase.shrink], print_blob=False,
)  # fmt: skip


def fuzz(
    world: World, run: Callable[[Operation, Actor | None], Awaitable[None]], examples: settings,
    writer: type[Writer] = Writer, weights: dict[str, int] = WEIGHTS,
) -> Awaitable[None]:  # fmt: skip
    """Hypothesis in a thread, the operations in this loop."""
    loop = asyncio.get_running_loop()

    async def every(made: list[tuple[Operation, Actor | None]]) -> None:
        for failure in await asyncio.gather(*(run(*one) for one in made), return_exceptions=True):
            if failure is not None:
                raise failure

    @examples
    @given(world.operations(writer, weights))
    def some(made: list[tuple[Operation, Actor | None]]) -> None:
        asyncio.run_coroutine_threadsafe(every(made), loop).result()

    return asyncio.to_thread(some)


async def test_every_operation_has_the_same_answer_from_both_executors(world: World) -> None:
    asked: set[str] = set()

    async def run(operation: Operation, actor: Actor | None) -> None:
        world.tally["operations"] += 1
        asked.update(operation.fields)
        if not len(operation.text) % 20:
            assert validate(world.schema, parsed(operation.text)) == [], operation
        await world.hold_equal(operation, actor, (world.compiled,))

    await fuzz(world, run, EXAMPLES)
    print(dict(world.tally), dict(world.compiled.counts))
    assert world.tally["operations"] >= OPERATIONS
    assert world.tally["with data"] > world.tally["answers"] // 2
    assert world.tally["with errors"] > world.tally["answers"] // 10
    # All ran compiled but those whose variables are refused before anything runs.
    assert set(world.compiled.counts) == {"compiled"}
    assert world.compiled.counts["compiled"] >= world.tally["answers"] * 95 // 100
    every = reachable(world.schema)
    await fuzz(world, run, settings(EXAMPLES, max_examples=250), explorer(world.schema, every - asked))
    assert len(every - asked) <= len(every) // 20, every - asked


QUERY_FIELDS = build_schema()._schema.query_type.fields  # type: ignore[union-attr]


class Columns(Writer):
    """Asks for what PostgreSQL can write: columns, pages, references."""

    def _fields_of(self, type_: Any) -> list[tuple[str, Any]]:
        fields = super()._fields_of(type_)
        return [one for one in fields if type_.name not in TABLES or _is_kept(one[1].extensions[DEFINITION])]


def _is_kept(made: Any) -> bool:
    return made.is_basic_field or bool({PAGED, REFERENCE, GLOBAL_ID} & made.metadata.keys())


ROOTS = dict.fromkeys(QUERY_FIELDS, 0) | {"node": 3, "projects": 8, "jobs": 2}
"""What `Columns` asks for at the root, and how often."""


def take_one_too_many(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bodies, "_first", lambda page: bindparam(f"first{page.suffix}", type_=Integer))


def cut_no_moment(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(json_text, "json_moment", json_text.json_string)


@pytest.mark.parametrize("plant", [take_one_too_many, cut_no_moment])
async def test_a_planted_defect_of_the_statement_is_found(
    world: World, plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    defective = Planned(world.schema, world.stock.services)

    async def run(operation: Operation, actor: Actor | None) -> None:
        await world.hold_equal(operation, actor, (defective,))

    with pytest.raises(Different):
        await fuzz(world, run, settings(EXAMPLES, max_examples=300, phases=[Phase.generate]), Columns, ROOTS)


async def test_what_postgresql_writes_is_what_the_executor_answers(world: World) -> None:
    planned = Planned(world.schema, world.stock.services)

    async def run(operation: Operation, actor: Actor | None) -> None:
        await world.hold_equal(operation, actor, (planned,))

    await fuzz(world, run, settings(EXAMPLES, max_examples=-(-OPERATIONS // AT_ONCE // 4)), Columns, ROOTS)
    print(dict(planned.counts))
    assert planned.counts["planned"] > planned.counts["declined"]


def trust_leaves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(completion, "_leaf", lambda _type: lambda _executor, value, _place: value)


def forget_conditions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "_variables", lambda _directives: set())


def freeze_arguments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resolution, "_has_variables", lambda _value: False)


def keep_null_below(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(batches.Batches, "_nullable_above", lambda _self, place: as_path(place))


def pass_what_is_null(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(selection, "_finisher", lambda field: completion.completer(field, field.type))


@pytest.mark.parametrize(
    "plant", [trust_leaves, forget_conditions, freeze_arguments, keep_null_below, pass_what_is_null]
)
async def test_a_planted_defect_is_found(
    world: World, plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    defective = Compiled(world.schema, world.stock.services)

    async def run(operation: Operation, actor: Actor | None) -> None:
        await world.hold_equal(operation, actor, (defective,))

    with pytest.raises(Different):
        await fuzz(world, run, settings(EXAMPLES, max_examples=2_000, phases=[Phase.generate]))


async def test_an_executor_may_decline_but_not_answer_otherwise(world: World) -> None:
    async def declines(_text: str, _variables: dict[str, Any], _actor: Actor | None) -> Answer | None:
        return None

    async def reorders(text: str, variables: dict[str, Any], actor: Actor | None) -> Answer | None:
        said = await world.stock(text, variables, actor)
        return {**said, "data": dict(reversed(said["data"].items()))}

    operation = Operation("{ a: __typename b: __typename }", "", ({},), frozenset())
    await world.hold_equal(operation, None, (declines,))
    with pytest.raises(Different):
        await world.hold_equal(operation, None, (reorders,))


async def test_a_mutation_is_never_compiled(world: World) -> None:
    text = 'mutation { projectUpdate(input: {id: "x"}) { userErrors { code } project { id } } }'
    compiled = Compiled(world.schema, world.stock.services)
    for _ in range(3):
        said = await compiled(text, {}, world.people[0])
        assert said == {"data": {"projectUpdate": {"userErrors": [{"code": "BAD_USER_INPUT"}], "project": None}}}
    assert compiled.counts == {"fallen back": 3}
