"""Search over titles and current texts, Chinese and English: what must be found, what must not, and whose it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounts import GRANTS, Actor, Role
from domain.ids import NodeId, ProjectId, TenantId, UserId, new_id
from domain.projects import OutlineKind
from domain.projects import service as projects
from persistence.accounts.tables import tenants
from persistence.database import SET_TENANT, Database
from persistence.paging import one_list
from persistence.projects import reads
from persistence.projects.store import PASSAGE_CHARS_MAX
from persistence.unit_of_work import Units

TEXTS = {
    "Harbour": "The lantern keeper walked along the harbour. Tide keys rang in the dark; nobody answered the bells.",
    "Mountain": "A tide of snow came down. The key was lost, and the lanterns went out one by one.",
    "河灯": "她沿着长安城的河岸行走，手里提着一盏河灯。远处传来钟声，雪落无声。",
    "雪夜": "雪夜里没有灯。安长老说：城中有狼。",
    "两种语言": "Mei 把 lantern 放进河里，水面亮了。",
}


@dataclass
class Library:
    """One tenant's novels."""

    units: Units
    tenant_id: TenantId = field(default_factory=lambda: TenantId(new_id()))
    nodes: dict[str, NodeId] = field(default_factory=dict)
    project_id: ProjectId | None = None

    @property
    def actor(self) -> Actor:
        return Actor(self.tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])

    async def open(self, title: str, texts: dict[str, str]) -> Library:
        async with self.units(self.tenant_id) as uow:
            await uow.accounts._session.execute(
                tenants.insert().values(tenant_id=self.tenant_id, slug=str(self.tenant_id), name="t")
            )
            self.project_id = (
                await projects.create_project(uow.projects, self.actor, projects.ProjectDraft(title, "en"))
            ).id
        for chapter, words in texts.items():
            await self.write(chapter, words)
        return self

    async def write(self, chapter: str, words: str) -> None:
        """A chapter's text, or a newer one."""
        assert self.project_id is not None
        async with self.units(self.tenant_id) as uow:
            if chapter not in self.nodes:
                draft = projects.NodeDraft(self.project_id, OutlineKind.CHAPTER, chapter)
                self.nodes[chapter] = (await projects.create_node(uow.projects, self.actor, draft)).id
            node = await uow.projects.node(self.nodes[chapter])
            assert node is not None
            await projects.update_text(
                uow.projects, self.actor, node.id, text=words, base_version_id=node.current_version_id, note="",
                now=uow.now,
            )  # fmt: skip


@pytest.fixture(scope="module")
async def library(units: Units) -> Library:
    return await Library(units).open("The Salt Road", TEXTS)


@pytest.fixture(scope="module")
async def strangers(units: Units) -> Library:
    return await Library(units).open("Another Salt Road", {"Lantern": "lantern 河灯 harbour"})


Search = Callable[..., Awaitable[set[tuple[str, str]]]]


@pytest.fixture
def search(database: Database, library: Library, strangers: Library) -> Search:
    async def found(query: str, tenant: Library = library, within: Any = None) -> set[tuple[str, str]]:
        statement, _ = reads.search(tenant.tenant_id, query, within, whole_passages=False)
        return {(row.kind, row.title) for row in await database.rows(tenant.tenant_id, statement)}

    return found


def texts(*titles: str) -> set[tuple[str, str]]:
    return {("TEXT", title) for title in titles}


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("harbour", texts("Harbour") | {("CHAPTER", "Harbour")}),
        ("Harbours", texts("Harbour") | {("CHAPTER", "Harbour")}),
        ("walking", texts("Harbour")),
        ("lantern", texts("Harbour", "Mountain", "两种语言")),
        ("lantern tide", texts("Harbour", "Mountain")),
        ('"tide keys"', texts("Harbour")),
        ('"tide of snow"', texts("Mountain")),
        ("lantern -snow", texts("Harbour", "两种语言")),
        ("walked or snow", texts("Harbour", "Mountain")),
        ("salt", {("PROJECT", "The Salt Road")}),
        ("河灯", texts("河灯") | {("CHAPTER", "河灯")}),
        ("长安", texts("河灯")),
        ("长安城", texts("河灯")),
        ("雪", texts("河灯", "雪夜") | {("CHAPTER", "雪夜")}),
        ("狼", texts("雪夜")),
        ("钟声", texts("河灯")),
        ("手里提着一盏河灯", texts("河灯")),
        ("灯", texts("河灯", "雪夜") | {("CHAPTER", "河灯")}),
        ("lantern 河里", texts("两种语言")),
        ("雪落 钟声", texts("河灯")),
    ],
)
async def test_what_is_there_is_found(search: Search, query: str, hits: set[tuple[str, str]]) -> None:
    assert await search(query) == hits


@pytest.mark.parametrize(
    "query",
    [
        "harb",
        '"keys tide"',
        "安长城",
        "灯河",
        "声钟",
        "岸灯",
        "龙",
        "lantern 龙",
        "the",
        "...",
        "<->",
        "'; drop table app.projects; --",
        "a:*",
        "!",
        "((",
        "&|",
        "\\",
    ],
)
async def test_what_is_not_there_is_not_found_and_no_query_breaks_the_search(search: Search, query: str) -> None:
    assert await search(query) == set()


async def test_a_chinese_name_split_over_a_line_is_no_phrase(search: Search, library: Library) -> None:
    await library.write("换行", "长\n安")
    assert await search("长安") == texts("河灯")


async def test_other_tenants_words_are_not_found(search: Search, strangers: Library) -> None:
    assert await search("lantern", strangers) == texts("Lantern") | {("CHAPTER", "Lantern")}
    assert await search("another") == set()
    assert await search("keeper", strangers) == set()


async def test_only_the_current_text_is_found(search: Search, library: Library) -> None:
    await library.write("Draft", "A griffin sleeps.")
    assert await search("griffin") == texts("Draft")
    await library.write("Draft", "A heron sleeps.")
    assert await search("griffin") == set()
    assert await search("heron") == texts("Draft")


async def test_deleted_chapters_and_projects_are_not_found_until_they_are_restored(
    search: Search, units: Units
) -> None:
    shelf = await Library(units).open("Vanishing Book", {"One": "A phoenix.", "Two": "A basilisk."})
    everything = {("PROJECT", "Vanishing Book"), *texts("Two")}
    assert await search("vanishing or basilisk", shelf) == everything
    async with units(shelf.tenant_id) as uow:
        await projects.delete_node(uow.projects, shelf.actor, shelf.nodes["One"], uow.now)
    assert await search("phoenix", shelf) == set()
    assert shelf.project_id is not None
    async with units(shelf.tenant_id) as uow:
        await projects.delete_project(uow.projects, shelf.actor, shelf.project_id, uow.now)
    assert await search("vanishing or basilisk", shelf) == set()
    async with units(shelf.tenant_id) as uow:
        await projects.restore_project(uow.projects, shelf.actor, shelf.project_id)
    assert await search("vanishing or basilisk", shelf) == everything


async def test_a_search_within_a_project_stays_there(search: Search, library: Library) -> None:
    assert await search("harbour", library, library.project_id) == texts("Harbour") | {("CHAPTER", "Harbour")}
    assert await search("harbour", library, new_id()) == set()


@pytest.mark.parametrize("separator", ["\n", ""], ids=["paragraphs", "one long line"])
async def test_the_end_of_a_long_text_is_found(search: Search, units: Units, separator: str) -> None:
    filler = ("plain words without meaning. " * 10 + separator) * (3 * PASSAGE_CHARS_MAX // 290)
    shelf = await Library(units).open("Long", {"Epic": filler + "The cockatrice wakes. 凤凰涅槃。"})
    assert await search("cockatrice", shelf) == texts("Epic")
    assert await search("凤凰", shelf) == texts("Epic")


@pytest.mark.parametrize(
    ("sentence", "query"),
    [("The cockatrice wakes at dawn. ", '"cockatrice wakes"'), ("城外的凤凰涅槃重生。", "凤凰涅槃")],
    ids=["English", "Chinese"],
)
async def test_no_word_is_lost_where_a_long_paragraph_is_cut(
    search: Search, units: Units, sentence: str, query: str
) -> None:
    shelf = await Library(units).open("Edges", {})
    for shift in range(0, len(sentence), 3):
        head = "山" * (PASSAGE_CHARS_MAX - 1 - shift)
        await shelf.write("Cut", head[:50] + "。" + head[50:] + "。" + sentence)
        assert await search(query, shelf) == texts("Cut"), shift


async def test_the_best_hits_come_first_and_pages_go_on_where_they_ended(database: Database, library: Library) -> None:
    statement, keyset = reads.search(library.tenant_id, "lantern or harbour or salt", None, whole_passages=False)
    everything = (await database.rows(library.tenant_id, one_list(statement, keyset, 100, None)))[:]
    assert [row.kind for row in everything[:2]] in (["PROJECT", "CHAPTER"], ["CHAPTER", "PROJECT"])
    walked: list[Any] = []
    cursor: str | None = None
    while True:
        rows = await database.rows(library.tenant_id, one_list(statement, keyset, 2, keyset.read(cursor, "")))
        walked += rows[:2]
        if len(rows) <= 2:
            break
        cursor = keyset.cursor(walked[-1], "")
    assert [row.key for row in walked] == [row.key for row in everything]


async def plan_of_a_search(connection: AsyncConnection, tenant_id: TenantId) -> str:
    """As the application, where no other index could help."""
    await connection.execute(text("drop index app.passages_tenant_id_project_id_idx"))
    await connection.execute(text("alter table app.passages drop constraint passages_pkey"))
    await connection.execute(text("set local enable_seqscan = off"))
    await connection.execute(text("set local role fabula_app"))
    await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
    query = "explain select 1 from app.passages where tsv @@ app.search_query('harbour')"
    return "\n".join(row[0] for row in await connection.execute(text(query)))


async def test_the_text_index_serves_a_search_under_row_security_where_its_operator_is_trusted(
    admin: Database, library: Library
) -> None:
    async with admin.engine.connect() as connection:
        assert "passages_tsv_idx" in await plan_of_a_search(connection, library.tenant_id)
        await connection.rollback()
        await connection.execute(text("alter function pg_catalog.ts_match_vq(tsvector, tsquery) not leakproof"))
        assert "passages_tsv_idx" not in await plan_of_a_search(connection, library.tenant_id)
        await connection.rollback()
