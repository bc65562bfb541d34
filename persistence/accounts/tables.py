"""Tables of the accounts room."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint, Uuid, false
from sqlalchemy.dialects.postgresql import JSONB

from domain import accounts
from persistence.metadata import (
    PLATFORM,
    SCHEMA,
    mapper_registry,
    metadata,
    of_tenant,
    one_of,
    references,
    tenant_table,
    text,
    timestamp,
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    text("email"),
    text("display_name"),
    text("password_hash"),
    text("locale", "en"),
    Column("platform_admin", Boolean, nullable=False, server_default=false()),
    timestamp("created_at", default=True),
    UniqueConstraint("email"),
    info=PLATFORM,
)

tenants = tenant_table("tenants", text("slug"), text("name"), timestamp("created_at", default=True), key=())

memberships = tenant_table(
    "memberships",
    Column("user_id", Uuid, ForeignKey(f"{SCHEMA}.users.id"), nullable=False),
    text("role"),
    timestamp("created_at", default=True),
    one_of("role", accounts.Role),
    of_tenant(),
    key=("user_id",),
)
Index(None, memberships.c.user_id)

sessions = tenant_table(
    "sessions",
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("refresh_hash", LargeBinary, nullable=False),
    timestamp("expires_at"),
    timestamp("rotated_at"),
    timestamp("revoked_at"),
    timestamp("created_at", default=True),
    references("user_id", "memberships", "user_id"),
)
Index(None, sessions.c.tenant_id, sessions.c.user_id)

api_tokens = tenant_table(
    "api_tokens",
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    text("name"),
    text("prefix"),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", JSONB, nullable=False),
    timestamp("expires_at"),
    timestamp("last_used_at"),
    timestamp("revoked_at"),
    timestamp("created_at", default=True),
    Column("client_app_id", Uuid),
    references("user_id", "memberships", "user_id"),
    references("client_app_id", "client_apps"),
)
Index(None, api_tokens.c.tenant_id, api_tokens.c.user_id)
Index(None, api_tokens.c.tenant_id, api_tokens.c.client_app_id)

mapper_registry.map_imperatively(accounts.User, users)
mapper_registry.map_imperatively(accounts.Tenant, tenants)
mapper_registry.map_imperatively(accounts.Membership, memberships)
mapper_registry.map_imperatively(accounts.Session, sessions)
mapper_registry.map_imperatively(accounts.ApiToken, api_tokens)
