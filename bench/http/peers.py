"""Python peers behind the same walls as the product: its authentication, tenancy, cost bucket and operation log.

    python -m bench.http.peers NAME PORT

`bare` is one hand-written statement and no GraphQL. `strawberry_stock` is strawberry with FastAPI, the product's
entities through SQLAlchemy's ORM, and dataloaders, as its documentation would have it.
"""

import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import strawberry
import uvicorn
from fastapi import FastAPI, Request, Response
from graphql import OperationDefinitionNode, parse
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.dataloader import DataLoader
from strawberry.fastapi import GraphQLRouter

from app import telemetry
from app.graphql.tracing import operation_span
from app.settings import Settings
from app.wiring import Api, build_api
from bench.http.queries import PROJECTS
from domain.accounts import Actor
from domain.ids import new_id
from domain.projects import OutlineNode, Project
from persistence.database import SET_TENANT
from persistence.projects.tables import outline_nodes, projects
from schema.context import Context
from schema.ids import encode_id

COST = 241
OPERATION = next(node for node in parse(PROJECTS).definitions if isinstance(node, OperationDefinitionNode))


@asynccontextmanager
async def walls(api: Api, request: Request) -> AsyncIterator[tuple[Actor, dict[str, Any]]]:
    """What the product does before and after every operation."""
    actor = await api.authenticator.authenticate(request.headers.get("authorization"), request.headers.get("x-tenant"))
    assert actor is not None
    taken = await api.buckets.take(actor.principal, COST)
    asked = Context(actor, None, api.services, new_id().hex)  # type: ignore[arg-type]
    with operation_span(OPERATION, asked):
        yield actor, {"requested": COST, "actual": COST, "bucket": {"remaining": taken.remaining}}


# -- one statement -----------------------------------------------------------------------------------------------------

_ID = "replace(replace(encode('\\x{code}'::bytea || uuid_send({column}), 'base64'), '+', '-'), '/', '_')"
_CURSOR = """
translate(encode(convert_to('["projects:UPDATED_AT:desc","","' || to_char(p.updated_at at time zone 'UTC',
  'YYYY-MM-DD HH24:MI:SS.US') || '+00:00","' || p.id || '"]', 'UTF8'), 'base64'), E'+/=\\n', '-_')"""
BARE = f"""
with scope as materialized (select set_config('app.tenant_id', $1::uuid::text, true) as tenant)
select body from scope cross join lateral (
  select '{{"data":{{"projects":{{"edges":[' || coalesce(string_agg(
      '{{"node":{{"id":"' || {_ID.format(code="706a", column="p.id")} || '","title":' || to_json(p.title)::text ||
      ',"chapters":{{"edges":[' || coalesce(c.edges, '') || ']}}}}}}', ',') filter (where p.turn <= 20), '') ||
    '],"pageInfo":{{"hasNextPage":' || (count(*) > 20)::text || ',"endCursor":"' ||
    max({_CURSOR}) filter (where p.turn = 20) || '"}}}}}}}}' as body
  from (select *, row_number() over () as turn from (
    select id, title, updated_at from app.projects where tenant_id = $1 and deleted_at is null
    order by updated_at desc, id desc limit 21) as page) as p
  cross join lateral (
    select string_agg('{{"node":{{"id":"' || {_ID.format(code="6368", column="x.id")} || '","title":' ||
      to_json(x.title)::text || ',"wordCount":' || x.word_count || '}}}}', ',') as edges
    from (select id, title, word_count from app.outline_nodes
      where tenant_id = $1 and kind = 'CHAPTER' and deleted_at is null and project_id = p.id
      order by path, id limit 10) as x) as c
  where scope.tenant is not null offset 0) as answer"""


class Statement:
    """A text with the tenant for its only parameter, in the place of a `Shape`."""

    text = BARE

    def values(self, given: dict[str, Any]) -> list[Any]:
        return [given["tenant"]]


def bare(api: Api) -> ASGIApp:
    """Without a framework either, as the product's own way in."""
    statement = Statement()

    async def graphql(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        orjson.loads(await request.body())
        async with walls(api, request) as (actor, cost):
            rows = await api.database.shaped(actor.tenant_id, statement)  # type: ignore[arg-type]
        whole = rows[0]["body"].encode()[:-1] + b',"extensions":' + orjson.dumps({"cost": cost}) + b"}"
        await Response(whole, headers={"content-type": "application/json; charset=utf-8"})(scope, receive, send)

    return graphql


# -- stock strawberry ----------------------------------------------------------------------------------------------------


def _cursor(project: Any) -> str:
    parts = ["projects:UPDATED_AT:desc", "", str(project.updated_at), str(project.id)]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class ChapterNode:
    id: strawberry.ID
    title: str
    word_count: int


@strawberry.type
class ChapterEdge:
    node: ChapterNode


@strawberry.type
class ChapterConnection:
    edges: list[ChapterEdge]


@strawberry.type
class ProjectNode:
    id: strawberry.ID
    title: str
    row: strawberry.Private[Any]

    @strawberry.field
    async def chapters(self, info: strawberry.Info[Any, None], first: int = 20) -> ChapterConnection:
        rows = await info.context["chapters"].load((self.row.id, first))
        nodes = [ChapterNode(id=strawberry.ID(encode_id("Chapter", one.id)), title=one.title, word_count=one.word_count)
                 for one in rows]  # fmt: skip
        return ChapterConnection(edges=[ChapterEdge(node=node) for node in nodes])


@strawberry.type
class ProjectEdge:
    node: ProjectNode


@strawberry.type
class ProjectConnection:
    edges: list[ProjectEdge]
    page_info: PageInfo


@strawberry.type
class Query:
    @strawberry.field
    async def projects(self, info: strawberry.Info[Any, None], first: int = 20) -> ProjectConnection:
        session: AsyncSession = info.context["session"]
        wanted = select(Project).where(projects.c.deleted_at.is_(None))
        ordered = wanted.order_by(projects.c.updated_at.desc(), projects.c.id.desc()).limit(first + 1)
        rows = (await session.scalars(ordered)).all()
        nodes = [ProjectNode(id=strawberry.ID(encode_id("Project", row.id)), title=row.title, row=row)
                 for row in rows[:first]]  # fmt: skip
        last = _cursor(nodes[-1].row) if nodes else None
        page = PageInfo(has_next_page=len(rows) > first, end_cursor=last)
        return ProjectConnection(edges=[ProjectEdge(node=node) for node in nodes], page_info=page)


def chapters_of(session: AsyncSession) -> DataLoader[Any, Any]:
    async def load(keys: list[Any]) -> list[list[Any]]:
        first = keys[0][1]
        turn = func.row_number().over(partition_by=outline_nodes.c.project_id, order_by=outline_nodes.c.path)
        ranked = (
            select(outline_nodes, turn.label("turn"))
            .where(outline_nodes.c.project_id.in_([key[0] for key in keys]), outline_nodes.c.kind == "CHAPTER",
                   outline_nodes.c.deleted_at.is_(None))
            .subquery()
        )  # fmt: skip
        node = aliased(OutlineNode, ranked)
        found: dict[Any, list[Any]] = {key[0]: [] for key in keys}
        for row in await session.scalars(select(node).where(ranked.c.turn <= first).order_by(ranked.c.path)):
            found[row.project_id].append(row)
        return [found[key[0]] for key in keys]

    return DataLoader(load_fn=load)


def strawberry_stock(api: Api) -> FastAPI:
    async def context(request: Request) -> AsyncIterator[dict[str, Any]]:
        async with walls(api, request) as (actor, _), AsyncSession(api.database.engine) as session:
            await session.execute(SET_TENANT, {"tenant": str(actor.tenant_id)})
            yield {"session": session, "chapters": chapters_of(session)}

    app = FastAPI()
    router: Any = GraphQLRouter(strawberry.Schema(query=Query), context_getter=context, graphql_ide=None)
    app.include_router(router, prefix="/graphql")
    return app


APPS = {"bare": bare, "strawberry_stock": strawberry_stock}


def main(name: str, port: int) -> None:
    settings = Settings()
    telemetry.configure(telemetry.API, settings)
    app = APPS[name](build_api(settings))
    uvicorn.run(
        app, host="127.0.0.1", port=port, access_log=False, log_config=None, server_header=False, lifespan="off"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
