"""Types of the accounts room."""

from datetime import datetime

import strawberry

from domain import accounts
from domain.accounts import Role
from schema.base import Connection, Node, Payload, described_enum, mapped
from schema.batched import needs
from schema.context import Info
from schema.cost import Cost
from schema.integrations import ClientApp

described_enum(
    Role,
    OWNER="Everything, members and billing included.",
    ADMIN="Everything but billing.",
    EDITOR="Reads, writes and generates.",
    AUTHOR="Reads, writes and generates.",
    VIEWER="Reads.",
    BILLING="Reads, and keeps the wallet.",
)


@mapped(accounts.Tenant, name="As its members call it.", slug="A unique handle for addresses.")
class Tenant(Node):
    """A studio: the wall around everything its members make."""


@mapped(
    accounts.User,
    email="The address to sign in with.",
    display_name="As others see the user.",
    locale="The user's language, a BCP 47 tag.",
)
class User(Node):
    """A person, who may belong to several tenants."""


@strawberry.type(description="A tenant that the user belongs to, and as what.")
class Membership:
    tenant: Tenant = strawberry.field(description="The tenant.")
    role: Role = strawberry.field(description="What the user may do there.")


@strawberry.type(description="Who asks: a user in one tenant, perhaps through an API token.")
class Viewer:
    user: User = strawberry.field(description="The user, or the owner of the API token.")
    tenant: Tenant = strawberry.field(description="The tenant that this request acts in.")
    role: Role = strawberry.field(description="The user's role in it.")
    scopes: list[str] = strawberry.field(description="What this request may do: the role's rights cut to the token's.")
    memberships: list[Membership] = strawberry.field(description="All tenants of the user; send `X-Tenant` to switch.")


@mapped(
    accounts.ApiToken,
    name="What its owner calls it.",
    prefix="The token's first characters, to recognise it by. The token itself is shown once, when it is made.",
    created_at="When it was made.",
    expires_at="When it stops working; null for never.",
    last_used_at="When it was last used, to the minute.",
    revoked_at="When it was revoked.",
)
class ApiToken(Node):
    """A key for programs. It can do what its scopes and its owner's role both allow."""

    scopes: list[str] = strawberry.field(description="Among read, write, generate, admin, billing, developer.")

    @strawberry.field(
        description="The application that it was made for; null for the tenant's own scripts.",
        metadata=needs("client_app_id"),
    )
    async def client_app(self, info: Info) -> ClientApp | None:
        return await info.context.reads.one("ClientApp", self.client_app_id) if self.client_app_id else None


@strawberry.type(description="The two tokens of a session.", directives=[Cost(weight=0)])
class AuthTokens:
    access_token: str = strawberry.field(description="Send as `Authorization: Bearer ...`; short-lived.")
    access_token_expires_at: datetime = strawberry.field(description="When to refresh at the latest.")
    refresh_token: str = strawberry.field(description="Good for one `refresh`, which gives a new one.")
    refresh_token_expires_at: datetime = strawberry.field(description="When the session ends unless refreshed.")


@strawberry.input(description="A new person with a tenant of their own.")
class RegisterInput:
    email: str = strawberry.field(description="The address to sign in with.")
    password: str = strawberry.field(description="At least 10 characters.")
    display_name: str = strawberry.field(description="As others see the user.")
    tenant_name: str = strawberry.field(default="", description="The studio's name; the user's own by default.")
    locale: str = strawberry.field(default="en", description="A BCP 47 language tag.")


@strawberry.input(description="Credentials.")
class LoginInput:
    email: str = strawberry.field(description="The user's address.")
    password: str = strawberry.field(description="The user's password.")
    tenant: strawberry.ID | None = strawberry.field(
        default=None, description="Which tenant to act in; the oldest membership by default."
    )


@strawberry.input(description="A refresh token to exchange.")
class RefreshInput:
    refresh_token: str = strawberry.field(description="From `login`, `register` or the last `refresh`.")


@strawberry.input(description="A session to end.")
class LogoutInput:
    refresh_token: str = strawberry.field(description="The session's newest refresh token.")


@strawberry.input(description="A new API token.")
class ApiTokenCreateInput:
    name: str = strawberry.field(description="To recognise it by.")
    scopes: list[str] = strawberry.field(description="Among read, write, generate, admin, billing, developer.")
    expires_at: datetime | None = strawberry.field(default=None, description="When it stops working; null for never.")
    client_app_id: strawberry.ID | None = strawberry.field(
        default=None, description="The application it is for: the token is held to that application's terms."
    )


@strawberry.input(description="An API token to revoke.")
class ApiTokenRevokeInput:
    id: strawberry.ID = strawberry.field(description="The token.")


@strawberry.type(description="The new session.")
class RegisterPayload(Payload):
    viewer: Viewer | None = strawberry.field(default=None, description="Who has signed in.")
    tokens: AuthTokens | None = strawberry.field(default=None, description="The session's tokens.")


@strawberry.type(description="The new session.")
class LoginPayload(Payload):
    viewer: Viewer | None = strawberry.field(default=None, description="Who has signed in.")
    tokens: AuthTokens | None = strawberry.field(default=None, description="The session's tokens.")


@strawberry.type(description="The session's new tokens.")
class RefreshPayload(Payload):
    tokens: AuthTokens | None = strawberry.field(default=None, description="The session's new tokens.")


@strawberry.type(description="The end of a session.")
class LogoutPayload(Payload):
    ok: bool = strawberry.field(default=False, description="True also when the session had ended before.")


@strawberry.type(description="The new API token.")
class ApiTokenCreatePayload(Payload):
    token: str | None = strawberry.field(default=None, description="The token itself: shown now and never again.")
    api_token: ApiToken | None = strawberry.field(default=None, description="What is known of it.")


@strawberry.type(description="The revoked API token.")
class ApiTokenRevokePayload(Payload):
    api_token: ApiToken | None = strawberry.field(default=None, description="The token.")


ApiTokenConnection = Connection[ApiToken]
