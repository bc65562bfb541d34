"""A person's login: the access token is renewed before it runs out, and when the API refuses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from .errors import UserErrors, check
from .generated.fragments import TokenParts
from .generated.input_types import LoginInput, LogoutInput, RefreshInput
from .generated.operations import Operations

EARLY: Final = timedelta(seconds=20)
"""Renewed this long before its end, so that a request does not meet the end of its token on the way."""


@dataclass(frozen=True)
class Tokens:
    access_token: str
    access_token_expires_at: datetime
    refresh_token: str


class Session:
    """Credentials of a person.

    Refresh tokens rotate, and one that is used again ends the session: keep what `on_tokens` is given (None after the
    end) where only one program at a time reads it.
    """

    def __init__(
        self, url: str, tokens: Tokens | None = None, *, on_tokens: Callable[[Tokens | None], None] | None = None,
        trusted_documents: bool = True, http: httpx.AsyncClient | None = None,
    ) -> None:  # fmt: skip
        self._operations = Operations(url, trusted_documents=trusted_documents, http=http)
        self._tokens = tokens
        self._on_tokens = on_tokens or (lambda _: None)
        self._renewing = asyncio.Lock()

    async def sign_in(self, email: str, password: str, *, tenant: str | None = None) -> None:
        """Raises UserErrors when they are not right. `tenant` is for users of several tenants."""
        payload = (await self._operations.login(LoginInput(email=email, password=password, tenant=tenant))).login
        check(payload)
        assert payload.tokens is not None, "a login without errors gives tokens"
        self._accept(payload.tokens)

    async def sign_out(self) -> None:
        """The tokens stop working at once, here and at the API."""
        tokens = self._tokens
        self._forget()
        if tokens is not None:
            await self._operations.logout(LogoutInput(refresh_token=tokens.refresh_token))

    async def aclose(self) -> None:
        await self._operations.aclose()

    async def token(self) -> str | None:
        tokens = self._tokens
        if tokens is not None and tokens.access_token_expires_at - EARLY <= datetime.now(UTC):
            await self.renew(tokens.access_token)
        return self._tokens.access_token if self._tokens else None

    async def renew(self, refused: str | None) -> bool:
        """Callers who find the token refused while it is being renewed share the one renewal."""
        async with self._renewing:
            if self._tokens is None:
                return False
            if self._tokens.access_token != refused:
                return True
            payload = (await self._operations.refresh(RefreshInput(refresh_token=self._tokens.refresh_token))).refresh
            if payload.tokens is not None:
                self._accept(payload.tokens)
            elif UserErrors(payload.user_errors).code != "RATE_LIMITED":
                self._forget()
            return payload.tokens is not None

    def _accept(self, parts: TokenParts) -> None:
        self._tokens = Tokens(parts.access_token, parts.access_token_expires_at, parts.refresh_token)
        self._on_tokens(self._tokens)

    def _forget(self) -> None:
        self._tokens = None
        self._on_tokens(None)
