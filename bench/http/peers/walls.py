"""What the product does before and after every operation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from graphql import OperationDefinitionNode, parse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from app.graphql.tracing import operation_span
from app.wiring import Api
from bench.http.queries import PROJECTS
from domain.accounts import Actor
from domain.ids import new_id
from persistence.database import SET_TENANT
from schema.context import Context

COST = 241
OPERATION = next(node for node in parse(PROJECTS).definitions if isinstance(node, OperationDefinitionNode))


@asynccontextmanager
async def walls(api: Api, request: Request) -> AsyncIterator[tuple[Actor, dict[str, Any]]]:
    actor = await api.authenticator.authenticate(request.headers.get("authorization"), request.headers.get("x-tenant"))
    assert actor is not None
    taken = await api.buckets.take(actor.principal, COST)
    asked = Context(actor, None, api.services, new_id().hex)  # type: ignore[arg-type]
    with operation_span(OPERATION, asked):
        yield actor, {"requested": COST, "actual": COST, "bucket": {"remaining": taken.remaining}}


@asynccontextmanager
async def session_of(api: Api, request: Request) -> AsyncIterator[AsyncSession]:
    """The walls, and behind them a session whose transaction sees the tenant's rows."""
    async with walls(api, request) as (actor, _), AsyncSession(api.database.engine) as session:
        await session.execute(SET_TENANT, {"tenant": str(actor.tenant_id)})
        yield session
