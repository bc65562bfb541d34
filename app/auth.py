"""Who asks: passwords, access tokens, refresh tokens, API tokens.

    access token    a signed JWT of 15 minutes: user, tenant, session
    refresh token   fabr_<tenant, session, secret>: good for one exchange
    API token       fab_<public part>_<tenant, secret>: stored as a hash

Tokens carry their tenant, so that the row behind them is looked up inside row security.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import argon2
import jwt

from domain.accounts import REFRESH_TTL, Actor, Permission, Role, Session, User, permissions_of
from domain.errors import Forbidden, Rejected, Unauthenticated
from domain.ids import ApiTokenId, ClientAppId, SessionId, TenantId, UserId, new_id
from domain.integrations import ClientTerms, DocumentMode
from persistence.accounts import reads
from persistence.database import OUTAGES, Database
from resolvers.services import IssuedTokens
from schema.ids import decode_id

ACCESS_TTL = timedelta(minutes=15)
ACTOR_TTL_S = 0.5
"""How long the same credentials are not looked at again."""
STANDING_TTL_S = 1.5
"""How long a membership, session or token is believed without asking the database again."""
CACHE_MAX = 10_000
_ALGORITHM = "HS256"
_REFRESH, _API = "fabr_", "fab_"
_REFRESH_BYTES, _API_BYTES = 64, 48


class Argon2Passwords:
    """Implements `domain.accounts.PasswordHasher`."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, hashed: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(hashed or self._nobody, password) and hashed is not None
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated("This token is not one of ours.") from None


class TokenCredentials:
    """Implements `resolvers.services.Credentials`."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def new_session(self, user: User, tenant_id: TenantId, now: datetime) -> tuple[Session, IssuedTokens]:
        session = Session(SessionId(new_id()), user.id, tenant_id, b"", now + REFRESH_TTL)
        session.refresh_hash, issued = self._issue(session, secrets.token_bytes(32), now)
        return session, issued

    def renew(self, session: Session, refresh_token: str, now: datetime) -> tuple[bytes, IssuedTokens]:
        following = hmac.digest(self._secret.encode(), b"refresh" + refresh_token.encode(), "sha256")
        return self._issue(session, following, now)

    def _issue(self, session: Session, refresh_secret: bytes, now: datetime) -> tuple[bytes, IssuedTokens]:
        expires = now + ACCESS_TTL
        claims = {
            "sub": session.user_id.hex,
            "tid": session.tenant_id.hex,
            "sid": session.id.hex,
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
        }
        refresh = _REFRESH + _encode(session.tenant_id.bytes + session.id.bytes + refresh_secret)
        access = jwt.encode(claims, self._secret, algorithm=_ALGORITHM)
        return _sha256(refresh), IssuedTokens(access, expires, refresh, now + REFRESH_TTL)

    def read_refresh(self, token: str) -> tuple[TenantId, object, bytes]:
        raw = _decode(token.removeprefix(_REFRESH)) if token.startswith(_REFRESH) else b""
        if len(raw) != _REFRESH_BYTES:
            raise Unauthenticated("This is not a refresh token.")
        return TenantId(UUID(bytes=raw[:16])), UUID(bytes=raw[16:32]), _sha256(token)

    def new_api_token(self, tenant_id: TenantId) -> tuple[str, str, bytes]:
        prefix = _API + secrets.token_hex(4)
        token = f"{prefix}_{_encode(tenant_id.bytes + secrets.token_bytes(32))}"
        return token, prefix, _sha256(token)

    def read_access(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(token, self._secret, algorithms=[_ALGORITHM])
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired.", expired=True) from None
        except jwt.InvalidTokenError:
            raise Unauthenticated("This access token is not valid.") from None
        return claims


class Authenticator:
    """Turns credentials into an Actor. What it has just looked up it believes for STANDING_TTL_S."""

    def __init__(self, database: Database, credentials: TokenCredentials) -> None:
        self._database = database
        self._credentials = credentials
        self._epoch = 0
        self._actors: dict[tuple[str, str | None], tuple[float, Actor]] = {}
        self._asking: dict[tuple[str, str | None], asyncio.Future[Actor]] = {}
        self._standing: dict[tuple[UUID, ...], tuple[float, Any]] = {}
        self._claims: dict[str, dict[str, Any]] = {}
        self._touched: dict[UUID, float] = {}

    async def authenticate(self, authorization: str | None, tenant: str | None = None) -> Actor | None:
        """None without credentials. Raises Unauthenticated for bad ones."""
        if not authorization:
            return None
        key = authorization, tenant
        known = self._actors.get(key)
        if known is not None and known[0] > time.time():
            return known[1]
        asking = self._asking.get(key)
        if asking is None:  # who comes meanwhile waits for the same answer
            asking = self._asking[key] = asyncio.ensure_future(self._look_up(authorization, tenant))
            asking.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(asking)

    def _asked(self, key: tuple[str, str | None], done: asyncio.Future[Actor]) -> None:
        if self._asking.get(key) is done:
            del self._asking[key]
        if not done.cancelled():
            done.exception()  # seen here, when nobody waits for it any more

    async def _look_up(self, authorization: str, tenant: str | None) -> Actor:
        key = authorization, tenant
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send `Authorization: Bearer <token>`.")
        token = token.strip()
        epoch = self._epoch
        actor = await (self._by_api_token(token) if token.startswith(_API) else self._by_access_token(token, tenant))
        if epoch == self._epoch:  # otherwise it was looked up before something ended, perhaps
            until = time.time() + ACTOR_TTL_S
            expires = actor.expires_at.timestamp() if actor.expires_at is not None else until
            _remember(self._actors, key, (min(until, expires), actor))
        return actor

    def forget(self) -> None:
        """A session or token has just ended: believe nothing from before."""
        self._epoch += 1
        self._asking.clear()
        self._actors.clear()
        self._standing.clear()

    async def still_valid(self, actor: Actor, needs: Permission | None = None) -> bool:
        """Whether membership, and session or API token, still stand, and still give the right that is needed, if any.

        Believes PostgreSQL's silence for a while.
        """
        if actor.expires_at is not None and actor.expires_at <= datetime.now(UTC):
            return False
        try:
            home = actor.home_id or actor.tenant_id
            row = await self._stands(home, actor.user_id, actor.session_id, actor.api_token_id)
            if row is not None and home != actor.tenant_id:
                row = await self._stands(actor.tenant_id, actor.user_id, None, None)
        except OUTAGES:
            return True
        if row is None or needs is None:
            return row is not None
        return needs in actor.permissions & permissions_of(Role(row.role), platform_admin=row.platform_admin)

    async def _by_access_token(self, token: str, tenant: str | None) -> Actor:
        claims = self._claims.get(token)
        if claims is None or claims["exp"] <= time.time():
            claims = self._credentials.read_access(token)
            _remember(self._claims, token, claims)
        home, session_id = TenantId(UUID(claims["tid"])), SessionId(UUID(claims["sid"]))
        user_id, tenant_id = UserId(UUID(claims["sub"])), home
        if tenant:
            try:
                tenant_id = TenantId(decode_id("Tenant", tenant))
            except Rejected:
                raise Unauthenticated("X-Tenant is not the id of a tenant.") from None
        row = await self._stands(home, user_id, session_id, None)
        if row is not None and tenant_id != home:
            row = await self._stands(tenant_id, user_id, None, None)
            if row is None:
                raise Forbidden("You do not belong to this tenant.")
        if row is None:
            raise Unauthenticated("This session has ended. Sign in again.")
        role = Role(row.role)
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        rights = permissions_of(role, platform_admin=row.platform_admin)
        return Actor(tenant_id, user_id, role, rights, session_id, None, expires_at, home)

    async def _by_api_token(self, token: str) -> Actor:
        _, _, secret = token.removeprefix(_API).partition("_")  # the secret may itself contain "_"
        raw = _decode(secret)
        if len(raw) != _API_BYTES:
            raise Unauthenticated("This API token is not valid.")
        tenant_id = TenantId(UUID(bytes=raw[:16]))
        found = await self._database.rows(tenant_id, reads.api_token_by_hash(tenant_id, _sha256(token)))
        if not found:
            raise Unauthenticated("This API token is not valid.")
        row = found[0]
        if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
            raise Unauthenticated("This API token has expired.", expired=True)
        standing = await self._stands(tenant_id, UserId(row.user_id), None, ApiTokenId(row.id))
        if standing is None:
            raise Unauthenticated("This API token is not valid.")
        rights = permissions_of(Role(standing.role), platform_admin=standing.platform_admin, scopes=row.scopes)
        terms = _terms(standing)
        if terms is not None:
            rights &= {Permission(one) for one in standing.app_scopes}
        await self._note_use(tenant_id, row)
        return Actor(
            tenant_id, UserId(row.user_id), Role(standing.role), rights, None, ApiTokenId(row.id), row.expires_at,
            client=terms,
        )  # fmt: skip

    async def terms_of(self, actor: Actor) -> ClientTerms | None:
        """Today's terms of an actor's client application: those of a long connection may be older.

        Raises Unauthenticated when the token was revoked since.
        """
        if actor.client is None:
            return None
        standing = await self._stands(actor.tenant_id, actor.user_id, None, actor.api_token_id)
        if standing is None:
            raise Unauthenticated("This API token is not valid.")
        return _terms(standing)

    async def _note_use(self, tenant_id: TenantId, row: Any) -> None:
        """To the minute, so that a busy token does not write its row on every request."""
        now = time.monotonic()
        if now - self._touched.get(row.id, float("-inf")) > 60:
            _remember(self._touched, row.id, now)
            await self._database.change(tenant_id, reads.touch_api_token(tenant_id, row.id))

    async def _stands(
        self, tenant_id: TenantId, user_id: UserId, session_id: SessionId | None, token_id: ApiTokenId | None
    ) -> Any | None:
        key = (tenant_id, user_id, session_id or token_id or UUID(int=0))
        known = self._standing.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        statement = reads.standing(tenant_id, user_id, session_id=session_id, token_id=token_id)
        rows = await self._database.rows(tenant_id, statement)
        row = rows[0] if rows else None
        _remember(self._standing, key, (time.monotonic() + STANDING_TTL_S, row))
        return row


def _terms(standing: Any) -> ClientTerms | None:
    if standing.client_app_id is None:
        return None
    return ClientTerms(
        ClientAppId(standing.client_app_id), DocumentMode(standing.mode), tuple(standing.allowed_origins),
        standing.cost_budget,
    )  # fmt: skip


def _remember(cache: dict[Any, Any], key: Any, value: Any) -> None:
    if len(cache) >= CACHE_MAX:
        cache.clear()
    cache[key] = value
