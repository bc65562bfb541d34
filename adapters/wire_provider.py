"""What the adapters that speak to a server share: when libraries are imported, who closes what, which rules apply."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any, ClassVar

from adapters import http_guard
from adapters.frames import CHARACTERS_MAX, Frame, events
from adapters.http_errors import Failures, LimitReached, failure
from domain.generation.provider import (
    CompletionRequest,
    Embeddings,
    ProviderErrorCode,
    ProviderEvent,
    ProviderLimits,
    UsageReport,
)


class WireProvider(ABC):
    """One server, one key. Belongs to the event loop that first streams from it; safe for many calls at once.

    An iteration that may be left early should be wrapped in `contextlib.aclosing`, so that the socket closes then and
    not when the generator is collected. Cancelling the task that waits for the next event closes it at once.

    With `public_only` it connects to addresses of the open internet alone, and through no proxy.
    """

    default_base_url: ClassVar[str | None]
    key_header: ClassVar[str] = "authorization"

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str | None,
        limits: ProviderLimits,
        options: Mapping[str, str] | None = None,
        public_only: bool = False,
        characters_max: int = CHARACTERS_MAX,
    ) -> None:
        self._base_url = base_url or self.default_base_url or ""
        self._options = options or {}
        self._public_only = public_only
        self._characters_max = characters_max
        self._api_key = api_key
        self._limits = limits
        self._opening = asyncio.Lock()
        self._http: Any = None
        self._sdk: Any = None

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        failures = Failures([message.content for message in request.messages], self._api_key)
        try:
            sdk = await self._opened()
        except Exception as exc:  # noqa: BLE001 - a missing SDK, a key that no header can hold
            raise failures.explain(exc, opened=False) from None
        frames = self._frames(sdk, request)
        bounded = events(frames, self._limits, failures, characters_max=self._characters_max)
        async with aclosing(bounded) as stream:
            async for event in stream:
                yield event

    async def aclose(self) -> None:
        """Idempotent. Calls under way end as failures."""
        if self._http is not None:
            await self._http.aclose()

    @abstractmethod
    def _connect(self, api_key: str | None) -> tuple[Any, Any]:
        """(HTTP client, SDK client). Runs in a thread and may import what it likes; opens no connection."""

    @abstractmethod
    def _frames(self, sdk: Any, request: CompletionRequest) -> AsyncGenerator[Frame, None]:
        """One call's frames, the first of them as soon as the provider has accepted it. Closes its socket when left."""

    async def _opened(self) -> Any:
        """The SDK's client, made on the first call and off the loop: importing an SDK takes seconds of CPU."""
        async with self._opening:
            if self._sdk is None:
                try:
                    key = http_guard.usable_key(self._api_key)
                except ValueError as exc:
                    raise failure(ProviderErrorCode.AUTHENTICATION, detail=str(exc)) from None
                self._http, self._sdk = await asyncio.to_thread(self._connect, key)
        return self._sdk

    def _http_options(self, httpx: Any, api_key: str | None) -> dict[str, Any]:
        """Arguments for an `AsyncClient` of `httpx` or `httpx2`. Its timeouts are a second net under `frames`."""
        limits = self._limits
        trust_env = not (self._public_only or http_guard.is_loopback(self._base_url))
        # Neither an address without TLS nor a proxy, and no redirect is followed: the certificates, which take 50 to
        # 200 ms of CPU to load, would never be asked for.
        plain = not trust_env and self._base_url.startswith("http://")
        connections = httpx.Limits(max_connections=http_guard.CONNECTIONS_MAX, max_keepalive_connections=20)
        verify = False if plain else _tls_context(httpx, trust_env)
        return {
            "timeout": httpx.Timeout(
                connect=limits.connect_s,
                pool=limits.connect_s,
                write=limits.idle_s,
                read=max(limits.first_token_s, limits.idle_s) + 1,
            ),
            "limits": connections,
            "follow_redirects": False,
            "trust_env": trust_env,
            "verify": verify,
            "transport": _guarded(httpx, connections, verify) if self._public_only else None,
            "event_hooks": http_guard.hooks(self.key_header, api_key, httpx.AsyncByteStream),
        }


Vectors = Iterable[tuple[Any, Any]]
"""(place among the texts, vector) as the wire has them, unchecked."""


class WireEmbedder(WireProvider):
    """A server that has embeddings beside its text."""

    @property
    @abstractmethod
    def embedding_batch_max(self) -> int:
        """How many texts the firm takes in one call."""

    async def embed(self, texts: Sequence[str], model: str, dimensions: int | None = None) -> Embeddings:
        if not texts:
            return Embeddings(())
        if len(texts) > self.embedding_batch_max:
            detail = f"{len(texts)} texts in one call, {self.embedding_batch_max} at most"
            raise failure(ProviderErrorCode.BAD_REQUEST, detail=detail)
        failures = Failures(texts, self._api_key)
        with http_guard.document_due() as document:
            try:
                vectors, usage = await self._answer(texts, model, dimensions)
                return Embeddings(_checked(vectors, len(texts), dimensions), usage)
            except Exception as exc:  # noqa: BLE001 - whatever an SDK raises leaves as a ProviderError
                raise failures.explain(exc, opened=document.answered) from None

    async def _answer(
        self, texts: Sequence[str], model: str, dimensions: int | None
    ) -> tuple[Vectors, UsageReport | None]:
        """One call within `total_s`: a document has no first token to wait for."""
        sdk = await self._opened()
        try:
            async with asyncio.timeout(self._limits.total_s) as scope:
                return await self._embed(sdk, texts, model, dimensions)
        except TimeoutError:
            if scope.expired():
                raise LimitReached("total_s", self._limits.total_s) from None
            raise

    @abstractmethod
    async def _embed(
        self, sdk: Any, texts: Sequence[str], model: str, dimensions: int | None
    ) -> tuple[Vectors, UsageReport | None]:
        """One call. Texts are at least one and at most `embedding_batch_max`."""


def _checked(vectors: Vectors, count: int, dimensions: int | None) -> tuple[tuple[float, ...], ...]:
    """ValueError or TypeError, and with them INVALID_RESPONSE, unless there is one sound vector a text, in order."""
    found = list(vectors)
    if [place for place, _ in found] != list(range(count)):
        raise ValueError("not one vector a text in the texts' order")
    checked = tuple(tuple(_finite(number) for number in vector) for _, vector in found)
    length = dimensions or len(checked[0])
    if not length or any(len(vector) != length for vector in checked):
        raise ValueError("vectors of another length")
    return checked


def _finite(number: Any) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError("no finite number")
    return float(number)


@cache
def _tls_context(httpx: Any, trust_env: bool) -> Any:
    """One for all providers of a library: it holds certificates, and nothing of any channel."""
    return httpx.create_ssl_context(trust_env=trust_env)


def _guarded(httpx: Any, limits: Any, verify: Any) -> Any:
    from adapters.guarded_network import guarded_transport  # imports what takes its time

    return guarded_transport(httpx, limits, verify)
