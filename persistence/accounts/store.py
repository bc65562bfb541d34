"""The accounts room of a unit of work."""

from __future__ import annotations

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.accounts import ApiToken, Membership, Permission, Role, Session, Tenant, User, roles_with
from domain.ids import ApiTokenId, SessionId, TenantId, UserId
from persistence.accounts.tables import api_tokens, memberships, users

_MEMBERSHIPS_OF = text("select tenant_id, slug, name, role from app.memberships_of(:user_id)")


class SqlAccounts:
    """Implements `domain.accounts.AccountStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def user_by_email(self, email: str) -> User | None:
        return await self._session.scalar(select(User).where(users.c.email == email))

    async def user(self, user_id: UserId) -> User | None:
        return await self._session.get(User, user_id)

    async def add_user(self, user: User) -> bool:
        statement = insert(users).values(
            id=user.id, email=user.email, display_name=user.display_name, password_hash=user.password_hash,
            locale=user.locale, platform_admin=user.platform_admin,
        )  # fmt: skip
        done = await self._session.execute(statement.on_conflict_do_nothing().returning(users.c.id))
        return done.first() is not None

    async def add_tenant(self, tenant: Tenant) -> None:
        await self._add(tenant)

    async def add_membership(self, membership: Membership) -> None:
        await self._add(membership)

    async def memberships_of(self, user_id: UserId) -> list[tuple[Tenant, Role]]:
        rows = await self._session.execute(_MEMBERSHIPS_OF, {"user_id": user_id})
        return [(Tenant(row.tenant_id, row.slug, row.name), Role(row.role)) for row in rows]

    async def members_with(self, permission: Permission) -> list[User]:
        statement = (
            select(User)
            .join(memberships, memberships.c.user_id == users.c.id)
            .where(memberships.c.tenant_id == self._tenant_id, memberships.c.role.in_(roles_with(permission)))
            .order_by(memberships.c.created_at, users.c.id)
        )
        return list(await self._session.scalars(statement))

    async def add_session(self, session: Session) -> None:
        await self._add(session)

    async def lock_session(self, session_id: SessionId) -> Session | None:
        return await self._session.get(Session, (self._tenant_id, session_id), with_for_update=True)

    async def add_api_token(self, token: ApiToken) -> None:
        await self._add(token)

    async def api_token(self, token_id: ApiTokenId) -> ApiToken | None:
        return await self._session.get(ApiToken, (self._tenant_id, token_id), with_for_update=True)

    async def count_api_tokens(self) -> int:
        live = select(func.count()).where(api_tokens.c.tenant_id == self._tenant_id, api_tokens.c.revoked_at.is_(None))
        return await self._session.scalar(live) or 0

    async def _add(self, row: object) -> None:
        self._session.add(row)
        await self._session.flush()
