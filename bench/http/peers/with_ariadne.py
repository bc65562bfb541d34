"""Ariadne: its ASGI application over a schema in SDL, entities resolved by their attributes, and aiodataloader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiodataloader import DataLoader
from ariadne import InterfaceType, ObjectType, QueryType, ScalarType, load_schema_from_path, make_executable_schema
from ariadne.asgi import GraphQL
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.wiring import Api
from bench.http.peers.reads import Page, Reads, rfc3339
from bench.http.peers.walls import session_of
from schema.ids import encode_id, split_id

SDL = Path(__file__).parents[1] / "node" / "schema.graphql"
query = QueryType()
project, chapter, entry, relation = (ObjectType(name) for name in ("Project", "Chapter", "CodexEntry", "CodexRelation"))
node = InterfaceType("Node", lambda row, *_: type(row).__name__)
moment = ScalarType("DateTime", serializer=rfc3339)


def reads(info: Any) -> Reads:
    return info.context["reads"]  # type: ignore[no-any-return]


@query.field("projects")
async def resolve_projects(_: Any, info: Any, first: int) -> Page:
    return await reads(info).projects(first)


@query.field("node")
async def resolve_node(_: Any, info: Any, id: str) -> Any:
    type_name, value = split_id(id)
    return await reads(info).project.load(value) if type_name == "Project" else None


@project.field("chapters")
async def resolve_chapters(row: Any, info: Any, first: int) -> Page:
    return await reads(info).chapters.load((row.id, first))  # type: ignore[no-any-return]


@project.field("codexEntries")
async def resolve_entries(row: Any, info: Any, first: int) -> Page:
    return await reads(info).entries.load((row.id, first))  # type: ignore[no-any-return]


@entry.field("relations")
async def resolve_relations(row: Any, info: Any, first: int) -> Page:
    return await reads(info).relations.load((row.id, first))  # type: ignore[no-any-return]


@relation.field("to")
async def resolve_to(row: Any, info: Any) -> Any:
    return await reads(info).entry.load(row.to_id)


@chapter.field("project")
async def resolve_project(row: Any, info: Any) -> Any:
    return await reads(info).project.load(row.project_id)


@chapter.field("currentVersion")
async def resolve_current(row: Any, info: Any) -> Any:
    return await reads(info).version.load(row.current_version_id) if row.current_version_id else None


@chapter.field("versions")
async def resolve_versions(row: Any, info: Any, first: int) -> Page:
    return await reads(info).versions.load((row.id, first))  # type: ignore[no-any-return]


for kind in (project, chapter, entry):
    kind.set_field("id", lambda row, _info, name=kind.name: encode_id(name, row.id))


def application(api: Api) -> ASGIApp:
    bindables: list[Any] = [query, project, chapter, entry, relation, node, moment]
    schema = make_executable_schema(load_schema_from_path(str(SDL)), bindables, convert_names_case=True)
    served = GraphQL(schema, context_value=lambda request, _data: {"reads": request.scope["reads"]})

    async def graphql(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        async with session_of(api, Request(scope)) as session:
            scope["reads"] = Reads(session, DataLoader)
            await served(scope, receive, send)

    return graphql
