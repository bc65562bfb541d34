"""What every mutation resolver shares: a refusal becomes `userErrors`, everything else is the caller's to see."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from domain.billing import QuotaExhausted
from domain.errors import Forbidden, Rejected
from schema.base import mutation_error

PayloadT = TypeVar("PayloadT")


def refusals_as(payload: Callable[..., PayloadT]) -> Callable[[Any], Any]:
    """Decorate a resolver: a Rejected becomes `payload(user_errors=[...])`. Forbidden stays a top-level error."""

    def decorate(resolver: Callable[..., Awaitable[PayloadT]]) -> Callable[..., Awaitable[PayloadT]]:
        @functools.wraps(resolver)
        async def answer(*args: Any, **kwargs: Any) -> PayloadT:
            try:
                return await resolver(*args, **kwargs)
            except Forbidden:
                raise
            except Rejected as refusal:
                return payload(user_errors=[mutation_error(refusal)])

        return answer

    return decorate


@contextmanager
def credit_refusals() -> Iterator[None]:
    """A wallet or a budget that does not cover something is a refusal like others."""
    try:
        yield
    except QuotaExhausted as refusal:
        raise Rejected(refusal.code, str(refusal)) from None
