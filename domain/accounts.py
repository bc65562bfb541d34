"""Accounts: who acts, in which tenant, with which rights.

Users are global; a membership ties one to a tenant with a role; an API token acts for its owner with fewer rights.
Effective rights are an intersection, so an owner's role never widens a token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from domain.errors import ErrorCode, Forbidden, NotFound, Rejected, Unauthenticated
from domain.ids import ApiTokenId, ClientAppId, SessionId, TenantId, UserId, new_id
from domain.text import clean_line

if TYPE_CHECKING:
    from domain.integrations import ClientTerms

PASSWORD_CHARS_MIN = 10
PASSWORD_CHARS_MAX = 1_000
API_TOKENS_MAX = 100
REFRESH_TTL = timedelta(days=30)
REFRESH_GRACE = timedelta(seconds=10)


class Role(StrEnum):
    """What a member may do in a tenant."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    EDITOR = "EDITOR"
    AUTHOR = "AUTHOR"
    VIEWER = "VIEWER"
    BILLING = "BILLING"


class Permission(StrEnum):
    """What a role grants; also the scopes an API token may carry."""

    READ = "read"
    WRITE = "write"
    GENERATE = "generate"
    ADMIN = "admin"
    BILLING = "billing"
    DEVELOPER = "developer"
    PLATFORM = "platform"


_WRITER = frozenset({Permission.READ, Permission.WRITE, Permission.GENERATE})
GRANTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _WRITER | {Permission.ADMIN, Permission.BILLING, Permission.DEVELOPER},
    Role.ADMIN: _WRITER | {Permission.ADMIN, Permission.DEVELOPER},
    Role.EDITOR: _WRITER,
    Role.AUTHOR: _WRITER,
    Role.VIEWER: frozenset({Permission.READ}),
    Role.BILLING: frozenset({Permission.READ, Permission.BILLING}),
}


@dataclass(eq=False)
class Tenant:
    tenant_id: TenantId
    slug: str
    name: str
    created_at: datetime | None = None

    @property
    def id(self) -> TenantId:
        return self.tenant_id


@dataclass(eq=False)
class User:
    id: UserId
    email: str
    display_name: str
    password_hash: str = field(repr=False)
    locale: str = "en"
    platform_admin: bool = False
    created_at: datetime | None = None


@dataclass(eq=False)
class Membership:
    tenant_id: TenantId
    user_id: UserId
    role: str
    created_at: datetime | None = None


@dataclass(eq=False)
class Session:
    """A family of refresh tokens from one sign-in. Only the newest token is good; an older one ends the family."""

    id: SessionId
    user_id: UserId
    tenant_id: TenantId
    refresh_hash: bytes = field(repr=False)
    expires_at: datetime
    rotated_at: datetime | None = None
    revoked_at: datetime | None = None
    created_at: datetime | None = None


@dataclass(eq=False)
class ApiToken:
    tenant_id: TenantId
    id: ApiTokenId
    user_id: UserId
    name: str
    prefix: str
    secret_hash: bytes = field(repr=False)
    scopes: list[str]
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    created_at: datetime | None = None
    client_app_id: ClientAppId | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a user in a tenant, perhaps through an API token. `principal` names the owner of idempotency keys.

    `home_id` is the tenant of the session, which may be another than the one acted in. `client` is what the token's
    client application is held to; None for a session, and for a token that was made for no application.
    """

    tenant_id: TenantId
    user_id: UserId
    role: Role
    permissions: frozenset[Permission]
    session_id: SessionId | None = None
    api_token_id: ApiTokenId | None = None
    expires_at: datetime | None = None
    home_id: TenantId | None = None
    client: ClientTerms | None = None

    @property
    def principal(self) -> str:
        return f"token:{self.api_token_id}" if self.api_token_id else f"user:{self.user_id}"

    def require(self, permission: Permission) -> None:
        if permission not in self.permissions:
            raise Forbidden


def permissions_of(role: Role, *, platform_admin: bool, scopes: list[str] | None = None) -> frozenset[Permission]:
    """Rights of a member, cut down to a token's scopes when one is used."""
    granted = GRANTS[role] | ({Permission.PLATFORM} if platform_admin else frozenset())
    return granted if scopes is None else granted & {Permission(s) for s in scopes}


def roles_with(permission: Permission) -> list[Role]:
    """The roles that grant a right; none for PLATFORM, which no tenant gives."""
    return [role for role, granted in GRANTS.items() if permission in granted]


class PasswordHasher(Protocol):
    """Slow on purpose (argon2id): call it off the event loop."""

    def hash(self, password: str) -> str: ...

    def verify(self, hashed: str | None, password: str) -> bool:
        """False for a wrong password; takes as long when there is no such user (`hashed` is None)."""
        ...


class AccountStore(Protocol):
    """The accounts room of a unit of work."""

    async def user_by_email(self, email: str) -> User | None: ...
    async def user(self, user_id: UserId) -> User | None: ...
    async def add_user(self, user: User) -> bool:
        """False when the address is taken."""
        ...

    async def add_tenant(self, tenant: Tenant) -> None: ...
    async def add_membership(self, membership: Membership) -> None: ...
    async def memberships_of(self, user_id: UserId) -> list[tuple[Tenant, Role]]: ...
    async def members_with(self, permission: Permission) -> list[User]:
        """The members whose roles grant a right, the oldest first."""
        ...

    async def add_session(self, session: Session) -> None: ...
    async def lock_session(self, session_id: SessionId) -> Session | None: ...
    async def add_api_token(self, token: ApiToken) -> None: ...
    async def api_token(self, token_id: ApiTokenId) -> ApiToken | None: ...
    async def count_api_tokens(self) -> int: ...


_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")


def clean_email(value: str) -> str:
    email = clean_line(value, "email", chars_max=320).lower()
    if not _EMAIL.fullmatch(email):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "This is not an e-mail address.", "input", "email")
    return email


def check_password(value: str) -> None:
    if len(value) < PASSWORD_CHARS_MIN:
        raise Rejected(
            ErrorCode.BAD_USER_INPUT, f"A password has at least {PASSWORD_CHARS_MIN} characters.", "input", "password"
        )
    if len(value) > PASSWORD_CHARS_MAX:
        raise Rejected(ErrorCode.TOO_LONG, f"At most {PASSWORD_CHARS_MAX} characters.", "input", "password")


def slug_of(name: str) -> str:
    """A readable, unique handle: the name's letters and digits and eight characters of chance."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "studio"
    return f"{base}-{new_id().hex[-8:]}"


async def join_tenant(
    accounts: AccountStore, *, email: str, password_hash: str, display_name: str, tenant_name: str, locale: str,
    tenant_id: TenantId, platform_admin: bool = False,
) -> tuple[User, Tenant]:  # fmt: skip
    """A new user who owns a new tenant. The unit of work must already be scoped to `tenant_id`.

    Raises Rejected(ALREADY_EXISTS) when the address is taken.
    """
    name = clean_line(display_name, "displayName")
    user = User(UserId(new_id()), clean_email(email), name, password_hash, clean_locale(locale), platform_admin)
    if not await accounts.add_user(user):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "This e-mail address already has an account.", "input", "email")
    title = clean_line(tenant_name or name, "tenantName")
    tenant = Tenant(tenant_id, slug_of(title), title)
    await accounts.add_tenant(tenant)
    await accounts.add_membership(Membership(tenant_id, user.id, Role.OWNER))
    return user, tenant


_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


def clean_locale(value: str, field_name: str = "locale") -> str:
    """A BCP 47 language tag such as `en` or `zh-Hans`."""
    tag = clean_line(value, field_name, chars_max=35)
    if not _LOCALE.fullmatch(tag):
        raise Rejected(ErrorCode.BAD_USER_INPUT, 'A language tag looks like "en" or "zh".', "input", field_name)
    return tag


def rotate(session: Session | None, presented_hash: bytes, next_hash: bytes, now: datetime, ttl: timedelta) -> bool:
    """Exchange a refresh token for the one that follows it. True when the family goes on; False when it was used.

    The last exchange may be repeated for REFRESH_GRACE: its answer may have been lost, and two tabs of a browser
    refresh at once. Later, a used token means that one of its two holders stole it, so the caller must commit the
    revocation that False has made. Raises Unauthenticated for a family that is unknown, revoked or expired.
    """
    if session is None or session.revoked_at is not None:
        raise Unauthenticated("This session has ended. Sign in again.")
    if session.expires_at <= now:
        raise Unauthenticated("This session has expired. Sign in again.", expired=True)
    if session.refresh_hash == next_hash and session.rotated_at and now - session.rotated_at <= REFRESH_GRACE:
        return True
    if session.refresh_hash != presented_hash:
        session.revoked_at = now
        return False
    session.refresh_hash, session.rotated_at, session.expires_at = next_hash, now, now + ttl
    return True


async def create_api_token(
    accounts: AccountStore, actor: Actor, *, name: str, scopes: list[str], expires_at: datetime | None,
    prefix: str, secret_hash: bytes, now: datetime, client_app_id: ClientAppId | None = None,
) -> ApiToken:  # fmt: skip
    """Raises Rejected for unknown or wider scopes than the creator's, a past expiry, or too many tokens."""
    actor.require(Permission.ADMIN)
    if actor.client is not None:
        raise Forbidden("A client application's token makes no tokens.")
    allowed = {p.value for p in actor.permissions}
    if not scopes or not set(scopes) <= allowed:
        raise Rejected(
            ErrorCode.BAD_USER_INPUT, f"Choose scopes among: {', '.join(sorted(allowed))}.", "input", "scopes"
        )
    if expires_at is not None and expires_at <= now:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "The expiry must lie in the future.", "input", "expiresAt")
    if await accounts.count_api_tokens() >= API_TOKENS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A tenant has at most {API_TOKENS_MAX} live tokens.")
    token = ApiToken(
        actor.tenant_id, ApiTokenId(new_id()), actor.user_id, clean_line(name, "name"), prefix, secret_hash,
        sorted(set(scopes)), expires_at, client_app_id=client_app_id,
    )  # fmt: skip
    await accounts.add_api_token(token)
    return token


async def revoke_api_token(accounts: AccountStore, actor: Actor, token_id: ApiTokenId, now: datetime) -> ApiToken:
    """Idempotent: a token revoked before keeps its first time."""
    actor.require(Permission.ADMIN)
    token = await accounts.api_token(token_id)
    if token is None:
        raise NotFound("The API token", "input", "id")
    token.revoked_at = token.revoked_at or now
    return token
