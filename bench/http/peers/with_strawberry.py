"""Stock strawberry with FastAPI: types made of entities, and dataloaders, as its documentation would have it."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

import strawberry
from fastapi import FastAPI, Request
from strawberry.dataloader import DataLoader
from strawberry.fastapi import GraphQLRouter
from strawberry.schema.config import StrawberryConfig

from app.wiring import Api
from bench.http.peers.reads import Page, Reads, rfc3339
from bench.http.peers.walls import session_of
from schema.ids import encode_id, split_id

Info: TypeAlias = strawberry.Info[dict[str, Reads], None]
NodeT = TypeVar("NodeT")
MOMENT = strawberry.scalar(name="DateTime", serialize=rfc3339, parse_value=datetime.fromisoformat)


@strawberry.type
class PageInfo:
    has_next_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[NodeT]):
    node: NodeT
    row: strawberry.Private[Any]

    @strawberry.field
    def cursor(self) -> str:
        return self.row.cursor  # type: ignore[no-any-return]


@strawberry.type
class Connection(Generic[NodeT]):
    edges: list[Edge[NodeT]]
    page: strawberry.Private[Any]

    @strawberry.field
    def page_info(self) -> PageInfo:
        page = self.page
        return PageInfo(has_next_page=page.has_next_page, start_cursor=page.start_cursor, end_cursor=page.end_cursor)


def connection(page: Page, make: Callable[[Any], Any]) -> Any:
    return Connection(edges=[Edge(node=make(edge.node), row=edge) for edge in page.edges], page=page)


def global_id(type_name: str, row: Any) -> strawberry.ID:
    return strawberry.ID(encode_id(type_name, row.id))


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class TextVersion:
    number: int
    origin: str


@strawberry.type
class CodexRelation:
    kind: str
    row: strawberry.Private[Any]

    @strawberry.field
    async def to(self, info: Info) -> "CodexEntry":
        return CodexEntry.of(await info.context["reads"].entry.load(self.row.to_id))


@strawberry.type
class CodexEntry(Node):
    name: str
    kind: str
    row: strawberry.Private[Any]

    @classmethod
    def of(cls, row: Any) -> "CodexEntry":
        return cls(id=global_id("CodexEntry", row), name=row.name, kind=row.kind, row=row)

    @strawberry.field
    async def relations(self, info: Info, first: int = 20) -> Connection[CodexRelation]:
        page = await info.context["reads"].relations.load((self.row.id, first))
        return connection(page, lambda row: CodexRelation(kind=row.kind, row=row))  # type: ignore[no-any-return]


@strawberry.type
class Chapter(Node):
    title: str
    word_count: int
    row: strawberry.Private[Any]

    @classmethod
    def of(cls, row: Any) -> "Chapter":
        return cls(id=global_id("Chapter", row), title=row.title, word_count=row.word_count, row=row)

    @strawberry.field
    async def project(self, info: Info) -> "Project":
        return Project.of(await info.context["reads"].project.load(self.row.project_id))

    @strawberry.field
    async def current_version(self, info: Info) -> TextVersion | None:
        if self.row.current_version_id is None:
            return None
        version = await info.context["reads"].version.load(self.row.current_version_id)
        return TextVersion(number=version.number, origin=version.origin)

    @strawberry.field
    async def versions(self, info: Info, first: int = 20) -> Connection[TextVersion]:
        page = await info.context["reads"].versions.load((self.row.id, first))
        return connection(page, lambda row: TextVersion(number=row.number, origin=row.origin))  # type: ignore[no-any-return]


@strawberry.type
class Project(Node):
    title: str
    language: str
    genre: str
    premise: str
    status: str
    target_words: int | None
    created_at: datetime
    updated_at: datetime
    row: strawberry.Private[Any]

    @classmethod
    def of(cls, row: Any) -> "Project":
        return cls(
            id=global_id("Project", row), title=row.title, language=row.language, genre=row.genre, premise=row.premise,
            status=row.status, target_words=row.target_words, created_at=row.created_at, updated_at=row.updated_at,
            row=row,
        )  # fmt: skip

    @strawberry.field
    async def chapters(self, info: Info, first: int = 20) -> Connection[Chapter]:
        return connection(await info.context["reads"].chapters.load((self.row.id, first)), Chapter.of)  # type: ignore[no-any-return]

    @strawberry.field
    async def codex_entries(self, info: Info, first: int = 20) -> Connection[CodexEntry]:
        return connection(await info.context["reads"].entries.load((self.row.id, first)), CodexEntry.of)  # type: ignore[no-any-return]


@strawberry.type
class Query:
    @strawberry.field
    async def projects(self, info: Info, first: int = 20) -> Connection[Project]:
        return connection(await info.context["reads"].projects(first), Project.of)  # type: ignore[no-any-return]

    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        type_name, value = split_id(id)
        row = await info.context["reads"].project.load(value) if type_name == "Project" else None
        return Project.of(row) if row else None


def application(api: Api) -> FastAPI:
    async def context(request: Request) -> AsyncIterator[dict[str, Reads]]:
        async with session_of(api, request) as session:
            yield {"reads": Reads(session, lambda batch: DataLoader(load_fn=batch))}

    app = FastAPI()
    schema = strawberry.Schema(query=Query, config=StrawberryConfig(scalar_map={datetime: MOMENT}), types=[Project])
    router: Any = GraphQLRouter(schema, context_getter=context, graphql_ide=None)
    app.include_router(router, prefix="/graphql")
    return app
