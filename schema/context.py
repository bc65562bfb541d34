"""What a resolver may use. Types delegate to `reads`, mutations to `units`; `app` builds one context a request."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import strawberry

from domain.accounts import Actor, Permission
from domain.errors import Unauthenticated


class Reads(Protocol):
    """Batched reads: calls of one level become one statement."""

    async def one(self, type_name: str, value: UUID) -> Any:
        """The row of a node, or None when it is missing or not for this actor."""
        ...

    def forget(self) -> None:
        """After a mutation: read everything afresh."""
        ...

    async def chapters(self, project_id: UUID, first: int, after: str | None) -> Any: ...
    async def outline(self, project_id: UUID) -> Any: ...
    async def project_words(self, project_id: UUID) -> int: ...
    async def codex_entries(self, project_id: UUID, first: int, after: str | None, filter_: Any) -> Any: ...
    async def codex_relations(self, entry_id: UUID, first: int, after: str | None) -> Any: ...
    async def versions(self, node_id: UUID, first: int, after: str | None) -> Any: ...
    async def generations(self, node_id: UUID, first: int, after: str | None) -> Any: ...
    async def attempts(self, generation_id: UUID) -> Any: ...
    async def generation_text(self, generation_id: UUID) -> str: ...
    async def receipt(self, generation_id: UUID) -> Any: ...
    async def usage(self, job_id: UUID) -> Any | None: ...
    async def trusted_documents(self, app_id: UUID, first: int, after: str | None) -> Any: ...
    async def events(self, job_id: UUID, after: str | None, first: int) -> Any: ...


@dataclass
class Context:
    """One operation's context. `services` are the process's own; see `resolvers.services`."""

    caller: Actor | None
    reads: Reads
    services: Any
    request_id: str
    client: str = ""

    @property
    def actor(self) -> Actor:
        """Who asks. Raises Unauthenticated."""
        if self.caller is None:
            raise Unauthenticated
        return self.caller

    def reader(self) -> Reads:
        """Reads of someone who may read. Raises Unauthenticated or Forbidden."""
        self.actor.require(Permission.READ)
        return self.reads


Info: TypeAlias = strawberry.Info[Context, None]
