"""Keyset pages: every row once, in order, whichever way; and cursors that lead only where they were made."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import orjson
import pytest
from sqlalchemy import Select, text

from domain.errors import ErrorCode, Rejected
from domain.ids import TenantId, new_id
from persistence.database import Database
from persistence.paging import Keyset, check_first, of_parents, one_list
from persistence.projects import reads
from persistence.projects.tables import outline_nodes
from persistence.story import reads as story

ROWS = 250
SCOPE = ""


@pytest.fixture(scope="module")
async def tenant(admin: Database) -> TenantId:
    """250 projects that share seven titles and five moments, one of which has chapters; and a stranger's."""
    mine, other = TenantId(new_id()), TenantId(new_id())
    async with admin.engine.begin() as connection:
        for tenant_id in (mine, other):
            await connection.execute(
                text("insert into app.tenants (tenant_id, slug, name) values (:t, :s, 't')"),
                {"t": tenant_id, "s": str(tenant_id)},
            )
        for tenant_id, count in ((mine, ROWS), (other, 5)):
            await connection.execute(
                text(
                    "insert into app.projects (tenant_id, id, title, updated_at, created_at) "
                    "select :t, gen_random_uuid(), 'Title ' || n % 7, now() - n % 5 * interval '1 microsecond', "
                    "now() - n * interval '1 second' from generate_series(1, :n) as n"
                ),
                {"t": tenant_id, "n": count},
            )
        await connection.execute(
            text(
                "insert into app.outline_nodes (tenant_id, id, project_id, kind, title, position, path) "
                "select tenant_id, gen_random_uuid(), id, 'CHAPTER', 'n', lpad(n::text, 3, '0'), lpad(n::text, 3, '0') "
                "from (select * from app.projects where tenant_id = :t order by id limit 3) as p, "
                "generate_series(1, 7) as n"
            ),
            {"t": mine},
        )
    return mine


async def walk(database: Database, tenant: TenantId, statement: Select[Any], keyset: Keyset, first: int) -> list[Any]:
    """All rows, page by page."""
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        key = keyset.read(cursor, SCOPE)
        found = await database.rows(tenant, one_list(statement, keyset, first, key))
        page = keyset.page(found, first, SCOPE, has_previous=key is not None)
        rows += page.rows
        if not page.has_next:
            return rows
        assert len(page.rows) == first
        cursor = page.cursors[-1]


@pytest.mark.parametrize("order", ["UPDATED_AT", "CREATED_AT", "TITLE"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("first", [7, 100])
async def test_a_walk_meets_every_row_once_and_in_order(
    database: Database, tenant: TenantId, order: str, descending: bool, first: int
) -> None:
    keyset = reads.project_keyset(order, descending)
    rows = await walk(database, tenant, reads.project_rows(tenant), keyset, first)
    assert len({row.id for row in rows}) == len(rows) == ROWS
    keys = [(getattr(row, order.lower()), row.id) for row in rows]
    assert all(one > two if descending else one < two for one, two in pairwise(keys))


async def test_a_row_that_appears_or_goes_between_two_pages_moves_no_other(
    database: Database, tenant: TenantId, admin: Database
) -> None:
    keyset = reads.project_keyset("TITLE", False)
    statement = reads.project_rows(tenant)
    everything = await walk(database, tenant, statement, keyset, 100)
    first = await database.rows(tenant, one_list(statement, keyset, 10, None))
    page = keyset.page(first, 10, SCOPE, has_previous=False)
    key = keyset.read(page.cursors[-1], SCOPE)
    async with admin.engine.connect() as connection:
        await connection.execute(
            text("insert into app.projects (tenant_id, id, title) values (:t, gen_random_uuid(), 'A first one')"),
            {"t": tenant},
        )
        await connection.execute(text("update app.projects set title = 'Z' where id = :id"), {"id": page.rows[-1].id})
        second = (await connection.execute(one_list(statement, keyset, 10, key))).all()
        await connection.rollback()
    assert [row.id for row in second[:10]] == [row.id for row in everything[10:20]]


async def test_one_statement_pages_the_children_of_many_parents(database: Database, tenant: TenantId) -> None:
    parents = [row.id for row in await database.rows(tenant, reads.project_rows(tenant))]
    before = database.statements
    statement = of_parents(reads.chapter_rows(tenant), outline_nodes.c.project_id, parents, reads.CHAPTERS, 3, None)
    rows = await database.rows(tenant, statement)
    assert database.statements == before + 1
    of_each: dict[Any, list[str]] = {}
    for row in rows:
        of_each.setdefault(row.parent_, []).append(row.path)
    assert sorted(of_each) == sorted(parents)[:3]
    assert set(map(tuple, of_each.values())) == {("001", "002", "003", "004")}  # one more than asked: there are more


def test_a_page_knows_whether_more_follow() -> None:
    keyset = Keyset("k", ())
    full, more = keyset.page([1, 2], 2, "", has_previous=False), keyset.page([1, 2, 3], 2, "", has_previous=True)  # type: ignore[list-item]
    assert (list(full.rows), full.has_next, full.has_previous) == ([1, 2], False, False)
    assert (list(more.rows), more.has_next, more.has_previous) == ([1, 2], True, True)


@pytest.mark.parametrize("first", [0, -1, 101])
def test_a_page_has_one_to_a_hundred_rows(first: int) -> None:
    with pytest.raises(Rejected) as refused:
        check_first(first)
    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_USER_INPUT, ("first",))


def crafted(*parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


ID = str(new_id())
TITLES = reads.project_keyset("TITLE", False)
MOMENTS = reads.project_keyset("UPDATED_AT", True)


@pytest.mark.parametrize(
    ("keyset", "cursor"),
    [
        (TITLES, ""),
        (TITLES, "garbage"),
        (TITLES, "ünïcode"),
        (TITLES, "%%%"),
        (TITLES, base64.urlsafe_b64encode(b"5").decode()),
        (TITLES, base64.urlsafe_b64encode(b'{"a": 1}').decode()),
        (TITLES, crafted(TITLES.name, "")),
        (TITLES, crafted(TITLES.name, "", "a", ID, "more")),
        (TITLES, crafted(TITLES.name, "", "a", "no-uuid")),
        (TITLES, crafted(TITLES.name, "", "a", 5)),
        (TITLES, crafted(TITLES.name, "", "a\x00b", ID)),
        (TITLES, crafted(TITLES.name, "", ["a"], ID)),
        (MOMENTS, crafted(MOMENTS.name, "", "yesterday", ID)),
        (MOMENTS, crafted(MOMENTS.name, "", "2026-01-01T00:00:00", ID)),
        (MOMENTS, crafted(MOMENTS.name, "", 5, ID)),
        (reads.VERSIONS, crafted("versions", "", "three")),
        (reads.VERSIONS, crafted("versions", "", str(2**31))),
        (reads.VERSIONS, crafted("versions", "", "-1e300")),
        (reads.VERSIONS, crafted("versions", "", None)),
    ],
)
def test_a_garbage_cursor_is_refused_before_the_database_sees_it(keyset: Keyset, cursor: str) -> None:
    with pytest.raises(Rejected) as refused:
        keyset.read(cursor, "")
    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_USER_INPUT, ("after",))


@pytest.mark.parametrize(
    ("made_by", "scope", "read_by", "in_scope"),
    [
        (reads.project_keyset("TITLE", False), "", reads.project_keyset("TITLE", True), ""),
        (reads.project_keyset("UPDATED_AT", True), "", reads.project_keyset("CREATED_AT", True), ""),
        (reads.CHAPTERS, ID, reads.CHAPTERS, str(new_id())),
        (reads.CHAPTERS, ID, story.ENTRIES, ID),
        (story.RELATIONS, ID, reads.CHAPTERS, ID),
    ],
    ids=["other direction", "other order", "other parent", "other list", "fewer columns"],
)
def test_a_cursor_of_another_list_is_refused(made_by: Keyset, scope: str, read_by: Keyset, in_scope: str) -> None:
    sample = {"title": "a", "updated_at": "2026-01-01T00:00:00Z", "created_at": "2026-01-01T00:00:00Z", "id": ID,
              "path": "V", "name": "n", "number": "1"}  # fmt: skip
    cursor = crafted(made_by.name, scope, *(sample[part.label] for part in made_by.columns))
    made_by.read(cursor, scope)
    with pytest.raises(Rejected):
        read_by.read(cursor, in_scope)


async def test_the_plan_of_a_page_uses_its_index(database: Database, tenant: TenantId) -> None:
    keyset = reads.project_keyset("TITLE", False)
    statement = one_list(reads.project_rows(tenant), keyset, 20, ("Title 3", new_id()))
    async with database.read(tenant) as connection:
        await connection.execute(text("set local enable_seqscan = off"))
        await connection.execute(text("set local enable_sort = off"))
        compiled = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join(row[0] for row in await connection.execute(text(f"explain {compiled}")))
    assert "projects_tenant_id_title_id_idx" in plan
    assert "ROW(" in plan.split("Index Cond:")[1].split("\n")[0]
