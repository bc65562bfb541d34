"""Ways to answer an operation in this process, to be held against each other.

Each is `run(operation text, variables, person) -> answer`, or None when it declines the operation. They share the
database, the resolvers' real reads, and the parsed documents.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, cast

import orjson
from graphql import DocumentNode, GraphQLSchema, OperationDefinitionNode, execute, parse

from app.graphql.compiled import CompiledExecutor, Plans
from app.graphql.cost import Costs
from app.graphql.documents import Prepared
from app.graphql.errors import answer
from app.graphql.request import GraphQLRequest
from app.graphql.sqlplan import SqlPlans
from domain.accounts import Actor
from resolvers.reads import LOOKUPS, TenantReads
from resolvers.services import Services
from schema.context import Context

Answer = dict[str, Any]
Run = Callable[[str, dict[str, Any], Actor | None], Awaitable[Answer | None]]


@lru_cache(maxsize=64)
def parsed(text: str) -> DocumentNode:
    return parse(text)


class Stock:
    """graphql-core's own executor."""

    executor_class: type | None = None

    def __init__(self, schema: GraphQLSchema, services: Services) -> None:
        self.schema = schema
        self.services = services

    async def __call__(self, text: str, variables: dict[str, Any], actor: Actor | None) -> Answer:
        services = self.services
        result = execute(
            self.schema,
            parsed(text),
            context_value=Context(actor, TenantReads(services.database, services.events, actor), services, "request"),
            variable_values=variables,
            executor_class=self.executor_class,
        )
        return answer(await result if inspect.isawaitable(result) else result, "request")


class Compiled(Stock):
    """The compiled executor, from an operation's first run on. `counts` tells how many ran to the end compiled."""

    def __init__(self, schema: GraphQLSchema, services: Services) -> None:
        super().__init__(schema, services)
        counts = self.counts = Counter[str]()

        class Counting(CompiledExecutor):
            compile_after = 0
            plans = Plans(64)

            def execute_operation(self, serially: bool | None = None) -> Any:
                result = super().execute_operation(serially)
                counts["compiled" if self.plan is not None else "fallen back"] += 1
                return result

        self.executor_class = Counting


class Planned:
    """PostgreSQL itself, for the operations that it can write the answer of; the others are declined."""

    def __init__(self, schema: GraphQLSchema, services: Services) -> None:
        self.services = services
        self.plans = SqlPlans(schema, Costs(schema), LOOKUPS)
        self.counts = Counter[str]()

    async def __call__(self, text: str, variables: dict[str, Any], actor: Actor | None) -> Answer | None:
        document = parsed(text)
        [operation] = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        prepared = Prepared(document, operation, GraphQLRequest(text, variables), "trusted")
        context = Context(
            actor, TenantReads(self.services.database, self.services.events, actor), self.services, "request"
        )
        told = await self.plans.attempt(prepared, context)
        self.counts["declined" if told is None else "planned"] += 1
        return None if told is None else cast("Answer", orjson.loads(told.body))


# -- comparison ------------------------------------------------------------------------------------------------------

Error = tuple[str, str, str, str]


def errors_of(said: Answer) -> Counter[Error]:
    """(path, message, code, locations) of each error. Where work is done side by side, their order is nobody's."""
    return Counter(
        (
            json.dumps(error.get("path")),
            error["message"],
            error["extensions"]["code"],
            json.dumps(error.get("locations")),
        )
        for error in said.get("errors", ())
    )


def same_data(one: Answer, other: Answer) -> bool:
    """Equal, the order of their fields too."""
    texts = [json.dumps(said.get("data", "none"), default=str) for said in (one, other)]
    return texts[0] == texts[1]


def nulled_at(data: Any, path: list[Any] | None) -> str:
    """The place that an error made null: the first null on its way."""
    way: list[Any] = []
    for key in path or []:
        if data is None:
            break
        data = data[key]
        way.append(key)
    return json.dumps(way)


def excusable(stock: Answer, other: Answer, every: Answer) -> bool:
    """Whether two answers with equal data differ only in which of several errors came first.

    When two fields fail under one nullable place, the first to fail is reported and the rest is not, and which is
    first may be a matter of time. `every` is the answer with error propagation disabled: all that can go wrong. So
    both must have reported something for each place that became null, and nothing that cannot be.
    """
    possible = set(errors_of(every))
    if not (set(errors_of(stock)) | set(errors_of(other)) <= possible):
        return False
    data = stock.get("data")
    places = [{nulled_at(data, error.get("path")) for error in one["errors"]} for one in (stock, other)]
    return places[0] == places[1]
