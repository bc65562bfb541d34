"""What the peers with GraphQL read: the product's entities through SQLAlchemy's ORM, behind dataloaders.

The order, the conditions and the cursors of a list are the product's own (`Listing`, `Keyset`); statements are the
ORM's, and load whole entities.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.projects import OutlineNode, Project, TextVersion
from domain.story import CodexEntry, CodexRelation
from persistence.listing import Listing
from persistence.paging import Keyset
from persistence.projects.reads import CHAPTERS, VERSIONS, project_listing
from persistence.story.reads import ENTRIES, RELATIONS

PROJECTS = project_listing("UPDATED_AT", descending=True)
Batch = Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]


def rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Page:
    """A connection: `rows` are one more than `first` when more follow. Cursors are made when they are asked for."""

    def __init__(self, rows: Sequence[Any], first: int, keyset: Keyset, scope: str = "") -> None:
        self.has_next_page = len(rows) > first
        self.edges = [Edge(self, row) for row in rows[:first]]
        self.page_info = self
        self._keyset = keyset
        self._scope = scope

    def cursor(self, row: Any) -> str:
        return self._keyset.cursor(row, self._scope)

    @property
    def start_cursor(self) -> str | None:
        return self.edges[0].cursor if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        return self.edges[-1].cursor if self.edges else None


class Edge:
    __slots__ = ("node", "page")

    def __init__(self, page: Page, node: Any) -> None:
        self.page = page
        self.node = node

    @property
    def cursor(self) -> str:
        return self.page.cursor(self.node)


class Reads:
    """One request's. `loader` makes a dataloader of a batch function; lists are asked for by (parent's id, first)."""

    def __init__(self, session: AsyncSession, loader: Callable[[Batch], Any]) -> None:
        self._session = session
        self._turn = asyncio.Lock()
        self.chapters = loader(self._pages(OutlineNode, CHAPTERS))
        self.versions = loader(self._pages(TextVersion, VERSIONS))
        self.entries = loader(self._pages(CodexEntry, ENTRIES))
        self.relations = loader(self._pages(CodexRelation, RELATIONS))
        self.project = loader(self._by_id(Project))
        self.version = loader(self._by_id(TextVersion))
        self.entry = loader(self._by_id(CodexEntry))

    async def projects(self, first: int) -> Page:
        table = PROJECTS.table.c
        wanted = select(Project).where(table.deleted_at.is_(None))
        rows = await self._all(wanted.order_by(*PROJECTS.keyset.order()).limit(first + 1))
        for row in rows:
            self.project.prime(row.id, row)
        return Page(rows, first, PROJECTS.keyset)

    async def _all(self, statement: Select[Any]) -> Sequence[Any]:
        """A session runs one statement at a time, and loaders of one level come at once."""
        async with self._turn:
            return (await self._session.scalars(statement)).all()

    def _pages(self, entity: type, listing: Listing) -> Batch:
        """A window function numbers the rows under each parent."""
        assert listing.parent is not None
        parent = listing.parent
        turn = func.row_number().over(partition_by=parent, order_by=listing.keyset.order())

        async def load(keys: list[tuple[UUID, int]]) -> list[Page]:
            most = max(first for _, first in keys)
            ranked = (
                select(listing.table, turn.label("turn"))
                .where(parent.in_([id_ for id_, _ in keys]), *listing.where)
                .subquery()
            )
            shown: Select[Any] = (
                select(aliased(entity, ranked)).where(ranked.c.turn <= most + 1).order_by(ranked.c.turn)
            )
            found: dict[UUID, list[Any]] = {id_: [] for id_, _ in keys}
            for row in await self._all(shown):
                found[getattr(row, parent.name)].append(row)
            return [Page(found[id_][: first + 1], first, listing.keyset, str(id_)) for id_, first in keys]

        return load

    def _by_id(self, entity: Any) -> Batch:
        async def load(ids: list[UUID]) -> list[Any]:
            found = {row.id: row for row in await self._all(select(entity).where(entity.id.in_(ids)))}
            return [found.get(id_) for id_ in ids]

        return load
