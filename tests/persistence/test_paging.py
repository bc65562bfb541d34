"""Keyset pages: every row once, in order, whichever way; and cursors that lead only where they were made."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from domain.errors import ErrorCode, Rejected
from domain.ids import TenantId, new_id
from persistence.database import Database
from persistence.jobs import reads as jobs
from persistence.listing import PARENT, SHAPES_MAX, Listing, page_values
from persistence.paging import Keyset, check_first
from persistence.projects import reads
from persistence.shapes import Shape
from persistence.story import reads as story
from schema.base import RowPage

ROWS = 250
SCOPE = ""
LIVING = frozenset({"living"})


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


async def page_of(
    database: Database, tenant: TenantId, listing: Listing, first: int, cursor: str | None
) -> tuple[RowPage, list[Any]]:
    """A page as resolvers make it, and its rows."""
    key = listing.keyset.read(cursor, SCOPE)
    shape = listing.page(None, LIVING, after=key is not None)
    page = RowPage(
        listing.keyset, await database.shaped(tenant, shape, **page_values(first, key)), first, SCOPE,
        after=key is not None,
    )  # fmt: skip
    return page, [edge.node for edge in page.edges]


async def walk(database: Database, tenant: TenantId, listing: Listing, first: int) -> list[Any]:
    """All rows, page by page."""
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        page, found = await page_of(database, tenant, listing, first, cursor)
        rows += found
        assert page.page_info.has_previous_page is (cursor is not None)
        if not page.page_info.has_next_page:
            return rows
        assert len(found) == first
        cursor = page.page_info.end_cursor


@pytest.mark.parametrize("order", ["UPDATED_AT", "CREATED_AT", "TITLE"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("first", [7, 100])
async def test_a_walk_meets_every_row_once_and_in_order(
    database: Database, tenant: TenantId, order: str, descending: bool, first: int
) -> None:
    rows = await walk(database, tenant, reads.project_listing(order, descending), first)
    assert len({row.id for row in rows}) == len(rows) == ROWS
    keys = [(getattr(row, order.lower()), row.id) for row in rows]
    assert all(one > two if descending else one < two for one, two in pairwise(keys))


async def test_a_row_that_appears_or_goes_between_two_pages_moves_no_other(
    database: Database, tenant: TenantId, admin: Database
) -> None:
    listing = reads.project_listing("TITLE", False)
    everything = await walk(database, tenant, listing, 100)
    page, rows = await page_of(database, tenant, listing, 10, None)
    key = listing.keyset.read(page.page_info.end_cursor, SCOPE)
    shape = listing.page(None, LIVING, after=True)
    async with admin.engine.connect() as connection:
        await connection.execute(
            text("insert into app.projects (tenant_id, id, title) values (:t, gen_random_uuid(), 'A first one')"),
            {"t": tenant},
        )
        await connection.execute(text("update app.projects set title = 'Z' where id = :id"), {"id": rows[-1].id})
        values = {"tenant": tenant, **page_values(10, key)}
        second = (await connection.execute(shape.statement, values)).all()
        await connection.rollback()
    assert [row.id for row in second[:10]] == [row.id for row in everything[10:20]]


async def test_one_statement_pages_the_children_of_many_parents(database: Database, tenant: TenantId) -> None:
    parents = [row.id for row in await walk(database, tenant, reads.project_listing("TITLE", False), 100)]
    before = database.statements
    shape = reads.CHAPTERS.pages(None, after=False)
    rows = await database.shaped(tenant, shape, ids=parents, **page_values(3, None))
    assert database.statements == before + 1
    of_each: dict[Any, list[str]] = {}
    for row in rows:
        of_each.setdefault(row[PARENT], []).append(row.path)
    assert sorted(of_each) == sorted(parents)[:3]
    assert set(map(tuple, of_each.values())) == {("001", "002", "003", "004")}  # one more than asked: there are more


async def test_the_next_pages_of_many_parents_continue_after_the_same_key(database: Database, tenant: TenantId) -> None:
    parents = sorted(row.id for row in await walk(database, tenant, reads.project_listing("TITLE", False), 100))[:3]
    shape = reads.CHAPTERS.pages(None, after=True)
    last = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    rows = await database.shaped(tenant, shape, ids=parents, **page_values(3, ("003", last)))
    assert sorted((row[PARENT], row.path) for row in rows) == [
        (one, path) for one in parents for path in ("004", "005", "006", "007")
    ]


def test_a_listing_writes_a_statement_once_and_keeps_so_many() -> None:
    one = reads.CHAPTERS.page(frozenset({"title"}), after=False)
    assert reads.CHAPTERS.page(frozenset({"title"}), after=False) is one
    assert reads.CHAPTERS.page(frozenset({"title"}), after=True) is not one
    assert reads.CHAPTERS.pages(frozenset({"title"}), after=False) is not one
    listing = Listing(reads.CHAPTERS.keyset, reads.CHAPTERS.table)
    for n in range(SHAPES_MAX + 1):
        listing.page(frozenset({f"no_column_{n}"}), after=False)
    assert len(listing._shapes) == SHAPES_MAX


@pytest.mark.parametrize(("first", "more"), [(1, True), (2, False), (3, False)])
def test_a_page_knows_whether_more_follow(first: int, more: bool) -> None:
    page = RowPage(Keyset("k", ()), ["a", "b"], first, "", after=False)
    assert [edge.node for edge in page.edges] == ["a", "b"][:first]
    assert (page.page_info.has_next_page, page.page_info.has_previous_page) == (more, False)
    assert page.page_info.start_cursor == page.edges[0].cursor


def test_an_empty_page_has_no_cursors() -> None:
    info = RowPage(Keyset("k", ()), [], 5, "", after=True).page_info
    assert (info.start_cursor, info.end_cursor, info.has_next_page, info.has_previous_page) == (None, None, False, True)


@pytest.mark.parametrize("first", [0, -1, 101])
def test_a_page_has_one_to_a_hundred_rows(first: int) -> None:
    with pytest.raises(Rejected) as refused:
        check_first(first)
    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_USER_INPUT, ("first",))


def crafted(*parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


ID = str(new_id())
TITLES = reads.project_listing("TITLE", False).keyset
MOMENTS = reads.project_listing("UPDATED_AT", True).keyset


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
        (reads.VERSIONS.keyset, crafted("versions", "", "three")),
        (reads.VERSIONS.keyset, crafted("versions", "", str(2**31))),
        (reads.VERSIONS.keyset, crafted("versions", "", "-1e300")),
        (reads.VERSIONS.keyset, crafted("versions", "", None)),
    ],
)
def test_a_garbage_cursor_is_refused_before_the_database_sees_it(keyset: Keyset, cursor: str) -> None:
    with pytest.raises(Rejected) as refused:
        keyset.read(cursor, "")
    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_USER_INPUT, ("after",))


@pytest.mark.parametrize(
    ("made_by", "scope", "read_by", "in_scope"),
    [
        (reads.project_listing("TITLE", False).keyset, "", reads.project_listing("TITLE", True).keyset, ""),
        (reads.project_listing("UPDATED_AT", True).keyset, "", reads.project_listing("CREATED_AT", True).keyset, ""),
        (reads.CHAPTERS.keyset, ID, reads.CHAPTERS.keyset, str(new_id())),
        (reads.CHAPTERS.keyset, ID, story.ENTRIES.keyset, ID),
        (story.RELATIONS.keyset, ID, reads.CHAPTERS.keyset, ID),
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


async def plan_of(database: Database, tenant: TenantId, shape: Shape, **values: Any) -> str:
    """How PostgreSQL would answer a shape, row security and generic plan included."""
    pool = await database._open_pool()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off; set local enable_sort = off")
        rows = await connection.fetch("explain " + shape.text, *shape.values({"tenant": tenant, **values}))
    return "\n".join(row[0] for row in rows)


def condition_of(plan: str) -> str:
    return plan.split("Index Cond:")[1].split("\n", maxsplit=1)[0]


async def test_the_plan_of_a_page_uses_its_index(database: Database, tenant: TenantId) -> None:
    shape = reads.project_listing("TITLE", False).page(None, LIVING, after=True)
    plan = await plan_of(database, tenant, shape, **page_values(20, ("Title 3", new_id())))
    assert "projects_tenant_id_title_id_idx" in plan
    assert "ROW(" in condition_of(plan)


async def test_the_plan_of_the_pages_under_parents_uses_its_index_once_a_parent(
    database: Database, tenant: TenantId
) -> None:
    shape = reads.CHAPTERS.pages(frozenset({"title"}), after=True)
    plan = await plan_of(database, tenant, shape, ids=[new_id()] * 20, **page_values(10, ("003", new_id())))
    assert "outline_nodes_chapters_idx" in plan
    assert "ROW(" in condition_of(plan)
    assert "project_id = " in condition_of(plan)


async def test_the_plan_of_a_tenants_jobs_uses_its_index(database: Database, tenant: TenantId) -> None:
    plan = await plan_of(database, tenant, jobs.JOBS.page(None, after=False), actor=new_id(), **page_values(10, None))
    assert "Index Scan Backward using jobs_pkey" in plan
