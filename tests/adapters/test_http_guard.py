"""How long an answer may be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.http_errors import HttpFailure
from adapters.http_guard import DOCUMENT_BYTES_MAX, EVENT_BYTES_MAX, _BoundedDocument, _BoundedStream


async def _through(rules: type, *chunks: bytes) -> int:
    """How many bytes come through."""

    async def sent() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return sum([len(chunk) async for chunk in rules(sent())])


MEBIBYTE = b"x" * (1 << 20)


async def test_a_document_may_be_as_long_as_the_limit_and_no_longer() -> None:
    most = [MEBIBYTE] * (DOCUMENT_BYTES_MAX >> 20)
    assert await _through(_BoundedDocument, *most) == DOCUMENT_BYTES_MAX
    with pytest.raises(HttpFailure, match="a document longer than"):
        await _through(_BoundedDocument, *most, b"x")


async def test_an_event_may_be_as_long_as_the_limit_and_no_longer() -> None:
    most = b"x" * EVENT_BYTES_MAX
    assert await _through(_BoundedStream, most, b"\n\n", most) == 2 * EVENT_BYTES_MAX + 2
    with pytest.raises(HttpFailure, match="an event longer than"):
        await _through(_BoundedStream, most, b"x")
