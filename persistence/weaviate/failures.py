"""What may go wrong with Weaviate.

IndexFailed
  IndexAway       it does not answer, or not in time: it may the next time
  IndexMissing    it has no such collection, or the tenant has no place in it
    IndexInactive the tenant is there and asleep
  IndexRefused    it answers, and does not do it
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_MISSING = re.compile(r"tenant not found|could not find class|class not found|collection .{0,300}not found", re.I)
_INACTIVE = re.compile(r"tenant not active|tenant .{0,100}not active", re.I)
_AWAY = re.compile(r"unavailable|failed to connect|connection|deadline|timed? ?out|shutting down", re.I)
DETAIL_CHARS = 300


class IndexFailed(Exception):
    """The text is the server's, cut short."""


class IndexAway(IndexFailed):
    pass


class IndexMissing(IndexFailed):
    pass


class IndexInactive(IndexMissing):
    pass


class IndexRefused(IndexFailed):
    pass


@asynccontextmanager
async def heard(within_s: float) -> AsyncIterator[None]:
    """For calls of the client: what they raise becomes IndexFailed, and none takes longer than that."""
    import httpx
    from grpc.aio import AioRpcError
    from weaviate.exceptions import WeaviateBaseError, WeaviateConnectionError, WeaviateStartUpError

    try:
        async with asyncio.timeout(within_s):
            yield
    except (OSError, httpx.HTTPError, WeaviateConnectionError, WeaviateStartUpError) as error:
        raise IndexAway(_said(error)) from error
    except (AioRpcError, WeaviateBaseError) as error:
        raise kind_of(str(error))(_said(error)) from error


def kind_of(said: str) -> type[IndexFailed]:
    """By what the server said."""
    if _MISSING.search(said):
        return IndexMissing
    if _INACTIVE.search(said):
        return IndexInactive
    return IndexAway if _AWAY.search(said) else IndexRefused


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:DETAIL_CHARS]
