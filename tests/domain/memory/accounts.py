"""The accounts room, in memory."""

from __future__ import annotations

from domain.accounts import ApiToken, Membership, Permission, Role, Session, Tenant, User, roles_with
from domain.ids import ApiTokenId, SessionId, TenantId, UserId


class MemoryAccounts:
    """Implements `domain.accounts.AccountStore` for one tenant."""

    def __init__(self) -> None:
        self.users: dict[UserId, User] = {}
        self.tenants: dict[TenantId, Tenant] = {}
        self.memberships: list[Membership] = []
        self.sessions: dict[SessionId, Session] = {}
        self.api_tokens: dict[ApiTokenId, ApiToken] = {}

    async def user_by_email(self, email: str) -> User | None:
        return next((user for user in self.users.values() if user.email == email), None)

    async def user(self, user_id: UserId) -> User | None:
        return self.users.get(user_id)

    async def add_user(self, user: User) -> bool:
        if await self.user_by_email(user.email) is not None:
            return False
        self.users[user.id] = user
        return True

    async def add_tenant(self, tenant: Tenant) -> None:
        self.tenants[tenant.tenant_id] = tenant

    async def add_membership(self, membership: Membership) -> None:
        self.memberships.append(membership)

    async def memberships_of(self, user_id: UserId) -> list[tuple[Tenant, Role]]:
        return [(self.tenants[one.tenant_id], Role(one.role)) for one in self.memberships if one.user_id == user_id]

    async def members_with(self, permission: Permission) -> list[User]:
        return [self.users[one.user_id] for one in self.memberships if one.role in roles_with(permission)]

    async def add_session(self, session: Session) -> None:
        self.sessions[session.id] = session

    async def lock_session(self, session_id: SessionId) -> Session | None:
        return self.sessions.get(session_id)

    async def add_api_token(self, token: ApiToken) -> None:
        self.api_tokens[token.id] = token

    async def api_token(self, token_id: ApiTokenId) -> ApiToken | None:
        return self.api_tokens.get(token_id)

    async def count_api_tokens(self) -> int:
        return sum(1 for token in self.api_tokens.values() if token.revoked_at is None)
