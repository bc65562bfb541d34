"""What is not left in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(action: Coroutine[Any, Any, T]) -> T:
    """Do it to its end, also when the task is cancelled meanwhile: then CancelledError is raised behind it."""
    doing = asyncio.ensure_future(action)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise
