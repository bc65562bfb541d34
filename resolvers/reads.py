"""Batched reads of one operation: what a level of the query asks for becomes one statement.

A loader's key is the parent's id and the page's arguments; calls with equal arguments are answered together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any
from uuid import UUID

from opentelemetry import metrics
from sqlalchemy import Select, literal
from strawberry.dataloader import DataLoader

from domain.accounts import Actor
from domain.errors import ErrorCode, Rejected, Unauthenticated
from domain.events import decode_cursor
from domain.ids import JobId, TenantId
from domain.projects.service import NODES_MAX
from domain.text import clean_filter
from persistence.accounts import reads as accounts
from persistence.database import Database
from persistence.generation import reads as generation
from persistence.generation.tables import generations
from persistence.integrations import reads as integrations
from persistence.integrations.tables import trusted_documents
from persistence.jobs import reads as jobs
from persistence.paging import Keyset, Page, check_first, of_parents, one_list
from persistence.projects import reads as projects
from persistence.projects.tables import outline_nodes, text_versions
from persistence.story import reads as story
from persistence.story.tables import codex_entries, codex_relations
from resolvers.event_source import EventSource
from schema.base import TYPENAME, Connection, connection

EVENTS_MAX = 1_000

BATCH_MAX = 1_000

_batches = metrics.get_meter("fabula.resolvers").create_histogram(
    "fabula.resolver.batch", unit="{keys}", description="Keys that one statement answered, by what was loaded."
)

_ByIds = Callable[[UUID, Sequence[UUID]], Select[Any]]

NODES: dict[str, _ByIds] = {
    "ApiToken": accounts.api_tokens_by_id,
    "Channel": lambda _tenant, ids: generation.channels_by_id(ids),
    "Chapter": lambda tenant, ids: projects.nodes_by_id(tenant, ids).where(outline_nodes.c.kind == "CHAPTER"),
    "ClientApp": integrations.client_apps_by_id,
    "CodexEntry": story.entries_by_id,
    "CodexRelation": story.relations_by_id,
    "Generation": generation.generations_by_id,
    "Job": jobs.jobs_by_id,
    "OutlineNode": projects.nodes_by_id,
    "Project": projects.projects_by_id,
    "Tenant": lambda _tenant, ids: accounts.tenants_by_id(ids),
    "TextVersion": projects.versions_by_id,
    "TrustedDocument": integrations.documents_by_id,
    "User": accounts.members_by_id,
}
"""How each kind of node is found by its ids."""


class TenantReads:
    """Implements `schema.context.Reads` for one actor and one operation."""

    def __init__(self, database: Database, events: EventSource, actor: Actor | None) -> None:
        self._database = database
        self._events = events
        self._actor = actor
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    @property
    def _tenant(self) -> TenantId:
        if self._actor is None:
            raise Unauthenticated
        return self._actor.tenant_id

    # -- single things --------------------------------------------------------------------------------------------

    async def one(self, type_name: str, value: UUID) -> Any:
        if type_name == "GenerationOfJob":
            return await self._load(type_name, value, self._generations_of_jobs)
        statement = NODES.get(type_name)
        if statement is None:
            return None

        async def load(ids: list[UUID]) -> list[Any | None]:
            marked = statement(self._tenant, ids).add_columns(literal(type_name).label(TYPENAME))
            found = {row.id: row for row in await self._rows(marked)}
            return [found.get(one) for one in ids]

        return await self._load(("node", type_name), value, load)

    def forget(self) -> None:
        """After a mutation: read everything afresh."""
        self._loaders.clear()

    async def _generations_of_jobs(self, ids: list[UUID]) -> list[Any | None]:
        found = {row.job_id: row for row in await self._rows(generation.generations_by_job(self._tenant, ids))}
        return [found.get(one) for one in ids]

    # -- lists under a parent -------------------------------------------------------------------------------------

    async def chapters(self, project_id: UUID, first: int, after: str | None) -> Connection[Any]:
        rows = projects.chapter_rows(self._tenant)
        return await self._children(
            "chapters", rows, outline_nodes.c.project_id, projects.CHAPTERS, project_id, first, after
        )

    async def versions(self, node_id: UUID, first: int, after: str | None) -> Connection[Any]:
        rows = projects.version_rows(self._tenant)
        return await self._children("versions", rows, text_versions.c.node_id, projects.VERSIONS, node_id, first, after)

    async def generations(self, node_id: UUID, first: int, after: str | None) -> Connection[Any]:
        rows = generation.generation_rows(self._tenant)
        return await self._children(
            "generations", rows, generations.c.node_id, generation.GENERATIONS, node_id, first, after
        )

    async def codex_entries(self, project_id: UUID, first: int, after: str | None, filter_: Any) -> Connection[Any]:
        kind, contains = (
            (filter_.kind, clean_filter(filter_.name_contains, "nameContains")) if filter_ else (None, None)
        )
        rows = story.filtered_entries(self._tenant, kind=kind, name_contains=contains)
        name = ("codex", kind, contains)
        return await self._children(name, rows, codex_entries.c.project_id, story.ENTRIES, project_id, first, after)

    async def codex_relations(self, entry_id: UUID, first: int, after: str | None) -> Connection[Any]:
        rows = story.relation_rows(self._tenant)
        return await self._children(
            "relations", rows, codex_relations.c.from_id, story.RELATIONS, entry_id, first, after
        )

    async def trusted_documents(self, app_id: UUID, first: int, after: str | None) -> Connection[Any]:
        rows = integrations.document_rows(self._tenant)
        return await self._children(
            "documents", rows, trusted_documents.c.client_app_id, integrations.DOCUMENTS, app_id, first, after
        )

    async def _children(
        self, name: Hashable, rows: Select[Any], parent: Any, keyset: Keyset, parent_id: UUID, first: int,
        after: str | None,
    ) -> Connection[Any]:  # fmt: skip
        check_first(first)
        key = keyset.read(after, str(parent_id))

        async def load(parent_ids: list[UUID]) -> list[Page]:
            by_parent: dict[UUID, list[Any]] = {one: [] for one in parent_ids}
            for row in await self._rows(of_parents(rows, parent, parent_ids, keyset, first, key)):
                by_parent[row.parent_].append(row)
            return [keyset.page(by_parent[one], first, str(one), has_previous=key is not None) for one in parent_ids]

        return connection(await self._load((name, first, key), parent_id, load))

    async def outline(self, project_id: UUID) -> list[Any]:
        async def load(ids: list[UUID]) -> list[list[Any]]:
            nodes: dict[UUID, list[Any]] = {one: [] for one in ids}
            for row in await self._rows(projects.outline(self._tenant, ids, NODES_MAX)):
                nodes[row.project_id].append(row)
            return [nodes[one] for one in ids]

        return await self._load("outline", project_id, load)

    async def attempts(self, generation_id: UUID) -> list[Any]:
        async def load(ids: list[UUID]) -> list[list[Any]]:
            tries: dict[UUID, list[Any]] = {one: [] for one in ids}
            for row in await self._rows(generation.attempts_of(self._tenant, ids)):
                tries[row.generation_id].append(row)
            return [tries[one] for one in ids]

        return await self._load("attempts", generation_id, load)

    # -- single values --------------------------------------------------------------------------------------------

    async def project_words(self, project_id: UUID) -> int:
        return await self._value("words", project_id, projects.project_words, lambda row: int(row.words)) or 0

    async def generation_text(self, generation_id: UUID) -> str:
        return await self._value("text", generation_id, generation.texts_of, lambda row: row.text) or ""

    async def receipt(self, generation_id: UUID) -> Any:
        return await self._value("receipt", generation_id, generation.receipts, lambda row: row.receipt)

    async def usage(self, job_id: UUID) -> Any | None:
        return await self._value("usage", job_id, generation.usage_of, lambda row: row)

    async def _value(self, name: str, key: UUID, statement: _ByIds, value: Callable[[Any], Any]) -> Any:
        async def load(ids: list[UUID]) -> list[Any]:
            found = {row.id: value(row) for row in await self._rows(statement(self._tenant, ids))}
            return [found.get(one) for one in ids]

        return await self._load(name, key, load)

    # -- root lists and streams -----------------------------------------------------------------------------------

    async def page(self, statement: Select[Any], keyset: Keyset, first: int, after: str | None) -> Connection[Any]:
        """One page of a list of the whole tenant."""
        check_first(first)
        key = keyset.read(after, "")
        rows = await self._rows(one_list(statement, keyset, first, key))
        return connection(keyset.page(rows, first, "", has_previous=key is not None))

    async def rows(self, statement: Select[Any]) -> Sequence[Any]:
        return await self._rows(statement)

    async def events(self, job_id: UUID, after: str | None, first: int) -> Any:
        if not 1 <= first <= EVENTS_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {EVENTS_MAX:,} at a time.", "first")
        position = decode_cursor(after, JobId(job_id))
        return await self._events.page(self._tenant, JobId(job_id), position, first)

    async def _rows(self, statement: Select[Any]) -> Sequence[Any]:
        return await self._database.rows(self._tenant, statement)

    async def _load(self, name: Hashable, key: UUID, load: Callable[[list[UUID]], Awaitable[list[Any]]]) -> Any:
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = DataLoader(load_fn=_counted(name, load), max_batch_size=BATCH_MAX)
        return await loader.load(key)


def _counted(name: Hashable, load: Callable[[list[Any]], Awaitable[list[Any]]]) -> Callable[[list[Any]], Any]:
    kind = name if isinstance(name, str) else str(name[-1] if name[0] == "node" else name[0])  # type: ignore[index]

    async def counted(keys: list[Any]) -> list[Any]:
        _batches.record(len(keys), {"loads": kind})
        return await load(keys)

    return counted
