"""One hand-written statement for the `projects` query, and no GraphQL."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.wiring import Api
from bench.http.peers.walls import body_of, walls

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


def application(api: Api) -> ASGIApp:
    """Without a framework either, as the product's own way in."""
    statement = Statement()

    async def graphql(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        orjson.loads(await body_of(request))
        async with walls(api, request) as (actor, cost):
            rows = await api.database.shaped(actor.tenant_id, statement)  # type: ignore[arg-type]
        whole = rows[0]["body"].encode()[:-1] + b',"extensions":' + orjson.dumps({"cost": cost}) + b"}"
        await Response(whole, headers={"content-type": "application/json; charset=utf-8"})(scope, receive, send)

    return graphql
