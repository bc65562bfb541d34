"""What the product does before and after every operation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from graphql import OperationDefinitionNode, parse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.types import ASGIApp

from app.graphql.timers import CoarseTimers, TimeLimit
from app.graphql.tracing import operation_span
from app.origins import OriginGuard
from app.settings import Limits
from app.wiring import Api
from bench.http.queries import PROJECTS
from domain.accounts import Actor
from domain.ids import new_id
from persistence.database import SET_TENANT
from schema.context import Context

COST = 241
OPERATION = next(node for node in parse(PROJECTS).definitions if isinstance(node, OperationDefinitionNode))
LIMITS = Limits()
_timers = CoarseTimers()


def guarded(app: ASGIApp, api: Api) -> ASGIApp:
    """Behind the same guard of origins."""
    return OriginGuard(app, allowed=(), any_loopback=False, of_apps=api.origins)


async def body_of(request: Request) -> bytes:
    """Raises ValueError for one over the limit."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LIMITS.body_bytes_max:
            raise ValueError(f"more than {LIMITS.body_bytes_max} bytes")
    return body


@asynccontextmanager
async def walls(api: Api, request: Request) -> AsyncIterator[tuple[Actor, dict[str, Any]]]:
    actor = await api.authenticator.authenticate(request.headers.get("authorization"), request.headers.get("x-tenant"))
    assert actor is not None
    taken = await api.buckets.take(actor.principal, COST)
    asked = Context(actor, None, api.services, new_id().hex)  # type: ignore[arg-type]
    with operation_span(OPERATION, asked), TimeLimit(_timers, LIMITS.query_timeout_s):
        yield actor, {"requested": COST, "actual": COST, "bucket": {"remaining": taken.remaining}}


@asynccontextmanager
async def session_of(api: Api, request: Request) -> AsyncIterator[AsyncSession]:
    """The walls, and behind them a session whose transaction sees the tenant's rows."""
    async with walls(api, request) as (actor, _), AsyncSession(api.database.engine) as session:
        await session.execute(SET_TENANT, {"tenant": str(actor.tenant_id)})
        yield session
