"""Root fields of the accounts room: registering, signing in, sessions, API tokens."""

import asyncio
from typing import Any

import strawberry

from domain import accounts as domain
from domain.accounts import Actor, Permission, Role, Tenant, User
from domain.billing import top_up_entry
from domain.errors import ErrorCode, Rejected, Unauthenticated
from domain.ids import ApiTokenId, ClientAppId, SessionId, TenantId, new_id
from domain.integrations import get_client_app
from persistence.accounts import reads
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from resolvers.services import IssuedTokens, Services
from schema import accounts as types
from schema.base import Connection
from schema.batched import After, First
from schema.context import Info
from schema.ids import decode_id, decode_optional

WRONG = "E-mail address or password is wrong."
NOBODY = TenantId(new_id())
"""A tenant that does not exist: the scope of look-ups that need none."""


def _tokens(issued: IssuedTokens) -> types.AuthTokens:
    return types.AuthTokens(
        access_token=issued.access_token,
        access_token_expires_at=issued.access_expires_at,
        refresh_token=issued.refresh_token,
        refresh_token_expires_at=issued.refresh_expires_at,
    )


def _viewer(
    user: User, tenant: Tenant, role: Role, memberships: list[tuple[Tenant, Role]], scopes: frozenset[Permission]
) -> types.Viewer:
    return types.Viewer(
        user=user,  # type: ignore[arg-type]
        tenant=tenant,  # type: ignore[arg-type]
        role=role,
        scopes=sorted(scopes),
        memberships=[types.Membership(tenant=one, role=as_) for one, as_ in memberships],  # type: ignore[arg-type]
    )


@strawberry.type
class AccountQueries:
    @strawberry.field(description="Who asks, in which tenant, and what they may do.")
    async def me(self, info: Info) -> types.Viewer:
        actor = info.context.actor
        async with info.context.services.units(actor.tenant_id) as uow:
            user = await uow.accounts.user(actor.user_id)
            memberships = await uow.accounts.memberships_of(actor.user_id)
        tenant = next((one for one, _ in memberships if one.tenant_id == actor.tenant_id), None)
        if user is None or tenant is None:
            raise Unauthenticated
        return _viewer(user, tenant, actor.role, memberships, actor.permissions)

    @strawberry.field(description="The tenant's API tokens, newest first, revoked ones included.")
    async def api_tokens(self, info: Info, first: First = 20, after: After = None) -> Connection[types.ApiToken]:
        actor = info.context.actor
        actor.require(Permission.ADMIN)
        rows = reads.api_token_rows(actor.tenant_id)
        return await info.context.reads.page(rows, reads.API_TOKENS, first, after)  # type: ignore[attr-defined,no-any-return]


@strawberry.type
class AccountMutations:
    @strawberry.mutation(description="Make a user with a tenant of their own, and sign in.")
    @refusals_as(types.RegisterPayload)
    async def register(self, info: Info, input: types.RegisterInput) -> types.RegisterPayload:
        services: Services = info.context.services
        email = domain.clean_email(input.email)
        domain.check_password(input.password)
        await _limit(services, f"register:{info.context.client}")
        hashed = await asyncio.to_thread(services.passwords.hash, input.password)
        tenant_id = TenantId(new_id())
        async with services.units(tenant_id) as uow:
            user, tenant = await domain.join_tenant(
                uow.accounts, email=email, password_hash=hashed, display_name=input.display_name,
                tenant_name=input.tenant_name, locale=input.locale, tenant_id=tenant_id,
            )  # fmt: skip
            await uow.billing.open_wallet()
            if services.starting_credit_micros:
                await uow.billing.post(top_up_entry("starting-credit", services.starting_credit_micros))
            session, issued = services.credentials.new_session(user, tenant_id, uow.now)
            await uow.accounts.add_session(session)
        rights = domain.permissions_of(Role.OWNER, platform_admin=False)
        viewer = _viewer(user, tenant, Role.OWNER, [(tenant, Role.OWNER)], rights)
        return types.RegisterPayload(viewer=viewer, tokens=_tokens(issued))

    @strawberry.mutation(description="Sign in with an e-mail address and a password.")
    @refusals_as(types.LoginPayload)
    async def login(self, info: Info, input: types.LoginInput) -> types.LoginPayload:
        services: Services = info.context.services
        email = domain.clean_email(input.email)
        wanted = decode_optional("Tenant", input.tenant, "tenant")
        await _limit(services, f"login:{email}")
        user, memberships = await _find_user(services, email)
        hashed = user.password_hash if user is not None else None
        if not await asyncio.to_thread(services.passwords.verify, hashed, input.password) or user is None:
            raise Rejected(ErrorCode.INVALID_CREDENTIALS, WRONG)
        chosen = next((pair for pair in memberships if wanted in {None, pair[0].tenant_id}), None)
        if chosen is None:
            raise Rejected(ErrorCode.NOT_FOUND, "You do not belong to this tenant.", "input", "tenant")
        tenant, role = chosen
        async with services.units(tenant.tenant_id) as uow:
            session, issued = services.credentials.new_session(user, tenant.tenant_id, uow.now)
            await uow.accounts.add_session(session)
        rights = domain.permissions_of(role, platform_admin=user.platform_admin)
        return types.LoginPayload(viewer=_viewer(user, tenant, role, memberships, rights), tokens=_tokens(issued))

    @strawberry.mutation(
        description="Exchange a refresh token for new tokens, again within 10 s if need be. A token used later ends the session."
    )
    @refusals_as(types.RefreshPayload)
    async def refresh(self, info: Info, input: types.RefreshInput) -> types.RefreshPayload:
        services: Services = info.context.services
        try:
            tenant_id, session_id, presented = services.credentials.read_refresh(input.refresh_token)
            async with services.units(tenant_id) as uow:
                session = await uow.accounts.lock_session(SessionId(session_id))  # type: ignore[arg-type]
                if session is None:
                    raise Unauthenticated("This session has ended. Sign in again.")
                next_hash, issued = services.credentials.renew(session, input.refresh_token, uow.now)
                good = domain.rotate(session, presented, next_hash, uow.now, domain.REFRESH_TTL)
        except Unauthenticated as error:
            code = ErrorCode.TOKEN_EXPIRED if error.expired else ErrorCode.INVALID_CREDENTIALS
            raise Rejected(code, error.message, "input", "refreshToken") from None
        if not good:
            services.forget_standing()
            message = "This token was used before. The session has ended; sign in again."
            raise Rejected(ErrorCode.TOKEN_REUSED, message, "input", "refreshToken")
        return types.RefreshPayload(tokens=_tokens(issued))

    @strawberry.mutation(description="End a session: its tokens stop working at once.")
    @refusals_as(types.LogoutPayload)
    async def logout(self, info: Info, input: types.LogoutInput) -> types.LogoutPayload:
        services: Services = info.context.services
        try:
            tenant_id, session_id, presented = services.credentials.read_refresh(input.refresh_token)
        except Unauthenticated as error:
            raise Rejected(ErrorCode.INVALID_CREDENTIALS, error.message, "input", "refreshToken") from None
        async with services.units(tenant_id) as uow:
            session = await uow.accounts.lock_session(SessionId(session_id))  # type: ignore[arg-type]
            if session is not None and session.refresh_hash == presented:
                session.revoked_at = session.revoked_at or uow.now
        services.forget_standing()
        return types.LogoutPayload(ok=True)

    @strawberry.mutation(description="Make an API token. It is shown once.")
    @refusals_as(types.ApiTokenCreatePayload)
    async def api_token_create(self, info: Info, input: types.ApiTokenCreateInput) -> types.ApiTokenCreatePayload:
        actor, services = info.context.actor, info.context.services
        token, prefix, secret_hash = services.credentials.new_api_token(actor.tenant_id)
        wanted = decode_optional("ClientApp", input.client_app_id, "clientAppId")
        app_id = ClientAppId(wanted) if wanted is not None else None
        async with services.units(actor.tenant_id) as uow:
            actor.require(Permission.ADMIN)
            if app_id is not None:
                await get_client_app(uow.integrations, app_id, "clientAppId")
            made = await domain.create_api_token(
                uow.accounts, actor, name=input.name, scopes=input.scopes, expires_at=input.expires_at, prefix=prefix,
                secret_hash=secret_hash, now=uow.now, client_app_id=app_id,
            )  # fmt: skip
            await audited(info, uow, "api_token.create", ("ApiToken", made.id), {"scopes": made.scopes})
        return types.ApiTokenCreatePayload(token=token, api_token=await fresh(info, "ApiToken", made.id))

    @strawberry.mutation(description="Revoke an API token: it stops working at once.")
    @refusals_as(types.ApiTokenRevokePayload)
    async def api_token_revoke(self, info: Info, input: types.ApiTokenRevokeInput) -> types.ApiTokenRevokePayload:
        actor: Actor = info.context.actor
        token_id = ApiTokenId(decode_id("ApiToken", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await domain.revoke_api_token(uow.accounts, actor, token_id, uow.now)
            await audited(info, uow, "api_token.revoke", ("ApiToken", token_id))
        info.context.services.forget_standing()
        return types.ApiTokenRevokePayload(api_token=await fresh(info, "ApiToken", token_id))


async def _limit(services: Services, name: str) -> None:
    if not await services.may_sign_in(name):
        raise Rejected(ErrorCode.RATE_LIMITED, "Too many attempts. Wait a few minutes and try again.")


async def _find_user(services: Services, email: str) -> tuple[User | None, list[tuple[Tenant, Role]]]:
    async with services.units(NOBODY) as uow:
        user = await uow.accounts.user_by_email(email)
        memberships: list[Any] = await uow.accounts.memberships_of(user.id) if user is not None else []
    return user, memberships
