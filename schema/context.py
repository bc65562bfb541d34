"""What a resolver may use. Types delegate to `reads`, mutations to `units`; `app` builds one context a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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

    async def many(self, type_name: str, values: Sequence[UUID | None]) -> list[Any]:
        """The same for each; None for None."""
        ...

    def forget(self) -> None:
        """After a mutation: read everything afresh."""
        ...

    async def pages(
        self, listing: Any, parent_ids: Sequence[UUID], first: int, after: str | None,
        columns: frozenset[str] | None, **filters: Any,
    ) -> list[Any]:  # fmt: skip
        """A page of a listing under each parent."""
        ...

    async def lists(self, statement: Any, key: str, ids: Sequence[UUID], **values: Any) -> list[list[Any]]: ...
    async def values(self, statement: Any, column: str | None, ids: Sequence[UUID]) -> list[Any]: ...
    async def batched(self, function: Any, parent: Any, info: Any, given: dict[str, Any]) -> Any: ...
    async def events(self, job_id: UUID, after: str | None, first: int) -> Any: ...


@dataclass(slots=True)
class OperationCost:
    """What an operation may cost and what it did. Left to itself, `actual` is counted from the answer's lists.

    Who makes the answer as text adds what it counted instead: the cost of what was read, by the weights in the schema.
    """

    requested: int = 0
    actual: int | None = None

    def add(self, cost: int) -> None:
        self.actual = (self.actual or 0) + cost


@dataclass
class Context:
    """One operation's context. `services` are the process's own; see `resolvers.services`."""

    caller: Actor | None
    reads: Reads
    services: Any
    request_id: str
    client: str = ""
    cost: OperationCost = field(default_factory=OperationCost)

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
