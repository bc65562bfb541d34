"""What stands before every operation and finishes its answer, the same over every transport.

INTROSPECTION_DISABLED   the schema is asked for by somebody who is not shown it
COST_LIMIT_EXCEEDED      the operation may cost more than one may
RATE_LIMITED             the principal's bucket is empty: 429 over HTTP, with Retry-After
LIMIT_REACHED            the user watches too many streams at once
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from typing import Any

import orjson
from graphql import GraphQLError

from app.graphql.cost import Costs
from app.graphql.documents import Prepared
from app.graphql.engine import Answer, Engine
from app.graphql.errors import DocumentRefused, RequestRefused, StreamRefused
from app.graphql.sqlplan import TextAnswer
from app.settings import Introspection, Limits
from domain.accounts import Actor, Permission
from persistence.bucket import Buckets, Taken, retry_after_s
from schema.context import Context

SUGGESTION = " Did you mean "


class Tally:
    """How many of a thing each user has in this process. Other processes count their own."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._counts: Counter[Hashable] = Counter()

    def enter(self, key: Hashable) -> bool:
        """Count one more, unless there are as many as there may be."""
        if self._counts[key] >= self.most:
            return False
        self._counts[key] += 1
        return True

    def leave(self, key: Hashable) -> None:
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]


class Gate:
    """Runs operations of those who may, within what they may."""

    def __init__(
        self, costs: Costs, engine: Engine, limits: Limits, buckets: Buckets, introspection: Introspection
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._buckets = buckets
        self._introspection = introspection
        self._costs = costs
        self._streams = Tally(limits.user_subscriptions_max)
        self.connections = Tally(limits.user_connections_max)

    async def run(self, prepared: Prepared, context: Context) -> Answer:
        """The answer of a query or mutation. Raises DocumentRefused and RequestRefused."""
        taken = await self.admit(prepared, context, own_bucket(context))
        answer = await self._engine.run(prepared, context)
        if isinstance(answer, TextAnswer):
            context.cost.actual = answer.cost
            return answer.extended({"cost": self.settle(prepared, context, taken)})
        return self.finish(prepared, context, taken, answer)

    async def stream(self, prepared: Prepared, context: Context) -> AsyncIterator[list[bytes]]:
        """The encoded answers of a subscription. It costs once, when it begins, and its first answer says what.

        Raises DocumentRefused, RequestRefused and StreamRefused.
        """
        with self._watching(context):
            taken = await self.admit(prepared, context, own_bucket(context))
            async with contextlib.aclosing(self._engine.stream(prepared, context)) as batches:  # type: ignore[type-var]
                try:
                    first = await anext(batches, None)
                except StreamRefused as refusal:
                    raise StreamRefused(self.finish(prepared, context, taken, refusal.answer)) from None
                if first:
                    context.cost.actual = context.cost.requested  # a stream costs the same, however it goes on
                    told = self.finish(prepared, context, taken, orjson.loads(first[0]))
                    yield [orjson.dumps(told), *first[1:]]
                async for answers in batches:
                    yield answers

    async def admit(self, prepared: Prepared, context: Context, bucket_max: int | None = None) -> Taken:
        """Let an operation in and take what it may cost. `bucket_max` is the principal's own bucket, if it has one.

        Raises DocumentRefused and RequestRefused.
        """
        plan = self._costs.plan(prepared.document, prepared.operation)
        if plan.introspects and not self.shows_schema(context.caller):
            message = "The schema is shown to developers only: its SDL is published."
            raise _refused(prepared, message, "INTROSPECTION_DISABLED")
        cost = context.cost.requested = plan.requested(prepared.request.variables or {})
        most = min(self._limits.query_cost_max, bucket_max or self._buckets.budget.limit)
        if cost > most:
            message = f"The operation may cost {cost:,}, and {most:,} is the limit. Ask for shorter pages."
            raise _refused(prepared, message, "COST_LIMIT_EXCEEDED", cost={"requested": cost, "limit": most})
        taken = await self._buckets.take(_principal(context), cost, bucket_max)
        if not taken.granted:
            wait_s = retry_after_s(taken)
            message = f"The operation may cost {cost:,}, and {taken.remaining:,} is left. Try again in {wait_s} s."
            raise RequestRefused(
                "RATE_LIMITED", message, 429, {"retry-after": str(wait_s)},
                {"cost": _figures(cost, 0, taken, taken.remaining), "retryAfterS": wait_s},
            )  # fmt: skip
        return taken

    def finish(self, prepared: Prepared, context: Context, taken: Taken, answer: dict[str, Any]) -> dict[str, Any]:
        """Give back what was not used, and say in the answer what it cost. Without data nothing was executed."""
        if "data" not in answer:
            context.cost.actual = 0
        answer.setdefault("extensions", {})["cost"] = self.settle(prepared, context, taken, answer.get("data"))
        if "data" not in answer and not self.shows_schema(context.caller):
            answer["errors"] = _without_suggestions(answer["errors"])
        return answer

    def settle(self, prepared: Prepared, context: Context, taken: Taken, data: Any = None) -> dict[str, Any]:
        """`extensions.cost` of an answer. One that broke off, with null for its data, costs all that was asked."""
        cost = context.cost
        if cost.actual is None:
            plan = self._costs.plan(prepared.document, prepared.operation)
            cost.actual = cost.requested if data is None else plan.actual(data)
        unused = cost.requested - cost.actual
        if unused:
            self._buckets.give_back(_principal(context), unused, taken.budget.limit)
        remaining = max(0, min(taken.budget.limit, taken.remaining + unused))
        return _figures(cost.requested, cost.actual, taken, remaining)

    def body(self, refusal: DocumentRefused | RequestRefused, actor: Actor | None, request_id: str) -> dict[str, Any]:
        """A refusal as this client may see it."""
        body = refusal.body(request_id)
        if not self.shows_schema(actor):
            body["errors"] = _without_suggestions(body["errors"])
        return body

    def shown(self, refusal: DocumentRefused, actor: Actor) -> DocumentRefused:
        """The same with no more of the schema in its words than this client may see."""
        if self.shows_schema(actor):
            return refusal
        errors = [(error.message.partition(SUGGESTION)[0], error.extensions) for error in refusal.errors]
        return DocumentRefused([GraphQLError(message, extensions=extensions) for message, extensions in errors])

    def shows_schema(self, actor: Actor | None) -> bool:
        if self._introspection == "developers":
            return actor is not None and Permission.DEVELOPER in actor.permissions
        return self._introspection == "everyone"

    @contextlib.contextmanager
    def _watching(self, context: Context) -> Iterator[None]:
        """Count a stream of its user. Nobody in particular has none to watch, and is refused by the schema."""
        user_id = context.caller.user_id if context.caller is not None else None
        if user_id is None:
            yield
            return
        if not self._streams.enter(user_id):
            raise RequestRefused("LIMIT_REACHED", f"At most {self._streams.most} subscriptions at once a user.", 429)
        try:
            yield
        finally:
            self._streams.leave(user_id)


def own_bucket(context: Context) -> int | None:
    """The cost budget of the caller's client application."""
    client = context.caller.client if context.caller is not None else None
    return client.cost_budget if client is not None else None


def _principal(context: Context) -> str:
    return context.caller.principal if context.caller is not None else f"client:{context.client}"


def _figures(requested: int, actual: int, taken: Taken, remaining: int) -> dict[str, Any]:
    rate = taken.budget.restored_per_s
    bucket = {"limit": taken.budget.limit, "remaining": remaining, "restoreRate": int(rate) if rate >= 1 else rate}
    return {"requested": requested, "actual": actual, "bucket": bucket}


def _refused(prepared: Prepared, message: str, code: str, **details: Any) -> DocumentRefused:
    extensions = {"code": code, **details}
    return DocumentRefused([GraphQLError(message, prepared.operation, extensions=extensions)])


def _without_suggestions(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**error, "message": error["message"].partition(SUGGESTION)[0]} for error in errors]
