"""Batched reads of one operation: what a level of the query asks for becomes one statement.

A loader's key is the parent's id and the page's arguments; calls with equal arguments are answered together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, cast
from uuid import UUID

from opentelemetry import metrics
from sqlalchemy import Select
from strawberry.dataloader import DataLoader

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, Rejected, Unauthenticated
from domain.events import decode_cursor
from domain.files.entities import may_see
from domain.ids import JobId, TenantId, UserId
from domain.knowledge.entities import sees
from persistence.accounts import reads as accounts
from persistence.assistants import reads as assistants
from persistence.billing import budget_reads as budgets
from persistence.billing import reads as billing
from persistence.channels import reads as channels
from persistence.conversations import reads as conversations
from persistence.database import Database
from persistence.files import reads as files
from persistence.generation import reads as generation
from persistence.integrations import reads as integrations
from persistence.invoices import reads as invoices
from persistence.jobs import reads as jobs
from persistence.knowledge import reads as knowledge
from persistence.listing import PARENT, Listing, Lookup, page_values
from persistence.operations import reads as operations
from persistence.paging import FOREIGN_CURSOR, Keyset, check_first, one_list
from persistence.payments import reads as payments
from persistence.plans import reads as plans
from persistence.projects import reads as projects
from persistence.shapes import Shape
from persistence.story import reads as story
from resolvers.event_source import EventSource
from schema.base import RowPage
from schema.batched import Call

EVENTS_MAX = 1_000

BATCH_MAX = 1_000

_batches = metrics.get_meter("fabula.resolvers").create_histogram(
    "fabula.resolver.batch", unit="{keys}", description="Keys that one statement answered, by what was loaded."
)

LOOKUPS: dict[str, Lookup] = {
    one.type_name: one
    for one in (
        projects.CHAPTERS_BY_ID, story.ENTRIES_BY_ID, story.RELATIONS_BY_ID, generation.GENERATIONS_BY_ID,
        jobs.JOBS_BY_ID, projects.NODES_BY_ID, projects.PROJECTS_BY_ID, projects.VERSIONS_BY_ID,
        integrations.DOCUMENTS_BY_ID,
    )
}  # fmt: skip
"""Types whose every node is a row of one table."""
NODES: dict[str, Shape] = {type_name: lookup.shape for type_name, lookup in LOOKUPS.items()} | {
    "ApiToken": accounts.API_TOKENS_BY_ID,
    "Assistant": assistants.ASSISTANTS_BY_ID,
    "AssistantVersion": assistants.VERSIONS_BY_ID,
    "Budget": budgets.BUDGETS_BY_ID.shape,
    "Channel": channels.CHANNELS_BY_ID,
    "Citation": conversations.CITATIONS_BY_ID.shape,
    "Conversation": conversations.CONVERSATIONS_BY_ID.shape,
    "ConversationGroup": conversations.GROUPS_BY_ID.shape,
    "ConversationShare": conversations.SHARES_BY_ID.shape,
    "Message": conversations.MESSAGES_BY_ID.shape,
    "ClientApp": integrations.CLIENT_APPS_BY_ID,
    "File": files.FILES_BY_ID.shape,
    "Invoice": invoices.INVOICES_BY_ID.shape,
    "Chunk": knowledge.CHUNKS_BY_ID,
    "Document": knowledge.DOCUMENTS_BY_ID,
    "KnowledgeBase": knowledge.BASES_BY_ID,
    "LedgerEntry": billing.ENTRIES_BY_ID.shape,
    "Coupon": plans.COUPONS_BY_ID,
    "CouponRedemption": plans.REDEMPTIONS_BY_ID.shape,
    "Plan": plans.PLANS_BY_ID,
    "PlanSubscription": plans.SUBSCRIPTIONS_BY_ID.shape,
    "PlanVersion": plans.VERSIONS_BY_ID,
    "Payment": payments.PAYMENTS_BY_ID.shape,
    "PaymentMethod": payments.METHODS_BY_ID.shape,
    "Price": billing.PRICES_BY_ID,
    "Tenant": accounts.TENANTS_BY_ID,
    "User": accounts.MEMBERS_BY_ID,
    "WebhookDelivery": operations.DELIVERIES_BY_ID.shape,
    "WebhookEndpoint": operations.ENDPOINTS_BY_ID.shape,
}
"""How each kind of node is found by its `ids`."""
NEEDED = dict.fromkeys(
    ("Budget", "CouponRedemption", "Invoice", "LedgerEntry", "Payment", "PaymentMethod"), Permission.BILLING
) | {"Coupon": Permission.PLATFORM}
"""Kinds of nodes that are not for everybody who may read: for others there is none."""

SEEN: dict[str, Callable[[Any, Actor], bool]] = {
    "File": lambda file, actor: may_see(actor, file["purpose"], file["owner_id"]),
    "KnowledgeBase": lambda base, actor: sees(actor, base["scope"], base["owner_id"]),
    "Document": lambda row, actor: sees(actor, row["base_scope"], row["base_owner_id"]),
    "Chunk": lambda row, actor: sees(actor, row["base_scope"], row["base_owner_id"]),
}
"""Kinds of nodes of which not everybody who may read sees each: for others there is none."""


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

    @property
    def _user(self) -> UserId | None:
        return self._actor.user_id if self._actor is not None else None

    # -- single things --------------------------------------------------------------------------------------------

    async def one(self, type_name: str, value: UUID) -> Any:
        loader = self._finder(type_name)
        return await loader.load(value) if loader is not None else None

    async def many(self, type_name: str, values: Sequence[UUID | None]) -> list[Any]:
        loader = self._finder(type_name)
        if loader is None:
            return [None] * len(values)
        waiting = {value: loader.load(value) for value in values if value is not None}
        found: dict[UUID | None, Any] = {}
        try:
            for value, one in waiting.items():
                found[value] = await one  # they come together, with one statement
        except Exception:
            await asyncio.gather(*waiting.values(), return_exceptions=True)  # nobody else looks at these
            raise
        return [found.get(value) for value in values]

    def _finder(self, type_name: str) -> DataLoader[UUID, Any] | None:
        if type_name == "GenerationOfJob":
            return self._loader(type_name, self._generations_of_jobs)
        found_by = NODES.get(type_name)
        needed, sees = NEEDED.get(type_name), SEEN.get(type_name)
        if found_by is None or (
            needed is not None and self._actor is not None and needed not in self._actor.permissions
        ):
            return None

        async def load(ids: list[UUID]) -> list[Any | None]:
            rows = await self.shaped(found_by, ids=ids)
            found = {row["id"]: row for row in rows if sees is None or (self._actor and sees(row, self._actor))}
            return [found.get(one) for one in ids]

        return self._loader(("node", type_name), load)

    def forget(self) -> None:
        """After a mutation: read everything afresh."""
        self._loaders.clear()

    async def _generations_of_jobs(self, ids: list[UUID]) -> list[Any | None]:
        found = {row.job_id: row for row in await self.shaped(generation.GENERATIONS_OF_JOBS, ids=ids)}
        return [found.get(one) for one in ids]

    # -- lists under a parent -------------------------------------------------------------------------------------

    async def pages(
        self, listing: Listing, parent_ids: Sequence[UUID], first: int, after: str | None,
        columns: frozenset[str] | None, **filters: Any,
    ) -> list[Any]:  # fmt: skip
        """A page under each parent, or the refusal of a cursor that is not of its list. Raises Rejected."""
        check_first(first)
        scope, key = listing.keyset.decode(after) if after is not None else (None, None)
        asked = [one for one in dict.fromkeys(parent_ids) if scope is None or scope == str(one)]
        given = {name: value for name, value in filters.items() if value is not None}
        statement = listing.pages(columns, frozenset(given), after=key is not None)
        rows: dict[UUID, list[Any]] = {one: [] for one in asked}
        if asked:
            _batches.record(len(asked), {"loads": listing.keyset.name})
            for row in await self.shaped(statement, ids=asked, **given, **page_values(first, key)):
                rows[row[PARENT]].append(row)
        return [
            RowPage(listing.keyset, rows[one], first, str(one), after=key is not None)
            if one in rows
            else Rejected(ErrorCode.BAD_USER_INPUT, FOREIGN_CURSOR, "after")
            for one in parent_ids
        ]

    async def lists(self, statement: Shape, key: str, ids: Sequence[UUID], **values: Any) -> list[list[Any]]:
        """The rows of each id, which they carry in column `key`."""
        found: dict[UUID, list[Any]] = {one: [] for one in ids}
        for row in await self.shaped(statement, ids=list(found), **values):
            found[row[key]].append(row)
        return [found[one] for one in ids]

    async def values(self, statement: Shape, column: str | None, ids: Sequence[UUID]) -> list[Any]:
        """One column, or with None the row, of each id's row; None where there is none."""
        rows = await self.shaped(statement, ids=list(dict.fromkeys(ids)))
        found = {row.id: getattr(row, column) if column else row for row in rows}
        return [found.get(one) for one in ids]

    async def batched(self, function: Any, parent: Any, info: Any, given: dict[str, Any]) -> Any:
        """A batched field for one parent: calls of one level are put together."""

        async def load(parents: list[Any]) -> list[Any]:
            return cast("list[Any]", await function(parents, info, **given))

        name = (function.__qualname__, repr(given), *(id(node) for node in info._raw_info.field_nodes))
        return await self._loader(name, load, cache=False).load(parent)

    # -- root lists and streams -----------------------------------------------------------------------------------

    async def page(self, statement: Select[Any], keyset: Keyset, first: int, after: str | None) -> Any:
        """One page of a list of the whole tenant that no listing describes."""
        check_first(first)
        key = keyset.read(after, "")
        rows = await self.rows(one_list(statement, keyset, first, key))
        return RowPage(keyset, rows, first, "", after=key is not None)

    async def listed(self, call: Call, first: int, after: str | None, columns: frozenset[str] | None) -> Any:
        """One page of a list of the whole tenant."""
        check_first(first)
        listing = call.listing
        key = listing.keyset.read(after, "")
        given = {name: value for name, value in call.filters.items() if value is not None}
        statement = listing.page(columns, frozenset(given), after=key is not None)
        rows = await self.shaped(statement, **given, **page_values(first, key))
        return RowPage(listing.keyset, rows, first, "", after=key is not None)

    async def rows(self, statement: Select[Any]) -> Sequence[Any]:
        return await self._database.rows(self._tenant, statement)

    async def shaped(self, statement: Shape, **values: Any) -> Sequence[Any]:
        return await self._database.shaped(self._tenant, statement, actor=self._user, **values)

    async def events(self, job_id: UUID, after: str | None, first: int) -> Any:
        if not 1 <= first <= EVENTS_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {EVENTS_MAX:,} at a time.", "first")
        position = decode_cursor(after, JobId(job_id))
        return await self._events.page(self._tenant, JobId(job_id), position, first)

    def _loader(
        self, name: Hashable, load: Callable[[list[Any]], Awaitable[list[Any]]], *, cache: bool = True
    ) -> DataLoader[Any, Any]:
        loader = self._loaders.get(name)
        if loader is None:
            counted = _counted(name, load)
            loader = self._loaders[name] = DataLoader(load_fn=counted, max_batch_size=BATCH_MAX, cache=cache)
        return loader


def _counted(name: Hashable, load: Callable[[list[Any]], Awaitable[list[Any]]]) -> Callable[[list[Any]], Any]:
    kind = name if isinstance(name, str) else str(name[-1] if name[0] == "node" else name[0])  # type: ignore[index]

    async def counted(keys: list[Any]) -> list[Any]:
        _batches.record(len(keys), {"loads": kind})
        return await load(keys)

    return counted
