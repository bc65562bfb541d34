"""The same rows for every target: two tenants with novels, chapters, versions and codex entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from app.auth import TokenCredentials
from app.settings import Settings
from bench.streams.stage import SECRET, Author, author_of, tenant_of
from domain.ids import new_id
from persistence.database import create_engine
from persistence.migrate import migrate
from persistence.projects.tables import outline_nodes, projects, text_versions
from persistence.story.tables import codex_entries, codex_relations
from persistence.unit_of_work import Units
from schema.ids import encode_id

PROJECTS, CHAPTERS, ENTRIES = 60, 12, 6
PLACES = ("harbour", "mill")
"""Tells the tenants' titles apart."""
BEGAN = datetime(2026, 1, 31, 12, 0, 0, 123_456, UTC)
MAKE_CURRENT = update(outline_nodes).values(
    current_version_id=select(text_versions.c.id)
    .where(
        text_versions.c.tenant_id == outline_nodes.c.tenant_id,
        text_versions.c.node_id == outline_nodes.c.id,
        text_versions.c.state == "CURRENT",
    )
    .scalar_subquery()
)


@dataclass(frozen=True)
class Stage:
    """`nodes[n]` is the global id of a project of `authors[n]`'s tenant."""

    settings: Settings
    authors: list[Author]
    nodes: list[str]


async def furnished(settings: Settings) -> Stage:
    url = settings.database_url.get_secret_value()
    await migrate(url, app_password="app", relay_password="relay")
    engine = create_engine(settings.database_app_url.get_secret_value())
    admin = create_engine(url, pool_size=0)
    units, credentials = Units(engine), TokenCredentials(SECRET)
    authors, nodes = [], []
    for number in range(len(PLACES)):
        tenant_id = await tenant_of(units, number)
        authors.append(await author_of(units, credentials, tenant_id, number))
        rows = _rows(tenant_id, PLACES[number])
        async with admin.begin() as connection:
            for table, values in rows:
                await connection.execute(insert(table), values)
            await connection.execute(MAKE_CURRENT)
            await connection.exec_driver_sql("analyze")
        nodes.append(encode_id("Project", rows[0][1][0]["id"]))
    await engine.dispose()
    await admin.dispose()
    return Stage(settings, authors, nodes)


def _rows(tenant_id: Any, place: str) -> Sequence[tuple[Any, list[dict[str, Any]]]]:
    tenant = {"tenant_id": tenant_id}
    novels, chapters, versions, entries, relations = [], [], [], [], []
    for n in range(PROJECTS):
        novel = new_id()
        updated_at = BEGAN + timedelta(minutes=n * 7 % PROJECTS)
        novels.append(tenant | {"id": novel, "title": f"The {place} road, book {n}", "premise": "A lamp goes out. " * 20,
                                "updated_at": updated_at})  # fmt: skip
        for m in range(CHAPTERS):
            chapter, version = new_id(), new_id()
            position = f"{m:03}"
            chapters.append(tenant | {"id": chapter, "project_id": novel, "kind": "CHAPTER", "title": f"Chapter {m}",
                                      "position": position, "path": position, "word_count": 40, "plan": "Somebody leaves. " * 10})  # fmt: skip
            versions.append(tenant | {"id": version, "node_id": chapter, "number": 1, "text": "The lamp. " * 20,
                                      "word_count": 40, "origin": "HUMAN", "state": "CURRENT" if m % 4 else "CANDIDATE"})  # fmt: skip
        people = [new_id() for _ in range(ENTRIES)]
        entries += [tenant | {"id": one, "project_id": novel, "kind": "CHARACTER", "name": f"Person {k}"}
                    for k, one in enumerate(people)]  # fmt: skip
        relations += [tenant | {"id": new_id(), "project_id": novel, "from_id": one, "to_id": people[0], "kind": "friend of"}
                      for one in people[1:]]  # fmt: skip
    return ((projects, novels), (outline_nodes, chapters), (text_versions, versions), (codex_entries, entries),
            (codex_relations, relations))  # fmt: skip
