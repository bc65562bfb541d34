"""The rules of every HTTP exchange with a provider, kept as hooks under the SDKs, which leave all of them open.

Out: only known headers, and only this channel's key. The SDKs add whatever the process's environment holds
(`OPENAI_ORG_ID`, `OPENAI_CUSTOM_HEADERS`, another account's key) and a fingerprint of the machine.
In: a status below 300, no web page, no JSON document where a stream is due, no compression (a kilobyte may unfold to a
gigabyte), UTF-8 only, no event longer than 1 MiB and no document longer than 64. What breaks a rule raises
`HttpFailure`.

Works with httpx and httpx2 alike: dashscope is built on the one, openai on the other.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

from adapters.http_errors import HttpFailure

EVENT_BYTES_MAX = 1 << 20
DOCUMENT_BYTES_MAX = 64 << 20
ERROR_BODY_BYTES_MAX = 64 << 10
CONNECTIONS_MAX = 1_000

_SENT = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-version",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-dashscope-sse",
    }
)
_NEVER_AN_ANSWER = frozenset({"text/html", "application/xhtml+xml", "application/xml", "text/xml"})


@dataclass(slots=True)
class Document:
    """A JSON document that is waited for; `answered` once the provider began to send it."""

    answered: bool = False


_document: ContextVar[Document | None] = ContextVar("document", default=None)


class Request(Protocol):
    @property
    def headers(self) -> MutableMapping[str, str]: ...


class Response(Protocol):
    """What both libraries' responses have in common; `stream` may be replaced before it is read."""

    status_code: int
    stream: Any

    @property
    def headers(self) -> Mapping[str, str]: ...


Hook = Callable[[Any], Awaitable[None]]


@contextmanager
def document_due() -> Iterator[Document]:
    """The answer to the call within is a JSON document. Without it an answer is a stream."""
    document = Document()
    token = _document.set(document)
    try:
        yield document
    finally:
        _document.reset(token)


def hooks(key_header: str, api_key: str | None, stream_base: type) -> dict[str, list[Hook]]:
    """`event_hooks` for an async client of either library; `stream_base` is the library's `AsyncByteStream`.

    The key goes into `key_header` alone, behind the word Bearer when that is `authorization`.
    """

    async def before(request: Request) -> None:
        headers = request.headers
        for name in [name for name in headers if name.lower() not in _SENT]:
            del headers[name]
        headers["accept-encoding"] = "identity"
        headers["user-agent"] = "fabula"
        if api_key:
            headers[key_header] = f"Bearer {api_key}" if key_header == "authorization" else api_key

    async def after(response: Response) -> None:
        document = _document.get()
        why = _refusal(response, document is not None)
        if why is None:
            rules = _BoundedStream if document is None else _BoundedDocument
            response.stream = _bounded_type(rules, stream_base)(response.stream)
            if document is not None:
                document.answered = True
            return
        raise HttpFailure(response.status_code, response.headers, await _beginning(response.stream), why)

    return {"request": [before], "response": [after]}


def is_loopback(url: str) -> bool:
    """Whether `url` stays on this machine: such calls must not be sent through the environment's proxy."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def usable_key(api_key: str | None) -> str | None:
    """The key without the blanks that pasting brings; None when there is none. ValueError when no header holds it."""
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ValueError("the key holds characters that no HTTP header can carry")
    return key or None


def _refusal(response: Response, document: bool) -> str | None:
    if not 200 <= response.status_code < 300:
        return "not a success"
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("", "identity"):
        return f"compressed with {encoding[:40]}"
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if document:
        return f"{content_type} where a document was due" if content_type in _NEVER_AN_ANSWER else None
    never = content_type in _NEVER_AN_ANSWER or content_type == "application/json"
    return f"{content_type} where a stream was due" if never else None


async def _beginning(stream: AsyncIterator[bytes]) -> bytes:
    """At most the first `ERROR_BODY_BYTES_MAX`; what was read before a break is enough."""
    body = bytearray()
    try:
        async with aclosing(_chunks(stream)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) >= ERROR_BODY_BYTES_MAX:
                    break
    except Exception as exc:  # noqa: BLE001 - either library's; the status has already said that the call failed
        body += f" [{type(exc).__name__}]".encode()
    return bytes(body[:ERROR_BODY_BYTES_MAX])


async def _chunks(stream: Any) -> AsyncGenerator[bytes, None]:
    """What a stream brings. Its own generator is closed with this one, and not by the garbage collector, in whatever
    thread that runs.
    """
    chunks = aiter(stream)
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()


class _Bounded:
    """Passes bytes on that keep the rules."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(_chunks(self._inner)) as chunks:
            async for chunk in chunks:
                self._check(chunk)
                yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _check(self, chunk: bytes) -> None:
        raise NotImplementedError


class _BoundedStream(_Bounded):
    """Refuses what the SDKs' decoders take: both buffer an endless event, one mends bad UTF-8."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._event_bytes = 0
        self._tail = b""
        self._utf8 = getincrementaldecoder("utf-8")("strict")

    def _check(self, chunk: bytes) -> None:
        try:
            self._utf8.decode(chunk)
        except UnicodeDecodeError:
            raise HttpFailure(200, {}, b"", "bytes that are no UTF-8") from None
        # An event ends at an empty line, which two chunks may share.
        seam = self._tail + chunk
        end = max(seam.rfind(mark) + len(mark) if mark in seam else 0 for mark in (b"\n\n", b"\r\n\r\n", b"\r\r"))
        self._event_bytes = len(seam) - end if end else self._event_bytes + len(chunk)
        self._tail = seam[-3:]
        if self._event_bytes > EVENT_BYTES_MAX:
            raise HttpFailure(200, {}, b"", f"an event longer than {EVENT_BYTES_MAX} bytes")


class _BoundedDocument(_Bounded):
    """The SDKs read a document into memory, however long it is."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._room = DOCUMENT_BYTES_MAX

    def _check(self, chunk: bytes) -> None:
        self._room -= len(chunk)
        if self._room < 0:
            raise HttpFailure(200, {}, b"", f"a document longer than {DOCUMENT_BYTES_MAX} bytes")


@cache
def _bounded_type(rules: type, stream_base: type) -> type:
    # Both libraries insist on their own base class.
    return type(rules.__name__, (rules, stream_base), {})
