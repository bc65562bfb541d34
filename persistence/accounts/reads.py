"""Reads of the accounts room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Select, Update, exists, func, literal_column, select, update

from domain.accounts import Permission, roles_with
from persistence.accounts.tables import api_tokens, memberships, sessions, tenants, users
from persistence.integrations.tables import client_apps
from persistence.listing import by_ids
from persistence.paging import Keyset, SortColumn
from persistence.shapes import ACTOR, TENANT

API_TOKENS = Keyset("apiTokens", (SortColumn("id", api_tokens.c.id, UUID),), descending=True)


MEMBERS_BY_ID = by_ids(
    "User",
    select(users.c.id, users.c.email, users.c.display_name, users.c.locale)
    .join(memberships, memberships.c.user_id == users.c.id)
    .where(memberships.c.tenant_id == TENANT),
    users.c.id,
)
"""Users, as far as they belong to the tenant."""
ADMINISTERS = exists().where(
    memberships.c.tenant_id == TENANT,
    memberships.c.user_id == ACTOR,
    memberships.c.role.in_([literal_column(f"'{role}'") for role in roles_with(Permission.ADMIN)]),
)
"""Whether who asks is an administrator of the tenant."""
TENANTS_BY_ID = by_ids(
    "Tenant",
    select(tenants.c.tenant_id.label("id"), tenants.c.slug, tenants.c.name).where(tenants.c.tenant_id == TENANT),
    tenants.c.tenant_id,
)


def api_token_rows(tenant_id: UUID | BindParameter[UUID]) -> Select[Any]:
    shown = [column for column in api_tokens.columns if column.name not in {"tenant_id", "secret_hash"}]
    return select(*shown).where(api_tokens.c.tenant_id == tenant_id)


API_TOKENS_BY_ID = by_ids("ApiToken", api_token_rows(TENANT), api_tokens.c.id)


def standing(tenant_id: UUID, user_id: UUID, *, session_id: UUID | None, token_id: UUID | None) -> Select[Any]:
    """The one row of a member: role, platform_admin and, for a token, its client application's terms.

    None when the membership, session or token is gone.
    """
    statement = (
        select(memberships.c.role, users.c.platform_admin)
        .join(users, users.c.id == memberships.c.user_id)
        .where(memberships.c.tenant_id == tenant_id, memberships.c.user_id == user_id)
    )
    if session_id is not None:
        alive = select(sessions.c.id).where(
            sessions.c.tenant_id == tenant_id, sessions.c.id == session_id, sessions.c.revoked_at.is_(None)
        )
        statement = statement.where(alive.exists())
    return statement if token_id is None else _with_terms(statement, tenant_id, token_id)


def _with_terms(statement: Select[Any], tenant_id: UUID, token_id: UUID) -> Select[Any]:
    token, app = api_tokens.c, client_apps.c
    live = (token.tenant_id == tenant_id) & (token.id == token_id) & token.revoked_at.is_(None)
    return (
        statement.join(api_tokens, live)
        .outerjoin(client_apps, (app.tenant_id == token.tenant_id) & (app.id == token.client_app_id))
        .add_columns(
            token.client_app_id, app.mode, app.allowed_origins, app.scopes.label("app_scopes"), app.cost_budget
        )
    )


def api_token_by_hash(tenant_id: UUID, secret_hash: bytes) -> Select[Any]:
    token = api_tokens.c
    return select(token.id, token.user_id, token.scopes, token.expires_at, token.last_used_at).where(
        token.tenant_id == tenant_id, token.secret_hash == secret_hash, token.revoked_at.is_(None)
    )


def touch_api_token(tenant_id: UUID, token_id: UUID) -> Update:
    return (
        update(api_tokens)
        .where(api_tokens.c.tenant_id == tenant_id, api_tokens.c.id == token_id)
        .values(last_used_at=func.now())
    )
